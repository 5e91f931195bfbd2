package plan_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestALevelMustHoldTheFrames(t *testing.T) {
	t.Parallel()
	src := film.Source{URL: "/in/a.mkv", Size: 1, Version: "1", Video: &film.VideoTrack{
		Width: 1920, Height: 1080, Depth: 8, PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 50, Den: 1}, Timebase: media.Microseconds,
	}}
	for video, want := range map[string]string{
		`"level": "4.2"`:                   "", // four references fit, and medium has three
		`"level": "4.2", "preset": "slow"`: "ref=4",
		`"level": "4.2", "tune": "animation", "encoderOptions": "aq-mode=3"`: "aq-mode=3:ref=4",
		`"level": "4.2", "encoderOptions": "ref=5"`:                          "ref=5: a decoder of level 4.2 keeps 4 frames of 1920x1080",
		`"level": "4.1"`:                                                            "level 4.1 does not hold 1920x1080 at 50 frames a second; the lowest that does is 4.2",
		`"level": "4.1", "height": 720`:                                             "",
		`"level": "3.1", "height": 720, "frameRate": 25`:                            "",
		`"level": "1", "height": 1080, "frameRate": 25`:                             "level 1 does not hold 1920x1080 at 25 frames a second; the lowest that does is 4",
		`"level": "3", "height": 480, "frameRate": 25, "encoderOptions": "ref=1"`:   "ref=1",
		`"level": "6.2", "preset": "placebo", "encoderOptions": "ref=16:aq-mode=2"`: "ref=16:aq-mode=2",
	} {
		req, err := film.Parse([]byte(`{"source": "/in/a.mkv", "destination": "/out", "outputs": [{"name": "a", "video": [{` + video + `}]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if j, err := plan.Job(req, src, "5.1", func(string, film.Container) bool { return true }); err != nil {
			got = strings.TrimPrefix(err.Error(), "invalid request: /outputs/0/video/0/level: ")
		} else {
			got = j.Renditions[0].EncoderOptions
		}
		if got != want {
			t.Errorf("%s: %q, want %q", video, got, want)
		}
	}
}

func TestBitsPerSampleAreAsAskedFor(t *testing.T) {
	t.Parallel()
	hdr := media.Color{Transfer: "smpte2084", Primaries: "bt2020"}
	for _, c := range []struct {
		video, compute string
		depth          int
		color          media.Color
		format         string
		toneMapped     bool
		warning        string
	}{
		{`"bitDepth": 10`, "", 8, media.Color{}, "yuv420p10le", false, ""},
		{`"profile": "high10"`, "", 8, media.Color{}, "yuv420p10le", false, ""},
		{`"codec": "h265", "profile": "main"`, "", 10, media.Color{}, "yuv420p", false, film.NoticeMark + "the source has 10 bits per sample, the output 8"},
		{`"codec": "h265"`, "", 10, media.Color{}, "yuv420p10le", false, ""},
		{`"codec": "av1", "bitDepth": 8`, "", 10, hdr, "yuv420p", true, "the source is HDR; 8 bits get it tone-mapped to BT.709. 10 bits keep it"},
		{`"bitDepth": 10`, "", 10, hdr, "yuv420p10le", true, "the source is HDR; h264 gets it tone-mapped to BT.709 in 10 bits. h265, vp9 and av1 keep it"},
		{`"codec": "h265", "bitDepth": 10`, `, "compute": {"gpu": true}`, 8, media.Color{}, "p010le", false, ""},
	} {
		src := film.Source{URL: "/in/a.mkv", Size: 1, Version: "1", Video: &film.VideoTrack{
			Width: 640, Height: 360, Depth: c.depth, Color: c.color, PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 25, Den: 1}, Timebase: media.Microseconds,
		}}
		j := planned(t, src, `{"name": "a", "video": [{`+c.video+`}]}`, c.compute)
		r := j.Renditions[0]
		if r.PixelFormat != c.format || r.ToneMap != c.toneMapped {
			t.Errorf("%s of %d bits: %s, tone-mapped %v, want %s, %v", c.video, c.depth, r.PixelFormat, r.ToneMap, c.format, c.toneMapped)
		}
		if got := strings.TrimPrefix(strings.Join(j.Warnings, "; "), "a.mp4: "); got != c.warning {
			t.Errorf("%s: warnings %q, want %q", c.video, got, c.warning)
		}
	}
}
