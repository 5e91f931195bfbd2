package encode

import (
	"errors"
	"io"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// The decoder of H.264 loses keyframes where it is told to skip other frames: the demuxer's list shows it.
func TestADecoderThatSkipsMustGiveTheKeyframesOfTheDemuxer(t *testing.T) {
	t.Parallel()
	a := &attempt{job: film.Job{Source: film.Source{Video: &film.VideoTrack{Codec: "h264"}}}}
	if !a.mayMiss(ffmpeg.Input{Demuxer: "matroska"}) || a.mayMiss(ffmpeg.Input{Demuxer: "mov"}) {
		t.Error("only the demuxer of MP4 gives the decoder keyframes alone")
	}
	list := packets{0, 40, 80}
	for name, c := range map[string]struct {
		d    decoding
		err  error
		want bool
	}{
		"all":        {decoding{times: []media.Ticks{0, 40, 80}, keyframes: list}, nil, true},
		"none":       {decoding{}, nil, true},
		"lost":       {decoding{times: []media.Ticks{0, 80}, keyframes: list}, nil, false},
		"others":     {decoding{times: []media.Ticks{0, 40, 81}, keyframes: list}, nil, false},
		"disordered": {decoding{times: []media.Ticks{0, 40, 80}, keyframes: list, disordered: true}, nil, false},
		"failed":     {decoding{times: []media.Ticks{0, 40, 80}, keyframes: list}, errDamaged, false},
	} {
		if got := a.hasKeyframes(c.d, c.err); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	if _, err := io.WriteString(&a.damage, "[h264 @ 0x55d9] illegal short term buffer state detected\n"); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if a.damage.String() != "" && a.hasKeyframes(decoding{}, nil) {
		t.Error("a decoder that complained is believed")
	}
}
