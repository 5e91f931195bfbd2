package encode

import "github.com/mapreel/mapreel/pkg/ffmpeg"

// memory returns a generous bound on the private memory, in bytes, that encoding v needs: the
// decoder's frames, and for each rendition the frames that its encoder holds at the slowest preset.
// It returns 0, no bound, for a GPU, because its driver maps all of the GPU's memory.
func (v Video) memory(width, height int) int64 {
	const (
		base     = 2 << 30 // programs, tables, and overhead of small frames
		perPixel = 6       // bytes: 4:4:4 of 16 bits
		decoder  = 64      // frames: 16 references, and those in flight between threads and filters
		encoder  = 300     // frames: a look-ahead of 250 (x264 placebo: 60; x265: 250; SVT-AV1: 120) with the data of each
	)
	pixels := int64(max(width, 16)) * int64(max(height, 16))
	total := base + pixels*perPixel*int64(decoder+4*max(v.Threads, 1))
	for _, r := range v.Renditions {
		if r.GPU {
			return 0
		}
		// A scaled frame is never larger than its source.
		total += pixels * perPixel * int64(encoder+8*max(v.Threads, 1))
	}
	return total
}

// VideoLimits returns the limits for encoding v from a source of width x height pixels, with frames
// in the segment (0 = unknown). It leaves CPU to the caller, who knows the deadline.
func VideoLimits(v Video, width, height, frames int) ffmpeg.Limits {
	l := ffmpeg.Limits{Memory: v.memory(width, height)}
	if frames > 0 {
		// No encoder's output exceeds twice its raw input. A segment may have some more frames than
		// announced.
		l.FileSize = 64<<20 + 2*6*int64(width)*int64(height)*int64(frames+1000)
	}
	return l
}
