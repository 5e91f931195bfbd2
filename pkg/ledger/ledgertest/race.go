package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/ledger"
)

func testRaceComplete(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", named("u"), soon()))
	const workers = 50
	var won atomic.Int64
	var winners atomic.Int64
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			unit, err := l.Begin(t.Context(), "j", "u", "owner", soon())
			if err != nil || unit.State == ledger.Done {
				return err
			}
			err = l.Complete(t.Context(), "j", "u", unit.Attempt, json.RawMessage(fmt.Sprint(unit.Attempt)))
			if errors.Is(err, ledger.ErrConflict) {
				return nil
			}
			winners.Add(1)
			won.Store(int64(unit.Attempt))
			return err
		})
	}
	must(t, group.Wait())
	if winners.Load() != 1 {
		t.Errorf("%d workers won, want 1", winners.Load())
	}
	unit := state(t, l, "j", "u", ledger.Done, int(won.Load()))
	if string(unit.Facts) != fmt.Sprint(won.Load()) {
		t.Errorf("facts are %s, want those of attempt %d", unit.Facts, won.Load())
	}
}

func testRaceBegin(t *testing.T, l ledger.Ledger) {
	must(t, l.Plan(t.Context(), "j", named("u"), soon()))
	const workers = 50
	var given [workers + 1]atomic.Int64
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			unit, err := l.Begin(t.Context(), "j", "u", "owner", soon())
			if err == nil {
				given[unit.Attempt].Add(1)
			}
			return err
		})
	}
	must(t, group.Wait())
	for attempt := 1; attempt <= workers; attempt++ {
		if n := given[attempt].Load(); n != 1 {
			t.Errorf("attempt %d was given to %d workers", attempt, n)
		}
	}
	state(t, l, "j", "u", ledger.Running, workers)
}

func testRacePlan(t *testing.T, l ledger.Ledger) {
	const unitCount, planners, workers = 120, 4, 8
	var ids []string
	for i := range unitCount {
		ids = append(ids, fmt.Sprintf("u/%03d", i))
	}
	must(t, l.Plan(t.Context(), "j", named(ids[0]), soon()))
	var group errgroup.Group
	for range planners {
		group.Go(func() error { return l.Plan(t.Context(), "j", named(ids...), soon()) })
	}
	var begun [unitCount]atomic.Int64
	for range workers { // each tries every unit, as soon as a planner has recorded it
		group.Go(func() error {
			for i, id := range ids {
				for {
					unit, err := l.Begin(t.Context(), "j", id, "owner", soon())
					if errors.Is(err, ledger.ErrNotFound) {
						time.Sleep(time.Millisecond)
						continue
					}
					if err != nil {
						return err
					}
					if unit.State == ledger.Done {
						break
					}
					if before := begun[i].Swap(int64(unit.Attempt)); before == int64(unit.Attempt) {
						return fmt.Errorf("attempt %d of %s was returned twice", unit.Attempt, id)
					}
					err = l.Complete(t.Context(), "j", id, unit.Attempt, json.RawMessage(`{}`))
					if err != nil && !errors.Is(err, ledger.ErrConflict) {
						return err
					}
					break
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	count(t, l, "j", "", Count{Done: unitCount})
}

func testMany(t *testing.T, l ledger.Ledger) {
	plan := func(yield func(ledger.Unit) bool) {
		for i := range many {
			spec := fmt.Sprintf(`{"index":%d,"start":%d,"end":%d,"key":"video/%05d"}`, i, i*900_000, (i+1)*900_000, i)
			if !yield(ledger.Unit{ID: fmt.Sprintf("video/%05d", i), Spec: json.RawMessage(spec)}) {
				return
			}
		}
	}
	start := time.Now()
	must(t, l.Plan(t.Context(), "j", plan, soon()))
	planned := time.Now()
	count(t, l, "j", "", Count{Planned: many})
	counted := time.Now()
	for _, i := range []int{0, 1, 5000, many - 1} {
		begin(t, l, "j", fmt.Sprintf("video/%05d", i), 1)
	}
	next := 0
	for unit, err := range l.Units(t.Context(), "j", "video/") {
		must(t, err)
		if want := fmt.Sprintf("video/%05d", next); unit.ID != want {
			t.Fatalf("unit %d is %s, want %s", next, unit.ID, want)
		}
		next++
	}
	if next != many {
		t.Errorf("got %d units, want %d", next, many)
	}
	read := time.Now()
	must(t, l.Plan(t.Context(), "j", plan, soon().Add(time.Hour)))
	count(t, l, "j", "video/", Count{Planned: many - 4, Running: 4})
	t.Logf("%d units: planned in %v, counted in %v, read in %v, planned again in %v", many,
		planned.Sub(start), counted.Sub(planned), read.Sub(counted), time.Since(read))
}

func testCancelled(t *testing.T, l ledger.Ledger) {
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning, Execution: "e", Expires: soon()}))
	must(t, l.Plan(t.Context(), "j", named("u"), soon()))
	cause := errors.New("the user had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, jobErr := l.Job(ctx, "j")
	_, jobOfErr := l.JobOf(ctx, "e")
	_, unitErr := l.Unit(ctx, "j", "u")
	_, beginErr := l.Begin(ctx, "j", "u", "owner", soon())
	var jobsErr, unitsErr error
	for _, err := range l.Jobs(ctx) {
		jobsErr = err
	}
	for _, err := range l.Units(ctx, "j", "") {
		unitsErr = err
	}
	for op, err := range map[string]error{
		"Job": jobErr, "JobOf": jobOfErr, "Unit": unitErr, "Begin": beginErr, "Jobs": jobsErr,
		"Units": unitsErr, "PutJob": l.PutJob(ctx, ledger.Job{ID: "k"}), "Plan": l.Plan(ctx, "j", named("w"), soon()),
		"EndJob":   l.EndJob(ctx, "j", "e", ledger.JobDone, nil, soon()),
		"Complete": l.Complete(ctx, "j", "u", 1, nil), "Fail": l.Fail(ctx, "j", "u", 1, ledger.Failure{}),
		"Reopen": l.Reopen(ctx, "j", "u", 1), "Delete": l.Delete(ctx, "j"),
	} {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("%s: got %v, want one that wraps context.Canceled and the cause", op, err)
		}
	}
	state(t, l, "j", "u", ledger.Planned, 0)
	count(t, l, "j", "", Count{Planned: 1})
}
