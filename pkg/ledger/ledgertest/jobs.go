package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/ledger"
)

func testPutJob(t *testing.T, l ledger.Ledger) {
	before := time.Now().Truncate(time.Millisecond)
	want := ledger.Job{
		ID: "job1", State: ledger.JobRunning, Execution: "arn:aws:states:eu-west-1:1:execution:m:1",
		Started: time.Now().Truncate(time.Millisecond),
		Doc:     json.RawMessage(`{"a": [1, 2.50, "ü"]}`), Expires: soon(),
	}
	must(t, l.PutJob(t.Context(), want))
	first, err := l.Job(t.Context(), "job1")
	must(t, err)
	same(t, want, first, "Created", "Updated")
	if first.Created.Before(before) || first.Created.After(time.Now()) || first.Updated.Before(first.Created) {
		t.Errorf("created %v and updated %v, put just after %v", first.Created, first.Updated, before)
	}

	time.Sleep(2 * time.Millisecond)
	want = ledger.Job{
		ID: "job1", State: ledger.JobFailed, Execution: "2", Started: want.Started.Add(time.Millisecond), Expires: soon().Add(time.Hour),
		Failure: &ledger.Failure{Kind: "Corrupt", Message: "line\nand \"quotes\""},
	}
	must(t, l.PutJob(t.Context(), want))
	second, err := l.Job(t.Context(), "job1")
	must(t, err)
	want.Created = first.Created
	same(t, want, second, "Updated")
	if !second.Updated.After(first.Updated) {
		t.Errorf("updated %v, then %v", first.Updated, second.Updated)
	}

	must(t, l.PutJob(t.Context(), ledger.Job{ID: "job2", State: ledger.JobRunning}))
	bare, err := l.Job(t.Context(), "job2")
	must(t, err)
	same(t, ledger.Job{ID: "job2", State: ledger.JobRunning}, bare, "Created", "Updated")
}

func testJobOf(t *testing.T, l ledger.Ledger) {
	of := func(execution, want string) {
		t.Helper()
		job, err := l.JobOf(t.Context(), execution)
		if want == "" {
			is(t, err, ledger.ErrNotFound)
			return
		}
		must(t, err)
		if job.ID != want || job.Execution != execution {
			t.Errorf("execution %s: got job %s of %s, want %s", execution, job.ID, job.Execution, want)
		}
	}
	of("e1", "")
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: "e1", Expires: soon()}))
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "b", State: ledger.JobRunning, Execution: "e2", Expires: soon()}))
	of("e1", "a")
	of("e2", "b")
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: "e3", Expires: soon()}))
	of("e3", "a")
	of("e1", "")
	of("a", "")
	must(t, l.Delete(t.Context(), "a"))
	of("e3", "")
	of("e2", "b")
}

func testEndJob(t *testing.T, l ledger.Ledger) {
	failure := &ledger.Failure{Kind: "Internal", Message: "x"}
	early := soon()
	late := early.Add(time.Hour)
	end := func(execution string, state ledger.JobState, f *ledger.Failure, want error) {
		t.Helper()
		is(t, l.EndJob(t.Context(), "a", execution, state, f, late), want)
	}
	stands := func(state ledger.JobState, f *ledger.Failure, expires time.Time) {
		t.Helper()
		job, err := l.Job(t.Context(), "a")
		must(t, err)
		same(t, ledger.Job{
			ID: "a", State: state, Execution: "e2", Doc: json.RawMessage(`{}`), Failure: f, Expires: expires,
		}, job, "Created", "Updated")
	}

	end("e2", ledger.JobDone, nil, ledger.ErrNotFound)
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: "e1", Expires: early}))
	must(t, l.PutJob(t.Context(), ledger.Job{
		ID: "a", State: ledger.JobRunning, Execution: "e2", Expires: early, Doc: json.RawMessage(`{}`),
	}))
	end("e1", ledger.JobFailed, failure, ledger.ErrConflict)
	stands(ledger.JobRunning, nil, early)
	end("e2", ledger.JobFailed, failure, nil)
	stands(ledger.JobFailed, failure, late)
	end("e2", ledger.JobFailed, failure, nil)
	end("e1", ledger.JobDone, nil, ledger.ErrConflict)
	stands(ledger.JobFailed, failure, late)
	end("e2", ledger.JobDone, nil, nil) // after a redrive
	stands(ledger.JobDone, nil, late)
	end("e2", ledger.JobDone, nil, nil)
	end("e2", ledger.JobFailed, failure, ledger.ErrConflict) // a late report of the failure before the redrive
	stands(ledger.JobDone, nil, late)
	// A late Analyse of the same execution, which was presumed dead.
	is(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: "e2", Expires: early}), ledger.ErrConflict)
	stands(ledger.JobDone, nil, late)
	if job, err := l.JobOf(t.Context(), "e2"); err != nil || job.State != ledger.JobDone {
		t.Errorf("the execution's job: %+v, %v", job, err)
	}
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: "e3", Expires: early})) // a new request
}

