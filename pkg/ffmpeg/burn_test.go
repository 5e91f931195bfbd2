package ffmpeg_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
)

// The filter takes the shape of a pixel from the size that the frame has in square pixels: measured with ffmpeg 5.1, a line of 140 columns at
// 1024x576 is as wide at 720x576 when it is shown.
func TestLettersHaveTheShapeOfSquarePixels(t *testing.T) {
	b := ffmpeg.Burn{Script: "burn1", Fonts: "fonts"}
	for _, c := range []struct {
		sar  media.Rational
		want string
	}{
		{media.Rational{}, ""},
		{media.Rational{Num: 1, Den: 1}, ""},
		{media.Rational{Num: 4, Den: 4}, ""},
		{media.Rational{Num: 64, Den: 45}, ":original_size=1024x576"},
		{media.Rational{Num: 8, Den: 9}, ":original_size=640x576"},
	} {
		if got, want := b.Filter(media.Size{Width: 720, Height: 576}, c.sar), "ass=filename=burn1:fontsdir=fonts"+c.want; got != want {
			t.Errorf("%v: %q, want %q", c.sar, got, want)
		}
	}
	if got := (ffmpeg.Burn{}).Filter(media.Size{Width: 2, Height: 2}, media.Rational{}); got != "" {
		t.Errorf("without a script: %q", got)
	}
}
