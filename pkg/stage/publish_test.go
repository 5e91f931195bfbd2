package stage

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/job"
)

// The sound of a long film is cut as often as its picture, to the end.
func TestMediaSegmentsOfLongSound(t *testing.T) {
	const hours, seconds = 20, 2
	m := merge{out: job.Product{Name: "film"}, job: job.Job{Request: job.Request{Outputs: []job.Output{
		{Name: "film", Package: &job.Package{Seconds: job.Seconds(seconds * time.Second)}},
	}}}}
	whole := isobmff.Piece{Start: job.Lead * 48_000}
	for range hours * 3600 * 48_000 / 1024 {
		whole.Samples = append(whole.Samples, isobmff.Sample{Size: 400, Duration: 1024, Sync: true})
	}
	cuts := m.soundCuts(whole, job.Timebase{Num: 1, Den: 48_000})
	if want := hours*3600/seconds - 1; len(cuts) != want {
		t.Fatalf("%d cuts, want %d", len(cuts), want)
	}
	for i, at := range cuts {
		if want := int64(job.Lead+(i+1)*seconds) * 48_000; at != want {
			t.Fatalf("cut %d at %d, want %d", i, at, want)
		}
	}
	forever := isobmff.Piece{Start: whole.Start, Samples: []isobmff.Sample{{Duration: 1 << 31}, {Duration: 1 << 31}}}
	if cuts := m.soundCuts(forever, job.Timebase{Num: 1, Den: 1}); len(cuts) > 2 {
		t.Errorf("%d cuts of two packets", len(cuts))
	}
}
