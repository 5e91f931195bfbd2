package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// none yields no unit.
func none(func(ledger.Unit) bool) {}

// named yields a unit with an empty spec for each ID.
func named(ids ...string) iter.Seq[ledger.Unit] {
	return func(yield func(ledger.Unit) bool) {
		for _, id := range ids {
			if !yield(ledger.Unit{ID: id, Spec: json.RawMessage(`{}`)}) {
				return
			}
		}
	}
}

func units(t *testing.T, l ledger.Ledger, job, prefix string) []ledger.Unit {
	t.Helper()
	var all []ledger.Unit
	for unit, err := range l.Units(t.Context(), job, prefix) {
		must(t, err)
		all = append(all, unit)
	}
	return all
}

func begin(t *testing.T, l ledger.Ledger, job, id string, wantAttempt int) {
	t.Helper()
	unit, err := l.Begin(t.Context(), job, id, "owner", time.Now().Add(time.Minute))
	must(t, err)
	if unit.State != ledger.Running || unit.Attempt != wantAttempt {
		t.Fatalf("begin %s gave %s attempt %d, want running attempt %d", id, unit.State, unit.Attempt, wantAttempt)
	}
}

func state(t *testing.T, l ledger.Ledger, job, id string, want ledger.UnitState, attempt int) ledger.Unit {
	t.Helper()
	unit, err := l.Unit(t.Context(), job, id)
	must(t, err)
	if unit.State != want || unit.Attempt != attempt {
		t.Errorf("%s is %s attempt %d, want %s attempt %d", id, unit.State, unit.Attempt, want, attempt)
	}
	return unit
}

// Count is how many units of a job stand in which state.
type Count struct {
	Planned, Running, Failed, Done int
}

// Total returns the number of units.
func (c Count) Total() int { return c.Planned + c.Running + c.Failed + c.Done }

// CountUnits reads the job's units whose ID begins with prefix and counts them by state.
func CountUnits(ctx context.Context, l ledger.Ledger, job, prefix string) (c Count, err error) {
	for unit, err := range l.Units(ctx, job, prefix) {
		if err != nil {
			return Count{}, err
		}
		switch unit.State {
		case ledger.Planned:
			c.Planned++
		case ledger.Running:
			c.Running++
		case ledger.Failed:
			c.Failed++
		case ledger.Done:
			c.Done++
		}
	}
	return c, nil
}

func count(t *testing.T, l ledger.Ledger, job, prefix string, want Count) {
	t.Helper()
	got, err := CountUnits(t.Context(), l, job, prefix)
	must(t, err)
	if got != want {
		t.Errorf("count of %q in %s is %+v, want %+v", prefix, job, got, want)
	}
}

// same checks that two values are equal, except in the named fields.
func same[T any](t *testing.T, want, got T, except ...string) {
	t.Helper()
	ignore := cmp.FilterPath(func(p cmp.Path) bool {
		field, ok := p.Last().(cmp.StructField)
		return ok && slices.Contains(except, field.Name())
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is checks that got wraps want, or is nil if want is nil.
func is(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}
