package input

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestJumpsListTheOtherStreamsOnlyWhereTheClockJumps(t *testing.T) {
	src := film.Source{
		Video: &film.VideoTrack{Stream: 0}, Audio: []film.AudioTrack{{Stream: 1}, {Stream: 3}},
		Origin: media.Instant{Ticks: 90_000, Timebase: media.Rational{Num: 1, Den: 90_000}},
	}
	if got := Jumps(src, 1); got != nil {
		t.Errorf("got %+v for a clock that does not jump", got)
	}
	src.Jumps = true
	for stream, also := range map[int][]int{0: nil, 1: {0}, NoStream: {0}} {
		want := &ffmpeg.Jumps{Start: 1_000_000, Also: also, Decoded: []int{1, 3}, Step: 10}
		if diff := cmp.Diff(want, Jumps(src, stream)); diff != "" {
			t.Errorf("stream %d (-want +got):\n%s", stream, diff)
		}
	}
}
