package filmjob

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
)

// Without a measurement, a segment with a target quality counts as several encodes, each with its comparison. Drafts take little of a
// slow preset.
func TestATargetQualityTakesSeveralEncodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		preset      string
		side        int
		metric      target.Metric
		least, most float64
	}{
		"drafts":        {"medium", 600, target.XPSNR, 2, 2.15},
		"large frames":  {"medium", 1000, target.XPSNR, 2.35, 2.55},
		"no drafts":     {"medium", 600, target.SSIM, 3.2, 3.35},
		"a slow preset": {"veryslow", 600, target.XPSNR, 1.35, 1.55},
	} {
		r := film.Rendition{Codec: film.H264, Preset: c.preset, Width: c.side, Height: c.side}
		j := film.Job{Source: film.Source{Video: &film.VideoTrack{Width: c.side, Height: c.side}}, Renditions: []film.Rendition{r}}
		plain := Assumed(j).CPU
		j.Renditions[0].Quality = target.Quality{Metric: c.metric, Target: 42}.Normalise(r.Codec.QualityRange())
		if times := float64(Assumed(j).CPU.Low) / float64(plain.Low); times < c.least || times > c.most {
			t.Errorf("%s: %.2f times as much with a target, want %v to %v", name, times, c.least, c.most)
		}
	}
}
