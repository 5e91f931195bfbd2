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
		"what each attempt used is kept":                        testUse,
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

func testUse(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", named("u", "w"), soon()))
	is(t, l.AddUse(t.Context(), "j", "u", 1, json.RawMessage(`{}`)), ledger.ErrConflict) // not begun
	begin(t, l, "j", "u", 1)
	must(t, l.Fail(t.Context(), "j", "u", 1, ledger.Failure{Kind: "OutOfTime"}))
	before := state(t, l, "j", "u", ledger.Failed, 1)
	must(t, l.AddUse(t.Context(), "j", "u", 1, json.RawMessage(`{"ms":1}`)))
	begin(t, l, "j", "u", 2)
	begin(t, l, "j", "u", 3)
	must(t, l.Complete(t.Context(), "j", "u", 3, json.RawMessage(`"facts"`)))
	must(t, l.AddUse(t.Context(), "j", "u", 3, json.RawMessage(`{"ms":3}`)))
	must(t, l.AddUse(t.Context(), "j", "u", 2, json.RawMessage(`{"ms":20}`)))
	must(t, l.AddUse(t.Context(), "j", "u", 2, json.RawMessage(`{"ms":2}`)))             // again
	is(t, l.AddUse(t.Context(), "j", "u", 4, json.RawMessage(`{}`)), ledger.ErrConflict) // not begun
	is(t, l.AddUse(t.Context(), "j", "u", 0, json.RawMessage(`{}`)), ledger.ErrConflict)
	want := map[int]json.RawMessage{1: json.RawMessage(`{"ms":1}`), 2: json.RawMessage(`{"ms":2}`), 3: json.RawMessage(`{"ms":3}`)}
	after := state(t, l, "j", "u", ledger.Done, 3)
	same(t, want, after.Used)
	if string(after.Facts) != `"facts"` || after.Failure == nil || *after.Failure != *before.Failure {
		t.Errorf("besides its use the unit is %+v", after)
	}
	must(t, l.Reopen(t.Context(), "j", "u", 3))
	same(t, want, state(t, l, "j", "u", ledger.Planned, 3).Used) // it was paid for
	all := units(t, l, "j", "")
	same(t, want, all[0].Used)
	if all[1].Used != nil {
		t.Errorf("a unit that was never begun used %v", all[1].Used)
	}
	is(t, l.AddUse(t.Context(), "j", "absent", 1, json.RawMessage(`{}`)), ledger.ErrNotFound)
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
