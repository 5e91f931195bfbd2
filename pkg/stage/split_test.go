package stage

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestAJumpOfTheClockIsNoticed(t *testing.T) {
	t.Parallel()
	const second, frame = 90_000, 3_750
	stretch := func(start int64, durations ...uint32) isobmff.Chunk {
		p := isobmff.Chunk{Track: isobmff.Track{Timescale: second}, Start: start}
		for _, d := range durations {
			p.Samples = append(p.Samples, isobmff.Sample{Duration: d})
		}
		return p
	}
	for _, c := range []struct {
		name  string
		piece isobmff.Chunk
		next  media.Ticks
		want  bool
	}{
		{"neighbours", stretch(second, frame, frame), second, false},
		{"a B-frame's delay", stretch(second-2*frame, frame), second, false},
		{"a hole of 9 s", stretch(10*second, frame), second, false},
		{"11 s ahead", stretch(12*second, frame), second, true},
		{"11 s back", stretch(second, frame), 12 * second, true},
		{"11 s ahead within", stretch(second, frame, 11*second, frame), second, true},
		{"squeezed behind a jump back", stretch(second, frame, 1, 1, 1), second, true},
		{"two frames at one time", stretch(second, frame, 1, frame, 1, frame), second, false},
	} {
		if got := jumped(c.piece, &c.next); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if jumped(stretch(100*second, frame), nil) {
		t.Error("a source that begins late does not jump")
	}
}

func TestTwoFramesAtOneTimeAreATickApart(t *testing.T) {
	t.Parallel()
	tick := media.Rational{Num: 1, Den: 90_000}
	times := []media.Ticks{3750, 7500, 7500, 11250}
	want := moments{times: shownAt(times, tick, tick, 0)}
	if err := want.check([]int64{3750, 7500, 7501, 11250}); err != nil {
		t.Error(err)
	}
	for _, got := range [][]int64{{3750, 7500, 7502, 11250}, {3750, 7501, 7502, 11250}, {3750, 7500, 7501, 11251}, {3750, 7500, 11250}} {
		if want.check(got) == nil {
			t.Errorf("%v passes for %v", got, times)
		}
	}
}
