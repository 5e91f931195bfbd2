package encode

import (
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestKeyframesReachTheDecoderAlone(t *testing.T) {
	p := Pictures{Rate: media.Rational{Num: 1, Den: 5}, Shown: true, End: 10, Size: media.Size{Width: 16, Height: 16}, Scaled: media.Size{Width: 16, Height: 16}, Format: "jpg", Path: "p-%d.jpg"}
	args := VideoArgs(Video{
		Input: ffmpeg.Input{Demuxer: "mov", Location: "film.mp4"}, Stream: 1, Timebase: media.Rational{Num: 1, Den: 24}, Keyframes: true, Pictures: []Pictures{p, p},
	})
	// ffmpeg 5.1 has the demuxer give all packets to a stream that is the input of a complex graph.
	if slices.Contains(args, "-filter_complex") {
		t.Errorf("a complex graph undoes -discard: %q", args)
	}
	text := strings.Join(args, " ")
	if strings.Index(text, "-discard:v nokey") > strings.Index(text, " -i ") || strings.Count(text, "-map 0:1 -vf select=key,") != 2 {
		t.Errorf("got %q", args)
	}
}
