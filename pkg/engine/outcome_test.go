package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// noted is a kind of outputs that only returns facts.
type noted struct{}

func (noted) Name() string { return "out" }

func (noted) Run(_ context.Context, _ *work.Env, u work.Unit) (work.Result, error) {
	name := strings.TrimPrefix(u.Name, "out/")
	r := work.Result{URL: name + ".txt"}
	return r, r.SetFacts(name)
}

func TestOutputsAreReturnedInTheOrderOfThePlan(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}, outputs: []string{"zebra", "ant"}})
	f.setKind(noted{})
	out, _ := f.drive(t, "one")
	if got, want := fmt.Sprintf("%s", out.Outputs), `["file" "zebra" "ant"]`; got != want {
		t.Errorf("outputs %s, want %s", got, want)
	}
}

func TestAContinuedJobRunsAsWideAsItsNewestRequestAsks(t *testing.T) {
	for _, open := range []bool{false, true} {
		f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}, open: open})
		f.drive(t, "one")
		f.planner.wide, f.planner.retention = 7, 3*time.Hour
		time.Sleep(2 * time.Millisecond)
		next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{}`), Execution: "two", Started: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if next.Concurrency != 7 {
			t.Errorf("open %v: %d units at once, want 7", open, next.Concurrency)
		}
		if p, err := f.plan(t.Context(), next.Job); err != nil || p.Retention != 3*time.Hour {
			t.Errorf("open %v: the record has a retention of %v, %v", open, p.Retention, err)
		}
	}
}

func TestTheFailureOfAJobThatAnotherVersionRecordedIsRecorded(t *testing.T) {
	f := newFixture(t, &letters{})
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	record := ledger.Job{
		ID: "old", State: ledger.JobRunning, Execution: "one", Started: time.Now(), Expires: expires,
		Doc: json.RawMessage(`{"id": "old", "source": {"url": "in"}, "outputs": [{"name": "out"}]}`),
	}
	if err := f.Ledger.PutJob(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Finish(t.Context(), FinishInput{Execution: "one", Status: "FAILED", Error: "Corrupt", Cause: "broken"}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Ledger.Job(t.Context(), "old")
	if err != nil || got.State != ledger.JobFailed || got.Failure == nil || got.Failure.Kind != "Corrupt" || !got.Expires.Equal(expires) {
		t.Errorf("the ledger has %+v, %v", got, err)
	}
}
