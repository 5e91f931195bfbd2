package plan_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestFiltersFitTheFrames(t *testing.T) {
	t.Parallel()
	src := film.Source{URL: "/in/a.mkv", Size: 1, Version: "1", Video: &film.VideoTrack{
		Width: 640, Height: 360, Depth: 10, PixelFormat: "yuv420p10le", Interlaced: "tff", End: 60_000_000, FrameRate: media.Rational{Num: 25, Den: 1}, Timebase: media.Microseconds,
	}}
	for video, want := range map[string]string{
		`"filter": "eq=contrast=1.1,hflip"`:                           "eq=contrast=1.1,hflip", // 8 bits of h264
		`"codec": "h265", "filter": "eq=contrast=1.1"`:                "/filter: eq has 8 bits per sample, the output 10; set bitDepth 8, or leave it out",
		`"codec": "h265", "filter": "eq=contrast=1.1", "bitDepth": 8`: "eq=contrast=1.1",
		`"codec": "h265", "filter": "vaguedenoiser"`:                  "vaguedenoiser",
		`"filter": "hue=s=0", "interlaced": "keep"`:                   "hue=s=0",
		`"filter": "hflip,unsharp=la=1", "interlaced": "keep"`:        "/filter: unsharp mixes or moves the rows of both fields; leave out interlaced keep, so that the video is deinterlaced first",
		`"filter": "vflip", "interlaced": "keep"`:                     "/filter: vflip mixes or moves the rows of both fields; leave out interlaced keep, so that the video is deinterlaced first",
		`"filter": "hqdn3d"`:                                          "/filter: hqdn3d cannot be used: it mixes each frame with all frames before it, so that segments would meet at visible seams, whatever their run-up; vaguedenoiser and nlmeans denoise each frame alone",
	} {
		req, err := film.Parse([]byte(`{"source": "/in/a.mkv", "destination": "/out", "outputs": [{"name": "a", "video": [{` + video + `}]}]}`))
		var j film.Job
		if err == nil {
			j, err = plan.Job(req, src, "5.1", copyable)
		}
		var got string
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "invalid request: /outputs/0/video/0")
		} else {
			got = j.Renditions[0].Filter
		}
		if got != want {
			t.Errorf("%s: %q, want %q", video, got, want)
		}
	}
	j := planned(t, src, `{"name": "a", "container": "hls", "video": [{"codec": "h264", "filter": "hflip"}]}`, "")
	plan.AddThumbnails(&j)
	for _, r := range j.Renditions {
		if r.Filter != "hflip" {
			t.Errorf("rendition %s is not filtered", r.Name)
		}
	}
	if len(j.Pictures) != 1 || j.Pictures[0].Filter != "hflip" {
		t.Errorf("the thumbnails are not filtered: %+v", j.Pictures)
	}
}
