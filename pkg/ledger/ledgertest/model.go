package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// modelUnit is a unit of the model, with the highest attempt number in use so far.
type modelUnit struct {
	ledger.Unit
	begun int
}

// model is the simplest implementation of the contract: maps.
type model struct {
	jobs  map[string]ledger.Job
	units map[string]map[string]*modelUnit // by job and ID
}

// testModel applies random calls to the ledger and to the model. It compares every result, and all
// records at the end.
func testModel(t *testing.T, l ledger.Ledger) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++ // each check has its own jobs in the one ledger
		m := model{jobs: map[string]ledger.Job{}, units: map[string]map[string]*modelUnit{}}
		jobs := []string{fmt.Sprintf("%d-a", run), fmt.Sprintf("%d-b", run)}
		executions := []string{fmt.Sprintf("%d-e1", run), fmt.Sprintf("%d-e2", run), fmt.Sprintf("%d-e3", run)}
		ids := []string{"audio/0", "video/00000", "video/00001"}
		job := func(rt *rapid.T) string { return rapid.SampledFrom(jobs).Draw(rt, "job") }
		execution := func(rt *rapid.T) string { return rapid.SampledFrom(executions).Draw(rt, "execution") }
		unit := func(rt *rapid.T) (string, string) { return job(rt), rapid.SampledFrom(ids).Draw(rt, "unit") }
		attempt := func(rt *rapid.T) int { return rapid.IntRange(1, 4).Draw(rt, "attempt") }
		doc := func(rt *rapid.T) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 99).Draw(rt, "n")))
		}
		ctx := t.Context()

		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {}, // the invariant check: none, because reading everything after each call would take minutes
			"PutJob": func(rt *rapid.T) {
				j := ledger.Job{ID: job(rt), State: ledger.JobRunning, Execution: execution(rt), Doc: doc(rt), Expires: soon()}
				j.Started = time.UnixMilli(int64(rapid.IntRange(0, 5).Draw(rt, "started"))).UTC()
				if j.Started.UnixMilli() == 0 {
					j.Started = time.Time{} // an execution without a start time
				}
				if slices.ContainsFunc(slices.Collect(maps.Values(m.jobs)), func(other ledger.Job) bool {
					return other.ID != j.ID && other.Execution == j.Execution
				}) {
					rt.Skip("an execution has one job")
				}
				old, ok := m.jobs[j.ID]
				ended := old.State == ledger.JobDone || old.State == ledger.JobFailed && old.Started.Equal(j.Started)
				if ok && (old.Started.After(j.Started) || old.Execution == j.Execution && ended) {
					check(rt, l.PutJob(ctx, j), ledger.ErrConflict)
					return
				}
				check(rt, l.PutJob(ctx, j), nil)
				m.jobs[j.ID] = j
			},
			"EndJob": func(rt *rapid.T) {
				id, e := job(rt), execution(rt)
				state := rapid.SampledFrom([]ledger.JobState{ledger.JobDone, ledger.JobFailed}).Draw(rt, "state")
				var failure *ledger.Failure
				if state == ledger.JobFailed {
					failure = &ledger.Failure{Kind: "Internal", Message: string(doc(rt))}
				}
				j, ok := m.jobs[id]
				want := error(nil)
				switch {
				case !ok:
					want = ledger.ErrNotFound
				case j.Execution != e, j.State == ledger.JobDone && state != ledger.JobDone:
					want = ledger.ErrConflict
				}
				expires := soon().Add(time.Hour)
				check(rt, l.EndJob(ctx, id, e, state, failure, expires), want)
				if want == nil {
					j.State, j.Failure, j.Expires = state, failure, expires
					m.jobs[id] = j
				}
			},
			"Plan": func(rt *rapid.T) {
				id := job(rt)
				var planned []ledger.Unit
				for _, u := range rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[string]).Draw(rt, "units") {
					planned = append(planned, ledger.Unit{ID: u, Spec: doc(rt)})
				}
				check(rt, l.Plan(ctx, id, slices.Values(planned), soon()), nil)
				if m.units[id] == nil {
					m.units[id] = map[string]*modelUnit{}
				}
				for _, u := range planned {
					if m.units[id][u.ID] == nil {
						m.units[id][u.ID] = &modelUnit{Unit: ledger.Unit{Job: id, ID: u.ID, State: ledger.Planned, Spec: u.Spec}}
					}
				}
			},
			"Begin": func(rt *rapid.T) {
				j, id := unit(rt)
				lease := time.Now().Add(time.Duration(rapid.IntRange(1, 1000).Draw(rt, "minutes")) * time.Minute)
				lease = lease.Truncate(time.Millisecond)
				owner := rapid.SampledFrom([]string{"w1", "w2"}).Draw(rt, "owner")
				got, err := l.Begin(ctx, j, id, owner, lease)
				u := m.units[j][id]
				if u == nil {
					check(rt, err, ledger.ErrNotFound)
					return
				}
				check(rt, err, nil)
				if u.State != ledger.Done {
					u.begun++
					u.State, u.Attempt, u.Owner, u.Lease = ledger.Running, u.begun, owner, lease
				}
				equal(rt, u.Unit, got)
			},
			"Complete": func(rt *rapid.T) {
				j, id := unit(rt)
				n, facts := attempt(rt), doc(rt)
				u := m.units[j][id]
				want := missing(u)
				if u != nil && u.State == ledger.Done {
					want = ledger.ErrConflict
				}
				check(rt, l.Complete(ctx, j, id, n, facts), want)
				if want == nil {
					u.State, u.Attempt, u.Facts, u.begun = ledger.Done, n, facts, max(u.begun, n)
				}
			},
			"Fail": func(rt *rapid.T) {
				j, id := unit(rt)
				n, failure := attempt(rt), ledger.Failure{Kind: "Transient", Message: string(doc(rt))}
				u := m.units[j][id]
				want := missing(u)
				if u != nil && (u.State != ledger.Running || u.Attempt != n) {
					want = ledger.ErrConflict
				}
				check(rt, l.Fail(ctx, j, id, n, failure), want)
				if want == nil {
					u.State, u.Failure = ledger.Failed, &failure
				}
			},
			"AddUse": func(rt *rapid.T) {
				j, id := unit(rt)
				n, use := attempt(rt), doc(rt)
				u := m.units[j][id]
				want := missing(u)
				if u != nil && n > u.begun {
					want = ledger.ErrConflict
				}
				check(rt, l.AddUse(ctx, j, id, n, use), want)
				if want == nil {
					used := maps.Clone(u.Used)
					if used == nil {
						used = map[int]json.RawMessage{}
					}
					used[n], u.Used = use, used
				}
			},
			"Reopen": func(rt *rapid.T) {
				j, id := unit(rt)
				n := attempt(rt)
				u := m.units[j][id]
				want := missing(u)
				if u != nil && (u.State != ledger.Done || u.Attempt != n) {
					want = ledger.ErrConflict
				}
				check(rt, l.Reopen(ctx, j, id, n), want)
				if want == nil {
					u.State, u.Facts = ledger.Planned, nil
				}
			},
			"Delete": func(rt *rapid.T) {
				if rapid.IntRange(0, 3).Draw(rt, "really") > 0 { // rarely, so that jobs get some history
					rt.Skip("deletes only one time in four")
				}
				id := job(rt)
				check(rt, l.Delete(ctx, id), nil)
				delete(m.jobs, id)
				delete(m.units, id)
			},
		})
		m.compare(rt, t, l, jobs, executions)
	})
}

