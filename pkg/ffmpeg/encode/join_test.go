package encode

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

// A joined source is sought by its own clock. Its frames have the film's before they are selected, and their colours become the film's.
func TestAJoinedSourceHasTheClockAndTheColoursOfItsFilm(t *testing.T) {
	t.Parallel()
	film := media.Rational{Num: 1, Den: 60000}
	v := Video{
		Timebase: film, Clock: &Clock{Timebase: media.Rational{Num: 1, Den: 1000}, Shift: 600_000},
		Seek: new(int64(720_000)), Start: new(int64(726_000)), End: new(int64(780_000)), Packets: "packets.txt", Threads: 1,
		Renditions: []Rendition{{
			Codec: "h264", Preset: "medium", PixelFormat: "yuv420p", Width: 64, Height: 36, Path: "0.mp4",
			Color: media.Color{Space: "bt709", Range: "tv"}, From: &Colours{Color: media.Color{Range: "pc"}},
		}},
	}
	v.Input.Demuxer = "mov"
	got := strings.Join(VideoArgs(v), " ")
	for _, want := range []string{
		"-ss 2.000000 ", "-to 3.500000 ", "settb=1/60000,setpts=PTS+(600000),trim=start_pts=726000,",
		":in_color_matrix=bt601:in_range=pc:out_color_matrix=bt709:out_range=tv", "color_primaries=unknown:color_trc=unknown:colorspace=bt709",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if got := strings.Join(FirstFrameArgs(v), " "); !strings.Contains(got, "[0:0]settb=1/60000,setpts=PTS+(600000),trim=") {
		t.Errorf("the first frame has another clock: %s", got)
	}
}
