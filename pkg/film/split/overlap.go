package split

import (
	"cmp"
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// afterFrame returns a chunk whose frames are all shown after last, the timestamp of the last frame
// of the chunk before. Where recordings are joined that overlap, the first frames of the second are
// not. A single-pass encode shows those one tick apart after last. The segments of a film cannot
// overlap, and a decoder that sees a timestamp step back replaces it by a guess. A chunk that has no
// frame after last is returned as it is: one of the timestamps is damaged.
func afterFrame(chunk isobmff.Chunk, last media.Ticks) (_ isobmff.Chunk, changed bool) {
	times := chunk.Presentation()
	if times[0] > int64(last) || times[len(times)-1] <= int64(last) {
		return chunk, false
	}
	type frame struct {
		sample int
		pts    int64
	}
	frames := make([]frame, len(chunk.Samples))
	dts := chunk.Start
	for i, s := range chunk.Samples {
		frames[i] = frame{i, dts + int64(s.Offset)}
		dts += int64(s.Duration)
	}
	slices.SortStableFunc(frames, func(a, b frame) int { return cmp.Compare(a.pts, b.pts) })
	samples := slices.Clone(chunk.Samples)
	next := int64(last) + 1
	for _, f := range frames {
		if f.pts >= next {
			break
		}
		offset := int64(samples[f.sample].Offset) + next - f.pts
		if offset > math.MaxInt32 {
			return chunk, false // hours: a damaged timestamp
		}
		samples[f.sample].Offset = int32(offset)
		next++
	}
	chunk.Samples = samples
	return chunk, true
}
