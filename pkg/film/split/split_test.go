package split

import (
	"slices"
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
		if got := jumped(c.chunk, &c.end, 10); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if jumped(clockChunk(100*second, frame), nil, 10) {
		t.Error("a source that begins at 100 s is said to jump")
	}
}

func TestFramesOfAJoinedRecordingFollowThoseBefore(t *testing.T) {
	t.Parallel()
	// Decoded I P B B: 0, 300, 100, 200.
	second := isobmff.Chunk{Track: isobmff.Track{Timescale: clock}, Start: 1000, Samples: []isobmff.Sample{
		{Duration: 100, Offset: 0, Sync: true}, {Duration: 100, Offset: 200}, {Duration: 100, Offset: -100}, {Duration: 100, Offset: -100},
	}}
	for _, c := range []struct {
		name    string
		last    media.Ticks
		want    []int64
		changed bool
	}{
		{"no overlap", 999, []int64{1000, 1100, 1200, 1300}, false},
		{"the first frame at the last one's time", 1000, []int64{1001, 1100, 1200, 1300}, true},
		{"the first frame", 1050, []int64{1051, 1100, 1200, 1300}, true},
		{"two frames", 1150, []int64{1151, 1152, 1200, 1300}, true},
		{"all but the last", 1299, []int64{1300, 1301, 1302, 1303}, true},
		{"all frames", 1300, []int64{1000, 1100, 1200, 1300}, false},
	} {
		before := slices.Clone(second.Samples)
		got, changed := afterFrame(second, c.last)
		if !slices.Equal(got.Presentation(), c.want) || changed != c.changed {
			t.Errorf("%s: %v, changed %t, want %v, %t", c.name, got.Presentation(), changed, c.want, c.changed)
		}
		if !slices.Equal(second.Samples, before) {
			t.Fatalf("%s: the chunk itself was changed", c.name)
		}
	}
}
