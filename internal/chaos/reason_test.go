package chaos

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/work"
)

// A Map reports only that an item failed. The failure of a unit that the Map then stopped is not the
// cause.
func TestFailedJobReportsTheFirstFailureOfAUnit(t *testing.T) {
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
		time.Sleep(2 * time.Millisecond) // the ledger counts in milliseconds
	}
	doc, err := json.Marshal(work.Plan{ID: "j"})
	must(err)
	must(l.Plan(t.Context(), "j", slices.Values([]ledger.Unit{{ID: "a/0"}, {ID: "a/1"}, {ID: "a/2"}}), time.Time{}))
	fail("a/1", "NotFound") // in an earlier execution
	must(l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning, Execution: "e", Doc: doc}))
	time.Sleep(2 * time.Millisecond)
	fail("a/2", "Corrupt")
	fail("a/0", "Internal") // stopped by the Map
	e := &engine.Engine{Ledger: l}
	for range 2 { // an event may be delivered twice
		in := engine.FinishInput{Execution: "e", Status: "FAILED", Error: "States.ExceedToleratedFailureThreshold", Cause: "1 item failed"}
		if _, err := e.Finish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		j, err := l.Job(t.Context(), "j")
		must(err)
		if j.State != ledger.JobFailed || *j.Failure != (ledger.Failure{Kind: "Corrupt", Message: "a/2"}) {
			t.Errorf("the job is %s with %+v, want the failure of a/2", j.State, j.Failure)
		}
	}
}
