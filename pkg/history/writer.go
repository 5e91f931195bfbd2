package history

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// writeInterval is how long changes are collected before they are written: the longest time that a reader who does not
	// flush lags behind.
	writeInterval = 100 * time.Millisecond
	// maxPending is how many changes may wait. Then the interpreter waits as well, so that a slow disk does not fill the memory.
	maxPending = 5000
)

// change is something to write: one of the fields.
type change struct {
	begin  *Execution
	arn    string // of the event's execution
	event  *Event
	end    *ending
	mapRun *MapRun
}

// writer writes changes in batches, in the order in which they were added.
type writer struct {
	store *Store
	write context.Context //nolint:containedctx // of the writing goroutine, which ends with close: what was recorded is written

	mu      sync.Mutex
	changed sync.Cond // a batch was written
	pending []change
	added   int // changes, since the beginning
	written int
	err     error // of batches that are lost, until a flush reports it
	failed  int   // attempts to write a batch that is tried again
	failure error // of the last of them

	wake chan struct{} // there is something to write at once
	stop chan struct{}
	done chan struct{}
}

func startWriter(ctx context.Context, s *Store) *writer {
	w := &writer{
		store: s, write: context.WithoutCancel(ctx), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	w.changed.L = &w.mu
	go w.run()
	return w
}

// add adds a change.
func (w *writer) add(c change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pending) >= maxPending {
		w.hurry()
		w.changed.Wait()
	}
	w.pending = append(w.pending, c)
	w.added++
}

// hurry has the pending changes written at once.
func (w *writer) hurry() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// flush waits until what was added is written, or until an attempt at that has failed.
func (w *writer) flush(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed.Broadcast()
	})
	defer stop()
	for target, failed := w.added, w.failed; w.written < target; {
		if err := ctx.Err(); err != nil {
			return w.store.fail(ctx, "record events", err)
		}
		if w.failed != failed {
			return w.store.fail(ctx, "record events", w.failure)
		}
		w.hurry()
		w.changed.Wait() // a batch takes milliseconds
	}
	err := w.err
	w.err = nil
	return w.store.fail(ctx, "record events", err)
}

// close writes what is pending and ends the goroutine.
func (w *writer) close() error {
	close(w.stop)
	<-w.done
	return w.flush(w.write)
}

func (w *writer) run() {
	defer close(w.done)
	tick := time.NewTicker(writeInterval)
	defer tick.Stop()
	for {
		stopping := false
		select {
		case <-tick.C:
		case <-w.wake:
		case <-w.stop:
			stopping = true
		}
		w.mu.Lock()
		batch := w.pending
		w.pending = nil
		w.mu.Unlock()
		var err error
		if len(batch) > 0 {
			err = w.store.file.Tx(w.write, func(tx *sql.Tx) error { return apply(w.write, tx, batch) })
		}
		w.settle(batch, err, stopping)
		if stopping {
			return
		}
	}
}

// settle notes what became of a batch. One that the state of the machine kept from being written is tried again, as long as there is
// room for it.
func (w *writer) settle(batch []change, err error, stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.changed.Broadcast()
	kind := fault.KindOf(w.store.fail(w.write, "record events", err))
	if err != nil && !stopping && (kind == fault.Transient || kind == fault.OutOfSpace) && len(batch)+len(w.pending) <= maxPending {
		w.pending = append(batch, w.pending...)
		w.failed++
		w.failure = err
		return
	}
	w.written += len(batch)
	w.err = errors.Join(w.err, err)
}

// apply writes a batch. Of several reports of a map run only the last one counts, and of events of an execution the ID of the
// last one.
func apply(ctx context.Context, tx *sql.Tx, batch []change) error {
	runs, last := map[string]*MapRun{}, map[string]int64{}
	for _, c := range batch {
		var err error
		switch {
		case c.begin != nil:
			_, err = insertExecution(ctx, tx, c.begin)
		case c.event != nil:
			last[c.arn] = c.event.ID
			err = insertEvent(ctx, tx, c.arn, *c.event)
		case c.end != nil:
			err = endExecution(ctx, tx, *c.end)
		case c.mapRun != nil:
			runs[c.mapRun.ARN] = c.mapRun
		}
		if err != nil {
			return err
		}
	}
	for _, m := range runs {
		if err := putMapRun(ctx, tx, *m); err != nil {
			return err
		}
	}
	for arn, id := range last {
		if _, err := tx.ExecContext(ctx, "UPDATE executions SET last_event = ? WHERE arn = ?", id, arn); err != nil {
			return err
		}
	}
	return nil
}
