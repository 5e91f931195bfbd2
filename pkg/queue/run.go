package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
)

const (
	// busyInterval is how long an execution whose request or output another run holds waits before it asks again.
	busyInterval = time.Second
	// tidyInterval is how often the queue looks for executions of processes that are gone.
	tidyInterval = 5 * time.Second
	// retention is how long histories are kept after the end of their executions, as in Step Functions.
	retention = 90 * 24 * time.Hour
)

// errClosing is the cause of the end of executions when Run ends.
var errClosing = errors.New("the server stops")

// Run runs executions until ctx ends, and then stops those that run. It begins with those that the store holds unfinished.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.recover(ctx); err != nil {
		return err
	}
	q.local = q.opts.Local
	if q.opts.Prepare != nil {
		if err := q.opts.Prepare(ctx, &q.local); err != nil && ctx.Err() == nil {
			return err
		}
	}
	var active sync.WaitGroup // at most Options.Active goroutines
	defer active.Wait()
	base, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(errClosing)
	tidy := time.NewTicker(tidyInterval)
	defer tidy.Stop()
	for {
		for ctx.Err() == nil {
			arn, e, one := q.next(base)
			if e == nil {
				break
			}
			active.Go(func() { q.work(one, arn, e) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.wake:
		case <-tidy.C:
			q.tidy(ctx)
		}
	}
}

// recover puts the executions that have not ended into the queue.
func (q *Queue) recover(ctx context.Context) error {
	q.tidy(ctx)
	list, err := q.store.Unfinished(ctx, "")
	if err != nil {
		return err
	}
	for _, arn := range list {
		x, err := q.store.Resume(ctx, arn, time.Now())
		if err != nil {
			return err
		}
		if x.Redrives > 0 {
			q.opts.Log.InfoContext(ctx, "execution continues", "execution", arn, "redrives", x.Redrives)
		}
	}
	q.mu.Lock()
	q.waiting = slices.Concat(list, q.waiting)
	q.mu.Unlock()
	return nil
}

// next takes an execution from the queue, if there is one and its turn has come.
func (q *Queue) next(base context.Context) (string, *entry, context.Context) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.running) >= q.opts.Active {
		return "", nil, nil
	}
	// An execution that was stopped and redriven may still be ending.
	i := slices.IndexFunc(q.waiting, func(arn string) bool { return q.running[arn] == nil })
	if i < 0 {
		return "", nil, nil
	}
	arn := q.waiting[i]
	q.waiting = slices.Delete(q.waiting, i, i+1)
	ctx, cancel := context.WithCancelCause(base)
	e := &entry{cancel, make(chan struct{})}
	q.running[arn] = e
	return arn, e, ctx
}

// work runs an execution, and puts it back into the queue where another run is in its way.
func (q *Queue) work(ctx context.Context, arn string, e *entry) {
	defer q.hurry()
	defer close(e.done)
	again, err := q.execute(ctx, arn)
	if err != nil {
		q.opts.Log.ErrorContext(ctx, "execution not recorded", "execution", arn, "error", err)
	}
	e.cancel(nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, arn)
	if again {
		q.waiting = append(q.waiting, arn)
	}
}

