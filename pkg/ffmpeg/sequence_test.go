package ffmpeg

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

func TestOptionsOfASequence(t *testing.T) {
	rate := media.Rational{Num: 24000, Den: 1001}
	in := Input{Location: "/work/50% off", Demuxer: "image2", FirstFrame: 48, Sequence: &Sequence{Extension: "exr", Rate: rate, Alpha: true}}
	got := strings.Join(append(in.Options(), "-i", in.URL()), " ")
	want := "-protocol_whitelist file -itsoffset 2002000us -apply_trc iec61966_2_1 -framerate 24000/1001 -pattern_type sequence -start_number 0 " +
		"-f image2 -i file:/work/50%% off/%08d.exr"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Frames that an encoder can take as they are pass no filter.
func TestFiltersOfASequence(t *testing.T) {
	const scale = "scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,"
	for _, c := range []struct {
		s    Sequence
		want string
	}{
		{Sequence{Extension: "png"}, ""},
		{Sequence{Extension: "jpg", Background: [3]uint8{1, 2, 3}}, ""},
		{Sequence{Extension: "png", Mixed: true}, scale + "format=gbrp"},
		{Sequence{Extension: "png", Alpha: true}, scale + "format=gbrap,premultiply=inplace=1,format=gbrp"},
		{
			Sequence{Extension: "tiff", Alpha: true, Deep: true, Background: [3]uint8{255, 0, 51}},
			scale + "format=gbrap16le,premultiply=inplace=1,lutrgb=a=maxval-val,colorchannelmixer=ra=1.000000:ga=0.000000:ba=0.200000,format=gbrp16le",
		},
		{Sequence{Extension: "exr", Alpha: true, Background: [3]uint8{255, 0, 51}}, scale + "format=gbrp16le"},
	} {
		if got := strings.Join(c.s.Filters(), ","); got != c.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", c.s, got, c.want)
		}
	}
}
