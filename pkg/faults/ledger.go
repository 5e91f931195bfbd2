package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// book is a ledger.Ledger whose calls suffer what the plan says, and which watches that what is done stays done.
type book struct {
	inner ledger.Ledger

	mu     sync.Mutex
	begun  map[string]int // the highest attempt of a unit
	done   map[string]int // the attempts that had begun when the unit was done
	broken []string
}

var _ ledger.Ledger = (*book)(nil)

func newBook(inner ledger.Ledger) *book {
	return &book{inner: inner, begun: map[string]int{}, done: map[string]int{}}
}

func (b *book) violate(format string, args ...any) {
	b.broken = append(b.broken, fmt.Sprintf(format, args...))
}

// violations are what was seen so far.
func (b *book) violations() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

// started hears that a stage sets to work on a unit.
func (b *book) started(unit string, attempt int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last, ok := b.done[unit]; ok && attempt > last {
		b.violate("attempt %d of %s set to work although the unit was done", attempt, unit)
	}
}

func (b *book) PutJob(ctx context.Context, job ledger.Job) error {
	if job.Started.IsZero() {
		b.mu.Lock()
		b.violate("execution %s put the job without saying when it was started", job.Execution)
		b.mu.Unlock()
	}
	return call(ctx, "PutJob", "", changing, func() error { return b.inner.PutJob(ctx, job) })
}

func (b *book) Job(ctx context.Context, id string) (job ledger.Job, err error) {
	err = call(ctx, "Job", "", asking, func() (err error) {
		job, err = b.inner.Job(ctx, id)
		return err
	})
	return job, err
}

func (b *book) JobOf(ctx context.Context, execution string) (job ledger.Job, err error) {
	err = call(ctx, "JobOf", "", asking, func() (err error) {
		job, err = b.inner.JobOf(ctx, execution)
		return err
	})
	return job, err
}

func (b *book) EndJob(ctx context.Context, id, execution string, state ledger.JobState, failure *ledger.Failure, expires time.Time) error {
	return call(ctx, "EndJob", "", changing, func() error { return b.inner.EndJob(ctx, id, execution, state, failure, expires) })
}

func (b *book) Jobs(ctx context.Context) iter.Seq2[ledger.Job, error] { return b.inner.Jobs(ctx) }

func (b *book) Plan(ctx context.Context, job string, units iter.Seq[ledger.Unit], expires time.Time) error {
	return call(ctx, "Plan", "", changing, func() error { return b.inner.Plan(ctx, job, units, expires) })
}

func (b *book) Unit(ctx context.Context, job, id string) (u ledger.Unit, err error) {
	err = call(ctx, "Unit", id, asking, func() (err error) {
		u, err = b.inner.Unit(ctx, job, id)
		return err
	})
	return u, err
}

func (b *book) Units(ctx context.Context, job, prefix string) iter.Seq2[ledger.Unit, error] {
	return func(yield func(ledger.Unit, error) bool) {
		if err := call(ctx, "Units", prefix, asking, func() error { return nil }); err != nil {
			yield(ledger.Unit{}, err)
			return
		}
		b.inner.Units(ctx, job, prefix)(yield)
	}
}

func (b *book) Count(ctx context.Context, job, prefix string) (n ledger.Count, err error) {
	err = call(ctx, "Count", prefix, asking, func() (err error) {
		n, err = b.inner.Count(ctx, job, prefix)
		return err
	})
	return n, err
}

func (b *book) Begin(ctx context.Context, job, id, owner string, lease time.Time) (u ledger.Unit, err error) {
	err = call(ctx, "Begin", id, changing, func() (err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		u, err = b.inner.Begin(ctx, job, id, owner, lease)
		if err != nil || u.State == ledger.Done {
			return err
		}
		b.begun[id] = max(b.begun[id], u.Attempt)
		if _, ok := b.done[id]; ok {
			b.violate("%s was done and began again", id)
		}
		return nil
	})
	return u, err
}

func (b *book) Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error {
	return call(ctx, "Complete", id, changing, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		err := b.inner.Complete(ctx, job, id, attempt, facts)
		if err == nil {
			if _, ok := b.done[id]; ok {
				b.violate("%s was completed twice", id)
			}
			b.done[id] = b.begun[id]
		}
		return err
	})
}

func (b *book) Fail(ctx context.Context, job, id string, attempt int, failure ledger.Failure) error {
	return call(ctx, "Fail", id, changing, func() error { return b.inner.Fail(ctx, job, id, attempt, failure) })
}

func (b *book) Reopen(ctx context.Context, job, id string, attempt int) error {
	return call(ctx, "Reopen", id, changing, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		err := b.inner.Reopen(ctx, job, id, attempt)
		if err == nil {
			delete(b.done, id)
			b.violate("the result of %s was given up, and nobody had taken it away", id)
		}
		return err
	})
}

func (b *book) Delete(ctx context.Context, job string) error {
	return call(ctx, "Delete job", "", changing, func() error { return b.inner.Delete(ctx, job) })
}