// execute runs an execution to its end. It reports whether it must be run again.
func (q *Queue) execute(ctx context.Context, arn string) (again bool, err error) {
	x, err := q.store.Execution(ctx, arn)
	if err != nil || x.Ended() { // it was stopped before its turn came
		return false, err
	}
	closing := func() bool { return errors.Is(context.Cause(ctx), errClosing) }
	recorder := q.store.Recorder(x, closing)
	began := time.Now()
	q.opts.Log.InfoContext(ctx, "execution begins", "execution", x.Name, "redrives", x.Redrives)
	defer func() {
		if !again {
			q.logEnd(ctx, arn, began)
		}
	}()
	opts := q.local
	opts.Execution = local.Execution{
		Name: x.Name, ID: x.ARN, Redrives: x.Redrives, Observe: recorder.Event, ObserveMapRun: recorder.MapRun,
	}
	opts.Keep = opts.Keep || x.Options.KeepScratch
	opts.KeepOutputs = opts.KeepOutputs || x.Options.KeepOutputs
	opts.IgnoreSpace = opts.IgnoreSpace || x.Options.IgnoreSpace
	if q.opts.Outputs != nil {
		opts.Outputs = q.opts.Outputs(x.Input)
	}
	if q.opts.Observe != nil {
		opts.Observe = q.opts.Observe(x)
	}
	request, opts, err := local.Receive(ctx, x.Input, opts, local.Input{})
	if err == nil {
		_, err = local.Run(ctx, request, opts)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	switch {
	case closing():
		return false, q.store.Flush(last)
	case recorder.Ended():
		return false, q.confirmEnd(last, arn)
	case errors.Is(err, local.ErrBusy) && ctx.Err() == nil:
		pause := time.NewTimer(busyInterval)
		defer pause.Stop()
		select {
		case <-pause.C:
			return true, nil
		case <-ctx.Done():
			if closing() {
				return false, nil
			}
		}
	}
	return false, q.end(ctx, last, arn, err)
}

// confirmEnd ends an execution whose end did not reach the store, so that it can be redriven.
func (q *Queue) confirmEnd(ctx context.Context, arn string) error {
	flushed := q.store.Flush(ctx)
	err := q.store.End(ctx, arn, history.Failed, string(fault.Internal), "the end of the execution was not recorded", time.Now())
	if errors.Is(err, history.ErrConflict) { // it was recorded
		err = nil
	}
	return errors.Join(flushed, err)
}

// end ends an execution whose machine did not begin.
func (q *Queue) end(ctx, last context.Context, arn string, err error) error {
	status, name, cause := history.Failed, string(fault.KindOf(err)), ""
	if err != nil {
		cause = err.Error()
	}
	if ctx.Err() != nil {
		status, name, cause = history.Aborted, "", ""
		var by *asl.Error
		if errors.As(context.Cause(ctx), &by) {
			name, cause = by.Name, by.Cause
		}
	}
	return q.store.End(last, arn, status, name, cause, time.Now())
}

// logEnd logs how an execution ended.
func (q *Queue) logEnd(ctx context.Context, arn string, began time.Time) {
	ctx = context.WithoutCancel(ctx)
	x, err := q.store.Execution(ctx, arn)
	if err != nil {
		q.opts.Log.ErrorContext(ctx, "execution not recorded", "execution", arn, "error", err)
		return
	}
	attributes := []any{"execution", x.Name, "status", x.Status, "elapsed", time.Since(began).Round(time.Millisecond)}
	if x.Error != "" {
		attributes = append(attributes, "error", x.Error, "cause", x.Cause)
	}
	q.opts.Log.InfoContext(ctx, "execution ended", attributes...)
}

// tidy ends the executions of processes that are gone, and removes old histories.
func (q *Queue) tidy(ctx context.Context) {
	err := q.endLost(ctx)
	if err == nil {
		err = q.store.Expire(ctx, time.Now().Add(-retention))
	}
	if err != nil && ctx.Err() == nil {
		q.opts.Log.WarnContext(ctx, "histories not tidied", "error", err)
	}
}

func (q *Queue) endLost(ctx context.Context) error {
	owners, err := q.store.Owners(ctx)
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if local.Alive(owner) {
			continue
		}
		list, err := q.store.Unfinished(ctx, owner)
		if err != nil {
			return err
		}
		for _, arn := range list {
			const cause = "its process ended without a result; redrive it, or give the same command again"
			err := q.store.End(ctx, arn, history.Aborted, "Interrupted", cause, time.Now())
			if err != nil && !errors.Is(err, history.ErrConflict) {
				return err
			}
		}
	}
	return nil
}