func testLatePutJob(t *testing.T, l ledger.Ledger) {
	start := time.Now().Truncate(time.Millisecond)
	later, latest := start.Add(time.Millisecond), start.Add(time.Hour)
	failure := &ledger.Failure{Kind: "Internal", Message: "x"}
	put := func(execution string, started time.Time, want error) {
		t.Helper()
		before, err := l.Job(t.Context(), "a")
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			t.Fatal(err)
		}
		is(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: execution, Started: started, Expires: soon()}), want)
		after, err := l.Job(t.Context(), "a")
		must(t, err)
		if want != nil {
			same(t, before, after)
		} else if after.State != ledger.JobRunning || after.Execution != execution || !after.Started.Equal(started) || after.Failure != nil {
			t.Errorf("put by %s, started %v: the ledger holds %+v", execution, started, after)
		}
	}
	end := func(execution string, state ledger.JobState, f *ledger.Failure) {
		t.Helper()
		must(t, l.EndJob(t.Context(), "a", execution, state, f, soon()))
	}
	put("e1", start, nil)
	put("e1", start, nil) // by Split, or by a second Analyse
	end("e1", ledger.JobFailed, failure)
	put("e1", start, ledger.ErrConflict) // late: from before the failure
	put("e1", later, nil)                // redriven
	put("e1", start, ledger.ErrConflict) // late: from before the redrive
	end("e1", ledger.JobFailed, failure)
	put("e1", later, ledger.ErrConflict)
	put("e2", later, nil) // a new request within the same millisecond
	put("e3", latest, nil)
	put("e2", later, ledger.ErrConflict) // late: e3 is running
	end("e3", ledger.JobDone, nil)
	put("e2", later, ledger.ErrConflict) // late: e3 has ended
	put("e3", latest, ledger.ErrConflict)
	put("e3", latest.Add(time.Hour), ledger.ErrConflict) // a finished execution is not redriven
	put("e4", latest.Add(time.Hour), nil)
}

func testJobs(t *testing.T, l ledger.Ledger) {
	check := func(want map[string]ledger.JobState) {
		t.Helper()
		got := map[string]ledger.JobState{}
		for job, err := range l.Jobs(t.Context()) {
			must(t, err)
			if _, twice := got[job.ID]; twice {
				t.Errorf("%s is listed twice", job.ID)
			}
			got[job.ID] = job.State
			one, err := l.Job(t.Context(), job.ID)
			must(t, err)
			same(t, one, job)
		}
		same(t, want, got)
	}
	want := map[string]ledger.JobState{}
	check(want)
	const jobs = 620 // more than any ledger's page
	var group errgroup.Group
	group.SetLimit(8)
	for i := range jobs {
		id := fmt.Sprintf("job%04d", i)
		want[id] = ledger.JobRunning
		group.Go(func() error {
			return l.PutJob(t.Context(), ledger.Job{ID: id, State: ledger.JobRunning, Execution: "e" + id, Expires: soon()})
		})
	}
	must(t, group.Wait())
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "job0007", State: ledger.JobRunning, Execution: "again", Expires: soon()}))
	must(t, l.EndJob(t.Context(), "job0003", "ejob0003", ledger.JobDone, nil, soon().Add(time.Hour)))
	must(t, l.Delete(t.Context(), "job0005"))
	want["job0003"] = ledger.JobDone
	delete(want, "job0005")
	check(want)
	for _, err := range l.Jobs(t.Context()) {
		must(t, err)
		break
	}
}
