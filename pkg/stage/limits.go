package stage

import (
	"context"
	"runtime"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

const (
	// copyMemory is what ffmpeg may hold while it copies or encodes sound: the tables of a film of days, packets that wait
	// for other streams, and no pictures.
	copyMemory = 4 << 30
	// copySpare is what a file made of a source may be larger than twice the source: PCM at its widest for hours of what
	// compresses to nothing.
	copySpare = 16 << 30
)

// copying bounds an ffmpeg that copies streams of a source of that size, or encodes its sound.
func copying(size int64) ffmpeg.Limits {
	return ffmpeg.Limits{Memory: copyMemory, FileSize: copySpare + 2*max(size, 0)}
}

// bounded gives limits the time there is: all cores until the attempt is surely over. A program that our own end, or a stop
// of this process, leaves alone does not run for ever.
func bounded(ctx context.Context, l ffmpeg.Limits) ffmpeg.Limits {
	l.CPU = max(time.Until(leaseOf(ctx)), time.Second) * time.Duration(runtime.NumCPU())
	return l
}
