package split

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// clock is the timescale of MPEG-TS.
const clock = 90_000

// clockChunk returns a chunk whose samples have these durations.
func clockChunk(start int64, durations ...uint32) isobmff.Chunk {
	c := isobmff.Chunk{Track: isobmff.Track{Timescale: clock}, Start: start}
	for _, d := range durations {
		c.Samples = append(c.Samples, isobmff.Sample{Duration: d})
	}
	return c
}

func TestJumpsOfTheClockAreDetected(t *testing.T) {
	t.Parallel()
	const second, frame = clock, 3_750
	for _, c := range []struct {
		name  string
		chunk isobmff.Chunk
		end   media.Ticks // of the chunk before
		want  bool
	}{
		{"contiguous", clockChunk(second, frame, frame), second, false},
		{"a B-frame's delay", clockChunk(second-2*frame, frame), second, false},
		{"a gap of 9 s", clockChunk(10*second, frame), second, false},
		{"11 s ahead", clockChunk(12*second, frame), second, true},
		{"11 s back", clockChunk(second, frame), 12 * second, true},
		{"11 s ahead within the chunk", clockChunk(second, frame, 11*second, frame), second, true},
		{"samples of one tick after a jump back", clockChunk(second, frame, 1, 1, 1), second, true},
		{"pairs of frames with one timestamp", clockChunk(second, frame, 1, frame, 1, frame), second, false},
	} {
		if got := jumped(c.chunk, &c.end); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if jumped(clockChunk(100*second, frame), nil) {
		t.Error("a source that begins at 100 s is said to jump")
	}
}
