// Package ledgertest is the contract of ledger.Ledger as a test suite. Every ledger passes it:
//
//	func TestLedger(t *testing.T) {
//		ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return newEmptyLedger(t) })
//	}
package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// many is the number of segments of a long video, and the most children of a Distributed Map.
const many = 10_000

// Run tests that the ledgers returned by open keep the contract of ledger.Ledger. Each call of open
// returns an empty one.
func Run(t *testing.T, open func(t *testing.T) ledger.Ledger) {
	for name, test := range map[string]func(*testing.T, ledger.Ledger){
		"a job is stored as it was put":                         testPutJob,
		"a job is found by its newest execution":                testJobOf,
		"only the newest execution ends a job; done stays done": testEndJob,
		"a late PutJob undoes nothing":                          testLatePutJob,
		"Jobs yields every job":                                 testJobs,
		"Plan does not change existing units":                   testPlan,
		"an attempt begins, fails, begins again and completes":  testAttempts,
		"a late worker undoes nothing":                          testLateWorker,
		"a lost result is redone under a new attempt":           testReopen,
		"changes of absent records are ErrNotFound":             testAbsent,
		"Units is ordered, by prefix, and may stop early":       testUnits,
		"documents, names and times are stored exactly":         testFidelity,
		"Renew keeps a job longer, and never shorter":           testRenew,
		"Delete removes one job and its units":                  testDelete,
		"one of many Completes wins":                            testRaceComplete,
		"each of many Begins gets its own attempt":              testRaceBegin,
		"concurrent planners and workers lose nothing":          testRacePlan,
		"10,000 units are planned, worked on and read":          testMany,
		"a cancelled context ends every call":                   testCancelled,
		"any order of calls has the same result as the model":   testModel,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// soon returns an expiry in two hours, later than any test ends, on a whole second.
func soon() time.Time { return time.Now().Add(2 * time.Hour).Truncate(time.Second) }

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

func testPlan(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", none, soon()))
	must(t, l.Plan(t.Context(), "j", slices.Values([]ledger.Unit{
		{ID: "v/2", Spec: json.RawMessage(`{"n":2}`)},
		{ID: "v/1", Spec: json.RawMessage(`{"n":1}`)},
		{ID: "v/1", Spec: json.RawMessage(`{"n":"twice"}`)},
		{ // all fields but ID and Spec are ignored
			ID: "v/3", Job: "other", State: ledger.Done, Attempt: 7, Owner: "x", Facts: json.RawMessage(`1`), Lease: soon(),
		},
	}), soon()))
	same(t, []ledger.Unit{
		{Job: "j", ID: "v/1", State: ledger.Planned, Spec: json.RawMessage(`{"n":1}`)},
		{Job: "j", ID: "v/2", State: ledger.Planned, Spec: json.RawMessage(`{"n":2}`)},
		{Job: "j", ID: "v/3", State: ledger.Planned},
	}, units(t, l, "j", ""), "Updated")

	begin(t, l, "j", "v/1", 1)
	begin(t, l, "j", "v/2", 1)
	must(t, l.Complete(t.Context(), "j", "v/2", 1, json.RawMessage(`{"frames":240}`)))
	before := units(t, l, "j", "")
	must(t, l.Plan(t.Context(), "j", named("v/0", "v/1", "v/2", "v/3", "v/4"), soon().Add(time.Hour)))
	after := units(t, l, "j", "")
	if len(after) != 5 {
		t.Fatalf("got %d units, want 5", len(after))
	}
	same(t, before, after[1:4])
	if got, err := l.Unit(t.Context(), "other", "v/1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("another job has this job's unit: %+v, %v", got, err)
	}
}

func testAttempts(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", slices.Values([]ledger.Unit{{ID: "u", Spec: json.RawMessage(`{"s":1}`)}}), soon()))
	lease := time.Now().Add(15 * time.Minute).Truncate(time.Millisecond)
	want := ledger.Unit{
		Job: "j", ID: "u", State: ledger.Running, Attempt: 1, Owner: "worker 1", Lease: lease, Spec: json.RawMessage(`{"s":1}`),
	}
	stands := func() {
		t.Helper()
		got, err := l.Unit(t.Context(), "j", "u")
		must(t, err)
		same(t, want, got, "Updated")
		if age := time.Since(got.Updated); age < 0 || age > time.Minute {
			t.Errorf("updated %v ago", age)
		}
	}
	got, err := l.Begin(t.Context(), "j", "u", "worker 1", lease)
	must(t, err)
	same(t, want, got, "Updated")
	stands()

	must(t, l.Fail(t.Context(), "j", "u", 1, ledger.Failure{Kind: "OutOfTime", Message: "too slow"}))
	want.State, want.Failure = ledger.Failed, &ledger.Failure{Kind: "OutOfTime", Message: "too slow"}
	stands()
	is(t, l.Fail(t.Context(), "j", "u", 1, ledger.Failure{Kind: "Internal"}), ledger.ErrConflict)
	stands()

	lease = lease.Add(time.Hour)
	got, err = l.Begin(t.Context(), "j", "u", "worker 2", lease)
	must(t, err)
	want.State, want.Attempt, want.Owner, want.Lease = ledger.Running, 2, "worker 2", lease
	same(t, want, got, "Updated")

	must(t, l.Complete(t.Context(), "j", "u", 2, json.RawMessage(`{"frames": 240}`)))
	want.State, want.Facts = ledger.Done, json.RawMessage(`{"frames": 240}`)
	stands()
	got, err = l.Begin(t.Context(), "j", "u", "worker 3", lease.Add(time.Hour)) // the unit is done
	must(t, err)
	same(t, want, got, "Updated")
	stands()
}

func testLateWorker(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", named("u", "w", "x"), soon()))
	begin(t, l, "j", "u", 1)
	begin(t, l, "j", "u", 2)
	is(t, l.Fail(t.Context(), "j", "u", 1, ledger.Failure{Kind: "OutOfTime"}), ledger.ErrConflict)
	state(t, l, "j", "u", ledger.Running, 2)
	must(t, l.Complete(t.Context(), "j", "u", 1, json.RawMessage(`"first"`))) // superseded, but the first to complete
	state(t, l, "j", "u", ledger.Done, 1)
	is(t, l.Complete(t.Context(), "j", "u", 2, json.RawMessage(`"second"`)), ledger.ErrConflict)
	is(t, l.Complete(t.Context(), "j", "u", 1, json.RawMessage(`"first"`)), ledger.ErrConflict)
	is(t, l.Fail(t.Context(), "j", "u", 1, ledger.Failure{Kind: "Internal"}), ledger.ErrConflict)
	is(t, l.Fail(t.Context(), "j", "u", 2, ledger.Failure{Kind: "Internal"}), ledger.ErrConflict)
	is(t, l.Reopen(t.Context(), "j", "u", 2), ledger.ErrConflict)
	unit := state(t, l, "j", "u", ledger.Done, 1)
	if string(unit.Facts) != `"first"` {
		t.Errorf("facts are %s, want the first Complete's", unit.Facts)
	}

	is(t, l.Fail(t.Context(), "j", "w", 0, ledger.Failure{Kind: "Internal"}), ledger.ErrConflict) // never begun
	is(t, l.Reopen(t.Context(), "j", "w", 0), ledger.ErrConflict)
	begin(t, l, "j", "w", 1)
	is(t, l.Reopen(t.Context(), "j", "w", 1), ledger.ErrConflict)
	must(t, l.Fail(t.Context(), "j", "w", 1, ledger.Failure{Kind: "Transient"}))
	must(t, l.Complete(t.Context(), "j", "w", 1, json.RawMessage(`1`))) // a failed attempt may still complete
	state(t, l, "j", "w", ledger.Done, 1)

	must(t, l.Complete(t.Context(), "j", "x", 3, json.RawMessage(`1`))) // the record of its Begin was lost
	state(t, l, "j", "x", ledger.Done, 3)
	must(t, l.Reopen(t.Context(), "j", "x", 3))
	begin(t, l, "j", "x", 4)
}

func testReopen(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", named("u"), soon()))
	begin(t, l, "j", "u", 1)
	begin(t, l, "j", "u", 2) // a second worker is still running; its attempt must not be reused
	must(t, l.Complete(t.Context(), "j", "u", 1, json.RawMessage(`1`)))
	must(t, l.Reopen(t.Context(), "j", "u", 1))
	unit := state(t, l, "j", "u", ledger.Planned, 1)
	if unit.Facts != nil {
		t.Errorf("a reopened unit has facts: %s", unit.Facts)
	}
	is(t, l.Reopen(t.Context(), "j", "u", 1), ledger.ErrConflict)
	is(t, l.Fail(t.Context(), "j", "u", 2, ledger.Failure{}), ledger.ErrConflict)
	begin(t, l, "j", "u", 3)
	must(t, l.Complete(t.Context(), "j", "u", 3, json.RawMessage(`3`)))
	state(t, l, "j", "u", ledger.Done, 3)
}

func testAbsent(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", named("u"), soon()))
	check := func(job, id string) {
		t.Helper()
		_, err := l.Unit(t.Context(), job, id)
		is(t, err, ledger.ErrNotFound)
		_, err = l.Begin(t.Context(), job, id, "owner", soon())
		is(t, err, ledger.ErrNotFound)
		is(t, l.Complete(t.Context(), job, id, 1, nil), ledger.ErrNotFound)
		is(t, l.Fail(t.Context(), job, id, 1, ledger.Failure{}), ledger.ErrNotFound)
		is(t, l.Reopen(t.Context(), job, id, 1), ledger.ErrNotFound)
		for unit, err := range l.Units(t.Context(), job, id) {
			t.Errorf("a change of the absent unit %s/%s created %+v, %v", job, id, unit, err)
		}
	}
	check("j", "w")
	check("k", "u")
	_, err := l.Job(t.Context(), "j")
	is(t, err, ledger.ErrNotFound)
	_, err = l.JobOf(t.Context(), "e")
	is(t, err, ledger.ErrNotFound)
	is(t, l.EndJob(t.Context(), "j", "e", ledger.JobDone, nil, soon()), ledger.ErrNotFound)
	count(t, l, "k", "", Count{})
	must(t, l.Delete(t.Context(), "k"))
	state(t, l, "j", "u", ledger.Planned, 0)
}

func testUnits(t *testing.T, l ledger.Ledger) {
	ids := []string{"audio/1", "v", "v-", "v/00009", "v/00010", "v/1", "v/a", "v0", "video/1", "video/10", "video/2", "é/1"}
	slices.Sort(ids)
	shuffled := slices.Clone(ids)
	slices.Reverse(shuffled)
	must(t, l.Plan(t.Context(), "j", named(shuffled...), soon()))
	must(t, l.Plan(t.Context(), "j2", named("v/other"), soon()))
	for i, id := range ids {
		if i%2 == 0 {
			begin(t, l, "j", id, 1)
		}
		if i%4 == 0 {
			must(t, l.Complete(t.Context(), "j", id, 1, nil))
		}
	}
	for _, prefix := range []string{"", "v", "v/", "v/0", "v/1", "video/1", "video/2", "é", "none", "v/a", "v/ab"} {
		var want []string
		var wantCount Count
		for i, id := range ids {
			if !strings.HasPrefix(id, prefix) {
				continue
			}
			want = append(want, id)
			switch {
			case i%4 == 0:
				wantCount.Done++
			case i%2 == 0:
				wantCount.Running++
			default:
				wantCount.Planned++
			}
		}
		var got []string
		for _, unit := range units(t, l, "j", prefix) {
			got = append(got, unit.ID)
			one, err := l.Unit(t.Context(), "j", unit.ID)
			must(t, err)
			same(t, one, unit)
		}
		same(t, want, got)
		count(t, l, "j", prefix, wantCount)
	}
	for _, err := range l.Units(t.Context(), "j", "v") {
		must(t, err)
		break
	}
}

func testRenew(t *testing.T, l ledger.Ledger) {
	early, late := soon(), soon().Add(time.Hour)
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "a", State: ledger.JobRunning, Execution: "e1", Expires: early}))
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "b", State: ledger.JobRunning, Execution: "e2", Expires: early}))
	must(t, l.Plan(t.Context(), "a", slices.Values([]ledger.Unit{{ID: "u"}, {ID: "v"}}), early))
	begun, err := l.Begin(t.Context(), "a", "u", "worker", soon())
	must(t, err)
	for _, expires := range []time.Time{late, early} {
		must(t, l.Renew(t.Context(), "a", expires))
		for id, want := range map[string]time.Time{"a": late, "b": early} {
			job, err := l.Job(t.Context(), id)
			must(t, err)
			if !job.Expires.Equal(want) {
				t.Errorf("after Renew of a until %v, %s expires at %v, want %v", expires, id, job.Expires, want)
			}
		}
	}
	got, err := l.Unit(t.Context(), "a", "u")
	must(t, err)
	same(t, begun, got)
	must(t, l.Renew(t.Context(), "absent", late))
	if _, err := l.Job(t.Context(), "absent"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("Renew of a job that does not exist made one: %v", err)
	}
}

