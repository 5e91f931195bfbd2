package film_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestDelayIsThatOfReorderedFrames(t *testing.T) {
	t.Parallel()
	ratio := func(num, den int64) media.Rational { return media.Rational{Num: num, Den: den} }
	for name, c := range map[string]struct {
		rendition film.Rendition
		rate      media.Rational
		scale     int64
		want      int64
	}{
		"milliseconds":         {film.Rendition{Codec: film.H264}, ratio(24000, 1001), 1000, 85},
		"ticks of a frame":     {film.Rendition{Codec: film.H265}, ratio(25, 1), 12800, 1026},
		"a constant rate":      {film.Rendition{Codec: film.H264, Rate: ratio(25, 1)}, ratio(50, 1), 1000, 1026}, // in 12,800 ticks
		"a rate of the clock":  {film.Rendition{Codec: film.H264}, ratio(1000, 1), 1000, 69},
		"an unknown rate":      {film.Rendition{Codec: film.H264}, media.Rational{}, 1000, 69},
		"a picture a minute":   {film.Rendition{Codec: film.H264}, ratio(1, 60), 1000, 2002},
		"AV1 does not reorder": {film.Rendition{Codec: film.AV1}, ratio(25, 1), 1000, 0},
	} {
		if got := c.rendition.Delay(film.VideoTrack{Timebase: ratio(1, c.scale), FrameRate: c.rate}); got != c.want {
			t.Errorf("%s: %d ticks, want %d", name, got, c.want)
		}
	}
}
