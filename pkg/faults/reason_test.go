package faults

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/stage"
)

// A Map says only that an item failed; the segment that it stopped for that is not the reason.
func TestAFailedJobTellsTheReasonOfTheSegmentThatFailedFirst(t *testing.T) {
	t.Parallel()
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fail := func(id, kind string) {
		t.Helper()
		u, err := l.Begin(t.Context(), "j", id, "owner", time.Now())
		must(err)
		must(l.Fail(t.Context(), "j", id, u.Attempt, ledger.Failure{Kind: kind, Message: id}))
		time.Sleep(2 * time.Millisecond) // the ledger counts milliseconds
	}
	doc, err := json.Marshal(film.Job{ID: "j", Segments: 3})
	must(err)
	must(l.Plan(t.Context(), "j", slices.Values([]ledger.Unit{{ID: film.VideoUnit(0)}, {ID: film.VideoUnit(1)}, {ID: film.VideoUnit(2)}}), time.Time{}))
	fail(film.VideoUnit(1), "NotFound") // in an execution before
	must(l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning, Execution: "e", Doc: doc}))
	time.Sleep(2 * time.Millisecond)
	fail(film.VideoUnit(2), "Corrupt")
	fail(film.VideoUnit(0), "Internal") // stopped
	w := &stage.Worker{Ledger: l}
	for range 2 { // an event may come twice
		in := film.FinishInput{Execution: "e", Status: "FAILED", Error: "States.ExceedToleratedFailureThreshold", Cause: "1 item failed"}
		if _, err := w.Finish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		j, err := l.Job(t.Context(), "j")
		must(err)
		if j.State != ledger.JobFailed || *j.Failure != (ledger.Failure{Kind: "Corrupt", Message: film.VideoUnit(2)}) {
			t.Errorf("the job is %s with %+v, want the failure of segment 2", j.State, j.Failure)
		}
	}
}