func testFidelity(t *testing.T, l ledger.Ledger) {
	names := []string{
		"with space", "quote'single", `quote"double`, "per%cent", "under_score", "hash#tag", "日本語🎬", "a:b|c", "back\\slash",
	}
	docs := []string{
		`null`, `0`, `""`, `{}`, `[]`, `{"b":1,"a":2}`, `{ "spaces" : 1.50 }`, `12345678901234567890`, `1e400`,
		`"\u0000 \ud83c\udfac é"`, `"` + strings.Repeat("long ", 20_000) + `"`,
	}
	lease := time.Date(2031, 2, 3, 4, 5, 6, 789e6, time.FixedZone("", 3600))
	for i, name := range names {
		must(t, l.PutJob(t.Context(), ledger.Job{ID: name, State: ledger.JobRunning, Execution: name, Expires: soon()}))
		if job, err := l.JobOf(t.Context(), name); err != nil || job.ID != name {
			t.Errorf("execution %q: %+v, %v", name, job, err)
		}
		doc := json.RawMessage(docs[i%len(docs)])
		must(t, l.Plan(t.Context(), name, slices.Values([]ledger.Unit{{ID: name, Spec: doc}}), soon()))
		got, err := l.Begin(t.Context(), name, name, name, lease)
		must(t, err)
		want := ledger.Unit{
			Job: name, ID: name, State: ledger.Running, Attempt: 1, Owner: name, Lease: lease, Spec: doc,
		}
		same(t, want, got, "Updated")
		same(t, []ledger.Unit{want}, units(t, l, name, name), "Updated")
	}
	for _, doc := range docs {
		raw := json.RawMessage(doc)
		must(t, l.PutJob(t.Context(), ledger.Job{ID: "doc", State: ledger.JobRunning, Doc: raw}))
		job, err := l.Job(t.Context(), "doc")
		must(t, err)
		if string(job.Doc) != doc {
			t.Errorf("document %.40s is returned as %.40s", doc, job.Doc)
		}
	}
	must(t, l.PutJob(t.Context(), ledger.Job{
		ID: "late", State: ledger.JobRunning, Expires: time.Date(2031, 2, 3, 4, 5, 6, 1, time.UTC),
	}))
	job, err := l.Job(t.Context(), "late")
	must(t, err)
	if want := time.Date(2031, 2, 3, 4, 5, 7, 0, time.UTC); !job.Expires.Equal(want) {
		t.Errorf("expires %v, want it rounded up to %v", job.Expires, want)
	}
}

func testDelete(t *testing.T, l ledger.Ledger) {
	for _, job := range []string{"a", "b"} {
		must(t, l.PutJob(t.Context(), ledger.Job{ID: job, State: ledger.JobRunning, Execution: "e" + job, Expires: soon()}))
		var ids []string
		for i := range 60 {
			ids = append(ids, fmt.Sprintf("u/%03d", i))
		}
		must(t, l.Plan(t.Context(), job, named(ids...), soon()))
		begin(t, l, job, "u/001", 1)
	}
	for range 2 {
		must(t, l.Delete(t.Context(), "a"))
		_, err := l.Job(t.Context(), "a")
		is(t, err, ledger.ErrNotFound)
		count(t, l, "a", "", Count{})
		count(t, l, "b", "", Count{Planned: 59, Running: 1})
		for job, err := range l.Jobs(t.Context()) {
			must(t, err)
			if job.ID != "b" {
				t.Errorf("%s is still there", job.ID)
			}
		}
	}
	must(t, l.Plan(t.Context(), "a", named("u/001"), soon()))
	state(t, l, "a", "u/001", ledger.Planned, 0) // nothing is left of the deleted job
}
