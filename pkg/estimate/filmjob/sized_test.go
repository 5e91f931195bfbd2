package filmjob

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// What a request says of bytes is the estimate of them; a first pass and a second encode are counted.
func TestABitrateAndASizeAreTheEstimateOfBytes(t *testing.T) {
	t.Parallel()
	r := film.Rendition{Codec: film.H264, Preset: "medium", Width: 1000, Height: 1000}
	j := film.Job{Source: film.Source{Duration: 80_000_000, Video: &film.VideoTrack{Width: 1000, Height: 1000}}, Renditions: []film.Rendition{r}}
	plain := Assumed(j).CPU
	bytes := func() estimate.Range {
		var w estimate.Work
		measure(&w, work.Plan{}, j, Assumed(j))
		return w.Output
	}
	j.Renditions[0].Bitrate = 1_000_000
	if got := bytes(); got != (estimate.Range{Low: 9_800_000, High: 10_200_000}) {
		t.Errorf("80 s of 1 Mbit/s are %+v bytes", got)
	}
	if sized := Assumed(j).CPU; sized.Low < 5*plain.Low/2 || sized.Low > 7*plain.Low/2 {
		t.Errorf("%v with a bit rate, %v without, want 2.5 to 3.5 times as much", sized, plain)
	}
	w := estimate.Work{Groups: make([]estimate.Group, 2)}
	groups := []work.Group{{Name: film.VideoKind, Units: 8, Total: work.Amount{Count: 2000}}, {Name: film.PassKind, Units: 8, Total: work.Amount{Count: 2000}}}
	measure(&w, work.Plan{Groups: groups}, j, Assumed(j))
	if main, pass := w.Groups[0].CPU, w.Groups[1].CPU; pass.Low < main.Low/4 || pass.Low > main.Low/2 {
		t.Errorf("the first pass takes %v, the segments %v", pass, main)
	}
	j.Renditions[0].Bitrate, j.Renditions[0].FileSize, j.Renditions[0].SizedFile = 0, 5_000_000, "a.mp4"
	if got := bytes(); got != (estimate.Range{Low: 4_900_000, High: 5_100_000}) {
		t.Errorf("a file of 5 MB has %+v bytes", got)
	}
}
