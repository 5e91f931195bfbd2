package encode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
)

// A draft's encoder looks 10 frames ahead, and the frames are kept as far as that of the real preset will look, which is 40.
func TestOriginalsAreKeptForThePresetThatLooksFurthest(t *testing.T) {
	t.Parallel()
	v := Video{
		Input: ffmpeg.Input{Location: "/in.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 25}, Threads: 2, ContextFrames: true,
		Seek: new(int64(0)), Start: new(int64(100)), End: new(int64(200)), Frames: 100,
		Renditions: []Rendition{{
			Codec: "h264", Preset: "veryfast", Width: 320, Height: 180, PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 25, Den: 1}, Path: "0.mp4",
			Originals: Originals{Path: "0.nut", Preset: "medium", MaxFrames: 153}, Decoded: "0-decoded", Color: media.Color{Range: "tv"},
		}},
	}
	keeps := strings.Join(VideoArgs(v), " ")
	for _, want := range []string{
		"trim=end_pts=240,", ",split[o0][e0];[e0]trim=end_pts=210[v0]", "dump-yuv=0-decoded",
		"-map [o0] -map_metadata -1 -map_chapters -1 -fps_mode passthrough -enc_time_base 1:25 -c:v rawvideo -fflags +bitexact -avoid_negative_ts disabled " +
			"-output_ts_offset 10 -frames:v 153 -f nut file:0.nut",
	} {
		if !strings.Contains(keeps, want) {
			t.Errorf("no %q in %s", want, keeps)
		}
	}
	if n := v.OriginalFrames(0, 100); n != 152 || v.LeadFrames(0) != 12 {
		t.Errorf("%d frames are kept, %d of them first, want 152 and 12", n, v.LeadFrames(0))
	}
	v.FromOriginals = true
	again := strings.Join(VideoArgs(v), " ")
	if want := "-filter_complex [0:v:0]settb=1/25,trim=end_pts=210,setparams=range=tv[v0] "; !strings.Contains(again, want) || strings.Contains(again, "in.mp4") || strings.Contains(again, "[o0]") {
		t.Errorf("%s: want %s, and neither the source nor another file of originals", again, want)
	}
	v.Renditions[0].Preset = "medium"
	again = strings.Join(VideoArgs(v), " ")
	if want := "-itsoffset -10 -threads 1 "; !strings.Contains(again, want) || strings.Contains(again, "trim") {
		t.Errorf("%s: want %s, and all frames", again, want)
	}
}

// A portrait film in a wide frame has bars, which are larger than the picture.
func TestFramesWithBarsMayBeRead(t *testing.T) {
	t.Parallel()
	v := Video{FromOriginals: true, Timebase: media.Rational{Num: 1, Den: 25}, Renditions: []Rendition{{
		Codec: "h265", Width: 2430, Height: 4320, Frame: media.Size{Width: 7680, Height: 4320}, Path: "0.mp4", Originals: Originals{Path: "0.nut"},
	}}}
	for name, args := range map[string][]string{"encode": VideoArgs(v), "comparison": CompareArgs(v, Comparison{Measure: EncodedFrames, Timebase: v.Timebase})} {
		if text, want := strings.Join(args, " "), fmt.Sprintf("-max_pixels %d ", 2*7680*4320); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in %s", name, want, text)
		}
	}
}

func TestTimesThatNUTKeepsExactly(t *testing.T) {
	t.Parallel()
	for tb, want := range map[media.Rational]bool{
		{Num: 1, Den: 12288}: true, {Num: 1, Den: 1000}: true, {Num: 1, Den: 90000}: true, {Num: 1001, Den: 30000}: true, {Num: 17, Den: 1000}: false, {Num: 1, Den: 1 << 24}: false,
	} {
		v := Video{Timebase: tb, Renditions: []Rendition{{FrameRate: media.Rational{Num: 25, Den: 1}}}}
		if got := v.ExactOriginals(0); got != want {
			t.Errorf("%s: %v, want %v", tb, got, want)
		}
		v.Renditions[0].FrameRate = media.Rational{}
		if v.ExactOriginals(0) {
			t.Errorf("%s without a frame rate: the encoder would guess another", tb)
		}
	}
}
