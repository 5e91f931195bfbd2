package plan_test

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestIntraRefreshIsDecodedFromTwoRefreshesBefore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ recovery, runUp, lead media.Ticks }{
		{0, 0, 1000},      // keyframes
		{500, 2000, 3000}, // complete before the next refresh begins
		{900, 3000, 3000}, // as good as incomplete
		{1500, 5000, 5000},
	} {
		x := plan.Index{End: 10_000, Recovery: c.recovery}
		for at := media.Ticks(0); at < x.End; at += 1000 {
			x.Sync = append(x.Sync, at)
		}
		for _, s := range plan.Segments(x, media.Rational{Num: 1, Den: 1000}, time.Second) {
			wantLead := max(s.Start-c.lead, 0)
			if s.Index == 0 {
				wantLead = 0
			}
			if want := max(s.Start-c.runUp, 0); s.Seek != want || s.LeadSync != wantLead {
				t.Errorf("recovery %d: the segment from %d is decoded from %d, and for the frame before it from %d; want %d and %d",
					c.recovery, s.Start, s.Seek, s.LeadSync, want, wantLead)
			}
		}
	}
}

func TestSourceChunksOfIntraRefreshHaveARunUp(t *testing.T) {
	t.Parallel()
	gradual := func(syncs int) plan.ChunkEntry { return plan.ChunkEntry{Gradual: true, Syncs: syncs} }
	x := plan.Index{
		End: 12_000, Recovery: 600,
		Sync:   []media.Ticks{0, 2000, 4000, 6000, 7000, 8000, 10_000},
		Chunks: []plan.ChunkEntry{{Syncs: 2}, gradual(2), gradual(2), gradual(1), gradual(1), gradual(2), {Syncs: 1}},
	}
	for i, s := range plan.SourceChunks(x) {
		if want := []int{0, 1, 1, 1, 2, 2, 0}[i]; s.RunUp != want {
			t.Errorf("source chunk %d has a run-up of %d chunks, want %d", i, s.RunUp, want)
		}
	}
	x.Chunks = nil
	for i, s := range plan.SourceChunks(x) {
		if s.RunUp != 0 {
			t.Errorf("source chunk %d of keyframes has a run-up of %d chunks", i, s.RunUp)
		}
	}
}
