package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

// A package has one small rendition of keyframes for each codec.
func TestPackagesHaveARenditionForTrickPlay(t *testing.T) {
	type made struct {
		Name          string
		Width, Height int
		CRF           int
		Keyframes     int
	}
	for name, c := range map[string]struct {
		width, height int
		output        string
		want          []made
	}{
		"a ladder":      {1920, 1080, `{"name": "a", "container": "hls"}`, []made{{"trickplay", 416, 234, 27, 6}}},
		"one size":      {1920, 1080, `{"name": "a", "container": "dash", "video": [{"height": 720}]}`, []made{{"trickplay", 480, 270, 27, 6}}},
		"portrait":      {1080, 1920, `{"name": "a", "container": "hls", "video": [{"height": 1920}]}`, []made{{"trickplay", 270, 480, 27, 6}}},
		"small":         {160, 90, `{"name": "a", "container": "hls", "video": [{}]}`, []made{{"trickplay", 160, 90, 27, 6}}},
		"lossless":      {640, 360, `{"name": "a", "container": "hls", "video": [{"crf": 0}]}`, []made{{"trickplay", 480, 270, 6, 6}}},
		"worst":         {640, 360, `{"name": "a", "container": "hls", "video": [{"crf": 51}]}`, []made{{"trickplay", 480, 270, 51, 6}}},
		"short":         {640, 360, `{"name": "a", "container": "hls", "video": [{}], "package": {"seconds": 2.5}}`, []made{{"trickplay", 480, 270, 27, 3}}},
		"two codecs":    {1280, 720, `{"name": "a", "container": "hls", "video": [{"codec": "h265"}, {}]}`, []made{{"trickplay", 480, 270, 30, 6}, {"trickplay-h264", 480, 270, 27, 6}}},
		"constant rate": {640, 360, `{"name": "a", "container": "hls", "video": [{"frameRate": 30, "maxBitrate": "2M"}]}`, []made{{"trickplay", 480, 270, 27, 6}}},
		"none":          {640, 360, `{"name": "a", "container": "hls", "video": [{}], "package": {"thumbnails": "none"}}`, nil},
		"a file":        {640, 360, `{"name": "a"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			j := planned(t, source(c.width, c.height), c.output, "")
			var got []made
			for _, n := range j.Outputs[0].TrickPlay {
				r := j.Renditions[n]
				got = append(got, made{r.Name, r.Width, r.Height, r.CRF, r.Keyframes})
				if !r.TrickPlay || r.Rate.Known() || r.MaxBitrate != 0 {
					t.Errorf("the rendition is %+v", r)
				}
				for _, out := range j.Packages(n) {
					if out.Name != "a" {
						t.Errorf("the rendition belongs to %s", out.Name)
					}
				}
				if len(j.Packages(n)) != 1 {
					t.Error("the rendition belongs to no package")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for _, n := range j.Outputs[0].Renditions {
				if j.Renditions[n].TrickPlay {
					t.Error("the ladder has the rendition for trick play")
				}
			}
		})
	}
}

// Workers tell ffmpeg the distance of the points, which must be that of their times to within rounding.
func TestStepIsTheDistanceOfPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := plan.GridOf(film.Rendition{
			SegmentDuration: media.Ticks(rapid.Int64Range(1_000_000, 30_000_000).Draw(t, "segment")), Keyframes: rapid.IntRange(1, 30).Draw(t, "keyframes"),
		})
		tb := media.Rational{Num: 1, Den: rapid.SampledFrom([]int64{1000, 12800, 24000, 30000, 90000, 1_000_000_000}).Draw(t, "scale")}
		start := media.Ticks(rapid.Int64Range(-1000, 1_000_000).Draw(t, "start"))
		step, ok := g.Step(tb)
		if !ok {
			t.Fatalf("no step of %+v in %v", g, tb)
		}
		_, points := g.Points(film.Segment{Start: start, End: start + tb.Ticks(100e9)}, start, tb, 1000)
		for _, p := range points {
			if want := start + media.Rescale(media.Ticks(p.N), step, media.Rational{Num: 1, Den: 1}); p.At != want {
				t.Fatalf("point %d is at %d, want %d", p.N, p.At, want)
			}
		}
	})
}
