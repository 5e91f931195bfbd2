package plan_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestAnOverlayLiesOnEachRenditionInProportion(t *testing.T) {
	t.Parallel()
	src := film.Source{URL: "/in/a.mkv", Size: 1, Version: "1", Video: &film.VideoTrack{
		Width: 1920, Height: 1080, PixelFormat: "yuv420p", End: 60_000_000, FrameRate: media.Rational{Num: 25, Den: 1}, Timebase: media.Microseconds,
	}, Files: []film.File{{URL: "/logo.png", Digest: "abc", Pixels: media.Size{Width: 300, Height: 100}}}}
	const video = `"overlay": {"image": "/logo.png", "at": "top-left", "margin": 0, "height": 20}`
	j := planned(t, src, `{"name": "a", "container": "hls", "video": [{`+video+`}, {"height": 540, `+video+`}]}`, "")
	want := []overlay.Place{{Width: 648, Height: 216}, {Width: 324, Height: 108}, {Width: 162, Height: 54}} // the last is for trick play
	for i, r := range j.Renditions {
		if r.Overlay.Digest != "abc" || i >= len(want) || r.OverlayPlace() != want[i] {
			t.Errorf("rendition %d has %+v at %+v", i, r.Overlay, r.OverlayPlace())
		}
	}
	j = planned(t, src, `{"name": "a", "video": [{"pad": "2000:2000", `+video+`}]}`, "")
	if at := j.Renditions[0].OverlayPlace(); at != want[0] {
		t.Errorf("on a padded picture: %+v", at)
	}
	src.Video.Color, src.Video.Depth = media.Color{Transfer: "smpte2084"}, 10
	req, err := film.Parse([]byte(`{"source": "/in/a.mkv", "destination": "/out", "outputs": [{"name": "a", "video": [{"codec": "h265", ` + video + `}]}]}`))
	if err == nil {
		_, err = plan.Job(req, src, "5.1", copyable)
	}
	if err == nil || !strings.Contains(err.Error(), "/outputs/0/video/0/overlay: the output is HDR") {
		t.Errorf("HDR: %v", err)
	}
}
