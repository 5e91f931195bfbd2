package console

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
)

func TestAJobTellsWhatItUsedSoFar(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	x, err := s.fake.Start(t.Context(), "film", json.RawMessage(`{"source":"/films/film.mp4"}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, text, _ := s.get("/console/used?name=film"); status != 200 || text != `{"attempts":0,"cpu":0}` {
		t.Errorf("before it is planned: %d %s", status, text)
	}
	l := s.opts.Ledger
	if err := l.PutJob(t.Context(), ledger.Job{ID: "job", State: ledger.JobRunning, Execution: x.ARN, Started: time.Now(), Doc: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Plan(t.Context(), "job", slices.Values([]ledger.Unit{{ID: "video/00000"}}), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ { // the first attempt failed, and took its time all the same
		if _, err := l.Begin(t.Context(), "job", "video/00000", "w", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := l.AddUse(t.Context(), "job", "video/00000", n, json.RawMessage(`{"on":"local","ms":900,"cpu":1500}`)); err != nil {
			t.Fatal(err)
		}
	}
	if status, text, _ := s.get("/console/used?name=film"); status != 200 || text != `{"attempts":2,"cpu":3000}` {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := s.get("/console/used?name=none"); status != 404 {
		t.Errorf("a job that there is not: %d", status)
	}
}

// Reading what a job used takes as long as it has units: the list has it once a job has ended, and now and then while it runs.
func TestTheListSaysWhatJobsHaveUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, l := t.Context(), s.opts.Ledger
	x, err := s.fake.Start(ctx, "film", json.RawMessage(`{"source":"/films/film.mp4"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.PutJob(ctx, ledger.Job{ID: "job", State: ledger.JobRunning, Execution: x.ARN, Started: time.Now(), Doc: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Plan(ctx, "job", slices.Values([]ledger.Unit{{ID: "video/00000"}}), time.Time{}); err != nil {
		t.Fatal(err)
	}
	attempt := func(n int, cpu string) {
		t.Helper()
		if _, err := l.Begin(ctx, "job", "video/00000", "w", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := l.AddUse(ctx, "job", "video/00000", n, json.RawMessage(`{"on":"local","ms":900,"cpu":`+cpu+`}`)); err != nil {
			t.Fatal(err)
		}
	}
	attempt(1, "1500")
	var use ledgerUse
	began := time.Now()
	if cpu := use.of(x, began); cpu != 0 || use.next() != x.ARN || use.next() != "" {
		t.Errorf("it has used %d s before that was read, or it is not read once", cpu)
	}
	s.use.of(x, began)
	s.readUseOf(ctx, x.ARN)
	attempt(2, "2000")
	if row, err := s.row(ctx, x); err != nil || row.CPU != 2 {
		t.Errorf("the row says %d s, %v, want 2", row.CPU, err)
	}
	s.use.next()
	s.use.of(x, began.Add(usedAge/2))
	if arn := s.use.next(); arn != "" {
		t.Error("what a job that runs has used is read again at once")
	}
	s.use.of(x, time.Now().Add(2*usedAge))
	if arn := s.use.next(); arn != x.ARN {
		t.Error("what a job that runs has used is not read again")
	}
	x.Status = "FAILED"
	s.use.of(x, time.Now())
	if arn := s.use.next(); arn != x.ARN {
		t.Error("what a job has used is not read at its end")
	}
	s.readUseOf(ctx, x.ARN)
	if cpu := s.use.of(x, time.Now().Add(10*usedAge)); cpu != 4 || s.use.next() != "" {
		t.Errorf("a job that has ended says %d s, want 4, or is read again", cpu)
	}
}
