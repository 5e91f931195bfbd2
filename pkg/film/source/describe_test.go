package source

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// The declared size of a video track is checked before anything is decoded.
func TestVideoWithoutASizeOrWithTooManyPixelsIsRefused(t *testing.T) {
	for _, c := range []struct {
		width, height int
		codec         string
		want          fault.Kind
	}{
		{16384, 8704, "hevc", ""},
		{8704, 16384, "hevc", ""},
		{16384, 8705, "hevc", fault.Unsupported},
		{17000, 9000, "mjpeg", fault.Unsupported},
		{30000, 30000, "mjpeg", fault.Unsupported},
		{1<<31 - 1, 1<<31 - 1, "png", fault.Unsupported},
		{1<<31 - 1, 1, "png", fault.Unsupported},
		{0, 1080, "h264", fault.Corrupt},
		{1920, 0, "h264", fault.Corrupt},
		{-1920, -1080, "h264", fault.Corrupt},
		{1920, 1080, "", fault.Corrupt},
	} {
		var src film.Source
		err := describe(&src, probe.Media{Streams: []probe.Stream{
			{Type: "video", Codec: c.codec, Width: c.width, Height: c.height, Timebase: media.Rational{Num: 1, Den: 25}},
		}})
		if fault.KindOf(err) != c.want {
			t.Errorf("%d x %d of %q: %v of kind %q, want %q", c.width, c.height, c.codec, err, fault.KindOf(err), c.want)
		}
		if (err == nil) != (src.Video != nil) {
			t.Errorf("%d x %d of %q: error %v, but video track %v", c.width, c.height, c.codec, err, src.Video)
		}
	}
}

func TestAnUnknownCodecIsNamed(t *testing.T) {
	t.Parallel()
	var src film.Source
	err := describe(&src, probe.Media{Streams: []probe.Stream{{Type: "video", Tag: "vvc9", Width: 64, Height: 36, Timebase: media.Rational{Num: 1, Den: 25}}}})
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "coded as vvc9, which this ffmpeg does not know") {
		t.Errorf("%v of kind %q, want the codec named", err, fault.KindOf(err))
	}
}
