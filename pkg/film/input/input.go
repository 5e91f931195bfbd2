// Package input opens a job's source for ffmpeg, and limits the memory, disk space and time that
// ffmpeg may take to read it.
package input

import (
	"context"
	"runtime"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// locate returns the path or URL at which ffmpeg reads the object at url.
func locate(ctx context.Context, resolve work.Resolver, url string) (string, error) {
	store, key, err := resolve(ctx, url)
	if err != nil {
		return "", err
	}
	return store.Locate(ctx, key)
}

// Source returns the ffmpeg input of a job's source.
func Source(ctx context.Context, resolve work.Resolver, src film.Source) (ffmpeg.Input, error) {
	location, err := locate(ctx, resolve, src.URL)
	return ffmpeg.Input{Location: location, Demuxer: src.Demuxer, Rate: src.Rate, ProbeBytes: src.ProbeBytes}, err
}

// NoStream is passed to Jumps to read what is neither video nor audio.
const NoStream = -1

// Jumps returns how ffmpeg must read one stream of a source whose clock jumps, so that it gets the
// same timestamps as one that reads all streams. It is nil where the clock does not jump.
func Jumps(src film.Source, stream int) *ffmpeg.Jumps {
	if !src.Jumps {
		return nil
	}
	j := &ffmpeg.Jumps{Start: int64(src.Origin.In(media.Microseconds))}
	if src.FileStart != nil {
		j.Start = int64(*src.FileStart)
	}
	if src.Video != nil && src.Video.Stream != stream {
		j.Also = append(j.Also, src.Video.Stream)
	}
	for _, t := range src.Audio {
		if t.Stream != stream {
			j.Also = append(j.Also, t.Stream)
		}
	}
	return j
}

// CopyMemory is how many bytes of memory an ffmpeg may hold that copies streams or encodes audio:
// enough for the sample tables of a film of days and packets that wait for other streams. It holds
// no decoded frames.
const CopyMemory = 4 << 30

// copySpare is how many bytes larger than twice its source a file may be: enough for hours of the
// widest PCM from audio that compresses to nothing.
const copySpare = 16 << 30

// CopyLimits returns the limits of an ffmpeg that copies streams of a source of size bytes, or
// encodes its audio.
func CopyLimits(size int64) ffmpeg.Limits {
	return ffmpeg.Limits{Memory: CopyMemory, FileSize: copySpare + 2*max(size, 0)}
}

// WithDeadline limits the CPU time to that of all cores until ctx's deadline, or for 24 h where it
// has none. So ffmpeg ends even where this process is killed before it can stop it.
func WithDeadline(ctx context.Context, l ffmpeg.Limits) ffmpeg.Limits {
	left := 24 * time.Hour
	if t, ok := ctx.Deadline(); ok {
		left = time.Until(t)
	}
	l.CPU = max(left, time.Second) * time.Duration(runtime.NumCPU())
	return l
}
