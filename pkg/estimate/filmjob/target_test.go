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
		metric      target.Metric
		least, most float64
	}{
		"drafts":        {"medium", target.XPSNR, 2.6, 3},
		"no drafts":     {"medium", target.SSIM, 3.3, 3.7},
		"a slow preset": {"veryslow", target.XPSNR, 1.6, 1.8},
	} {
		r := film.Rendition{Codec: film.H264, Preset: c.preset, Width: 1000, Height: 1000}
		j := film.Job{Source: film.Source{Video: &film.VideoTrack{Width: 1000, Height: 1000}}, Renditions: []film.Rendition{r}}
		plain := Assumed(j).CPU
		j.Renditions[0].Quality = target.Quality{Metric: c.metric, Target: 42}.Normalise(r.Codec.QualityRange())
		if times := float64(Assumed(j).CPU.Low) / float64(plain.Low); times < c.least || times > c.most {
			t.Errorf("%s: %.2f times as much with a target, want %v to %v", name, times, c.least, c.most)
		}
	}
}
