package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// faultyLedger is a ledger.Ledger whose calls get the faults of the plan. It also checks that
// completed units stay completed.
type faultyLedger struct {
	inner ledger.Ledger

	mu     sync.Mutex
	begun  map[string]int // highest attempt of each unit
	done   map[string]int // number of attempts that had begun when the unit was completed
	broken []string
}

var _ ledger.Ledger = (*faultyLedger)(nil)

func newFaultyLedger(inner ledger.Ledger) *faultyLedger {
	return &faultyLedger{inner: inner, begun: map[string]int{}, done: map[string]int{}}
}

func (l *faultyLedger) violate(format string, args ...any) {
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
}

// violations returns the violations seen so far.
func (l *faultyLedger) violations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// recordStart is called when a stage starts to work on a unit.
func (l *faultyLedger) recordStart(unit string, attempt int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.done[unit]; ok && attempt > last {
		l.violate("attempt %d of %s started work although the unit was done", attempt, unit)
	}
}

func (l *faultyLedger) PutJob(ctx context.Context, job ledger.Job) error {
	if job.Started.IsZero() {
		l.mu.Lock()
		l.violate("execution %s stored the job without its start time", job.Execution)
		l.mu.Unlock()
	}
	return call(ctx, "PutJob", "", writeFaults, func() error { return l.inner.PutJob(ctx, job) })
}

func (l *faultyLedger) Job(ctx context.Context, id string) (job ledger.Job, err error) {
	err = call(ctx, "Job", "", readFaults, func() (err error) {
		job, err = l.inner.Job(ctx, id)
		return err
	})
	return job, err
}

func (l *faultyLedger) JobOf(ctx context.Context, execution string) (job ledger.Job, err error) {
	err = call(ctx, "JobOf", "", readFaults, func() (err error) {
		job, err = l.inner.JobOf(ctx, execution)
		return err
	})
	return job, err
}

func (l *faultyLedger) EndJob(ctx context.Context, id, execution string, state ledger.JobState, failure *ledger.Failure, expires time.Time) error {
	return call(ctx, "EndJob", "", writeFaults, func() error { return l.inner.EndJob(ctx, id, execution, state, failure, expires) })
}

func (l *faultyLedger) Jobs(ctx context.Context) iter.Seq2[ledger.Job, error] {
	return l.inner.Jobs(ctx)
}

func (l *faultyLedger) Plan(ctx context.Context, job string, units iter.Seq[ledger.Unit], expires time.Time) error {
	return call(ctx, "Plan", "", writeFaults, func() error { return l.inner.Plan(ctx, job, units, expires) })
}

func (l *faultyLedger) Unit(ctx context.Context, job, id string) (u ledger.Unit, err error) {
	err = call(ctx, "Unit", id, readFaults, func() (err error) {
		u, err = l.inner.Unit(ctx, job, id)
		return err
	})
	return u, err
}

func (l *faultyLedger) Units(ctx context.Context, job, prefix string) iter.Seq2[ledger.Unit, error] {
	return func(yield func(ledger.Unit, error) bool) {
		if err := call(ctx, "Units", prefix, readFaults, func() error { return nil }); err != nil {
			yield(ledger.Unit{}, err)
			return
		}
		l.inner.Units(ctx, job, prefix)(yield)
	}
}

func (l *faultyLedger) Begin(ctx context.Context, job, id, owner string, lease time.Time) (u ledger.Unit, err error) {
	err = call(ctx, "Begin", id, writeFaults, func() (err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		u, err = l.inner.Begin(ctx, job, id, owner, lease)
		if err != nil || u.State == ledger.Done {
			return err
		}
		l.begun[id] = max(l.begun[id], u.Attempt)
		if _, ok := l.done[id]; ok {
			l.violate("%s was done and began again", id)
		}
		return nil
	})
	return u, err
}

func (l *faultyLedger) Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error {
	return call(ctx, "Complete", id, writeFaults, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		err := l.inner.Complete(ctx, job, id, attempt, facts)
		if err == nil {
			if _, ok := l.done[id]; ok {
				l.violate("%s was completed twice", id)
			}
			l.done[id] = l.begun[id]
		}
		return err
	})
}

func (l *faultyLedger) Fail(ctx context.Context, job, id string, attempt int, failure ledger.Failure) error {
	return call(ctx, "Fail", id, writeFaults, func() error { return l.inner.Fail(ctx, job, id, attempt, failure) })
}

func (l *faultyLedger) AddUse(ctx context.Context, job, id string, attempt int, use json.RawMessage) error {
	return call(ctx, "AddUse", id, writeFaults, func() error { return l.inner.AddUse(ctx, job, id, attempt, use) })
}

func (l *faultyLedger) Reopen(ctx context.Context, job, id string, attempt int) error {
	return call(ctx, "Reopen", id, writeFaults, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		err := l.inner.Reopen(ctx, job, id, attempt)
		if err == nil {
			delete(l.done, id)
			l.violate("the result of %s was given up although it was intact", id)
		}
		return err
	})
}

func (l *faultyLedger) Renew(ctx context.Context, job string, expires time.Time) error {
	return call(ctx, "Renew job", "", writeFaults, func() error { return l.inner.Renew(ctx, job, expires) })
}

func (l *faultyLedger) Delete(ctx context.Context, job string) error {
	return call(ctx, "Delete job", "", writeFaults, func() error { return l.inner.Delete(ctx, job) })
}
