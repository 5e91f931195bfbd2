package filmjob

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
)

// Without a measurement, a segment with a target quality counts as three encodes, each with its comparison.
func TestATargetQualityTakesSeveralEncodes(t *testing.T) {
	t.Parallel()
	r := film.Rendition{Codec: film.H264, Preset: "medium", Width: 1000, Height: 1000}
	j := film.Job{Source: film.Source{Video: &film.VideoTrack{Width: 1000, Height: 1000}}, Renditions: []film.Rendition{r}}
	plain := Assumed(j).CPU
	j.Renditions[0].Quality = target.Quality{Metric: target.XPSNR, Target: 42}
	if searching := Assumed(j).CPU; searching.Low < 3*plain.Low || searching.Low > 5*plain.Low {
		t.Errorf("%v with a target, %v without, want 3 to 5 times as much", searching, plain)
	}
}
