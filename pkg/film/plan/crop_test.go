package plan_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// picture plans a source for one output, and returns its first rendition, or the error.
func picture(track film.VideoTrack, bars *film.Region, out film.Output) (film.Job, error) {
	out.Name = "a"
	track.Timebase, track.End = media.Rational{Num: 1, Den: 1000}, 60_000
	src := film.Source{Video: &track, Duration: 60e6, Picture: bars}
	return plan.Job(film.Request{Source: "/in", Destination: "/out", Outputs: []film.Output{out}}, src, "ffmpeg", func(string, film.Container) bool { return true })
}

func TestCropAndPadDecideTheSize(t *testing.T) {
	hd := film.VideoTrack{Width: 1920, Height: 1080, PixelFormat: "yuv420p", Depth: 8}
	pal := film.VideoTrack{Width: 720, Height: 576, PixelFormat: "yuv420p", Depth: 8, SampleAspect: media.Rational{Num: 16, Den: 15}}
	turned := hd
	turned.Rotation = 90
	bars := &film.Region{Width: 1920, Height: 800, Y: 140}
	for _, c := range []struct {
		name  string
		track film.VideoTrack
		bars  *film.Region
		video film.Video
		want  film.Rendition
	}{
		{"region", hd, nil, film.Video{Crop: "1440:1080:240:0"}, film.Rendition{Width: 1440, Height: 1080, Region: film.Region{Width: 1440, Height: 1080, X: 240}}},
		{"region, scaled", hd, nil, film.Video{Crop: "1920:800:0:140", Height: 400}, film.Rendition{Width: 960, Height: 400, Region: *bars}},
		{"auto", hd, bars, film.Video{Crop: "auto"}, film.Rendition{Width: 1920, Height: 800, Region: *bars}},
		{"auto, nothing found", hd, nil, film.Video{Crop: "auto"}, film.Rendition{Width: 1920, Height: 1080}},
		{"region of a turned frame", turned, nil, film.Video{Crop: "1080:1000:0:20"}, film.Rendition{Width: 1080, Height: 1000, Region: film.Region{Width: 1080, Height: 1000, Y: 20}}},
		{"padded, larger frame", hd, nil, film.Video{Pad: "2560:1440"}, film.Rendition{Width: 2560, Height: 1440, Inner: media.Size{Width: 1920, Height: 1080}}},
		{"padded, smaller frame", hd, nil, film.Video{Pad: "1080:1080"}, film.Rendition{Width: 1080, Height: 1080, Inner: media.Size{Width: 1080, Height: 608}}},
		{"padded, enlarged", pal, nil, film.Video{Pad: "1920:1080", Upscale: true}, film.Rendition{Width: 1920, Height: 1080, Inner: media.Size{Width: 1440, Height: 1080}}},
		{"padded, same shape", hd, nil, film.Video{Pad: "1280:720"}, film.Rendition{Width: 1280, Height: 720}},
		{"cropped and padded", hd, bars, film.Video{Crop: "auto", Pad: "1920:1080"}, film.Rendition{Width: 1920, Height: 1080, Inner: media.Size{Width: 1920, Height: 800}, Region: *bars}},
	} {
		j, err := picture(c.track, c.bars, film.Output{Video: []film.Video{c.video}})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r := j.Renditions[0]
		got := film.Rendition{Width: r.Width, Height: r.Height, Region: r.Region, Inner: r.Inner}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if square := (media.Rational{Num: 1, Den: 1}); c.video.Pad != "" && r.SampleAspect != square {
			t.Errorf("%s: pixels of %v in a padded frame", c.name, r.SampleAspect)
		}
	}
	if _, err := picture(hd, nil, film.Output{Video: []film.Video{{Crop: "1920:1080:0:2"}}}); err == nil || !strings.Contains(err.Error(), "/outputs/0/video/0/crop: 1920:1080:0:2 is not within the source's frame of 1920x1080") {
		t.Errorf("a region outside of the frame: %v", err)
	}
}

func TestAPackageShowsTheCropEverywhere(t *testing.T) {
	bars := &film.Region{Width: 1920, Height: 800, Y: 140}
	j, err := picture(film.VideoTrack{Width: 1920, Height: 1080, PixelFormat: "yuv420p", Depth: 8}, bars,
		film.Output{Container: film.HLS, Ladder: film.Web, Video: []film.Video{{Crop: "auto"}}})
	if err != nil {
		t.Fatal(err)
	}
	plan.AddThumbnails(&j)
	for _, r := range j.Renditions {
		if r.Region != *bars || r.Width*800/r.Height < 1900 || r.Width*800/r.Height > 1940 {
			t.Errorf("a rendition of %dx%d shows %v", r.Width, r.Height, r.Region)
		}
	}
	if p := j.Pictures; len(p) != 1 || p[0].Region != *bars || p[0].Size.Height != 100 {
		t.Errorf("thumbnails: %+v", p)
	}
}

func TestBarsAreWhatIsBlackInAllSamples(t *testing.T) {
	hd := film.VideoTrack{Width: 1920, Height: 1080}
	interlaced := hd
	interlaced.Interlaced = "tff"
	for _, c := range []struct {
		name    string
		track   film.VideoTrack
		samples []film.Region
		want    *film.Region
	}{
		{"none", hd, nil, nil},
		{"all black but one", hd, []film.Region{{Width: 1920, Height: 800, Y: 140}}, &film.Region{Width: 1920, Height: 800, Y: 140}},
		{"dark scenes", hd, []film.Region{{Width: 500, Height: 300, X: 100, Y: 300}, {Width: 1919, Height: 799, X: 1, Y: 141}}, &film.Region{Width: 1920, Height: 800, Y: 140}},
		{"one frame is whole", hd, []film.Region{{Width: 1920, Height: 800, Y: 140}, {Width: 1920, Height: 1080}}, nil},
		{"a soft edge", hd, []film.Region{{Width: 1918, Height: 1078, X: 2, Y: 2}}, nil},
		{"pillars", hd, []film.Region{{Width: 1441, Height: 1080, X: 240}}, &film.Region{Width: 1442, Height: 1080, X: 240}},
		{"fields", interlaced, []film.Region{{Width: 1920, Height: 798, Y: 142}}, &film.Region{Width: 1920, Height: 800, Y: 140}},
		{"a small title on black", hd, []film.Region{{Width: 300, Height: 100, X: 800, Y: 500}}, nil},
		{"outside of the frame", hd, []film.Region{{Width: 4000, Height: 800, X: -4, Y: 140}}, &film.Region{Width: 1920, Height: 800, Y: 140}},
	} {
		got := plan.Bars(c.samples, c.track)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