// missing returns the error of a change of u, which is nil if the unit does not exist.
func missing(u *modelUnit) error {
	if u == nil {
		return ledger.ErrNotFound
	}
	return nil
}

// compare reads everything and compares it with the model.
func (m model) compare(rt *rapid.T, t *testing.T, l ledger.Ledger, jobs, executions []string) {
	for _, id := range jobs {
		got, err := l.Job(t.Context(), id)
		if want, ok := m.jobs[id]; ok {
			check(rt, err, nil)
			equal(rt, want, got)
		} else {
			check(rt, err, ledger.ErrNotFound)
		}
		for _, prefix := range []string{"", "video/"} {
			var want, got []ledger.Unit
			for _, u := range slices.Sorted(maps.Keys(m.units[id])) {
				if !strings.HasPrefix(u, prefix) {
					continue
				}
				want = append(want, m.units[id][u].Unit)
			}
			for unit, err := range l.Units(t.Context(), id, prefix) {
				check(rt, err, nil)
				got = append(got, unit)
			}
			equal(rt, want, got)
		}
	}
	for _, e := range executions {
		job, err := l.JobOf(t.Context(), e)
		want := ""
		for _, j := range m.jobs {
			if j.Execution == e {
				want = j.ID
			}
		}
		if want == "" {
			check(rt, err, ledger.ErrNotFound)
			continue
		}
		check(rt, err, nil)
		equal(rt, want, job.ID)
	}
}

// check fails unless got wraps want, or both are nil.
func check(rt *rapid.T, got, want error) {
	if !errors.Is(got, want) || want == nil && got != nil {
		rt.Fatalf("got error %v, want %v", got, want)
	}
}

// equal fails unless the values are equal, except in the times that the ledger sets.
func equal[T any](rt *rapid.T, want, got T) {
	diff := cmp.Diff(want, got, cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(ledger.Unit{}, "Updated"), cmpopts.IgnoreFields(ledger.Job{}, "Created", "Updated"))
	if diff != "" {
		rt.Fatalf("(-model +ledger):\n%s", diff)
	}
}
