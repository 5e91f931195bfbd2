// Package queue runs the executions of a history on this machine.
//
//	q := queue.New(store, queue.Options{Local: local.Options{Scratch: dir, Registry: registry}})
//	go q.Run(ctx)
//	x, err := q.Start(ctx, "film-1", request)
//
// An execution is recorded before Start returns, and run when its turn comes: the queue holds names, and no more. A few run at
// once, and their units share the machine's slots; see package local. Executions of one request, or of one output, wait for each
// other. What was running when Run ended, in whatever way, goes on when it is called again: finished units are not repeated.
package queue

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
)

// Options say how executions run. Local is required; its Execution and Outputs are the queue's.
type Options struct {
	Local local.Options
	// Prepare completes Local when Run begins, before the first execution; may be nil. Executions are taken meanwhile.
	Prepare func(ctx context.Context, o *local.Options) error
	// Active is how many executions run at once; 0: twice the number of slots, but at least four. More would not make the
	// machine faster.
	Active int
	// Refuse returns why a request must not be done here, or nil; may be nil itself. Roots are checked in any case.
	Refuse func(request json.RawMessage) error
	// Outputs returns the files that a request publishes; may be nil.
	Outputs func(request json.RawMessage) []string
	// Observe returns what gets the events of a run that begins; may be nil.
	Observe func(x history.Execution) func(local.Event)
	Log     *slog.Logger // may be nil
}

// Queue runs executions. Its methods may be called from several goroutines.
type Queue struct {
	store *history.Store
	opts  Options

	mu      sync.Mutex
	waiting []string          // ARNs, in the order in which they begin
	running map[string]*entry // by ARN

	local local.Options // of Run
	wake  chan struct{}
}

// entry is an execution that runs, or that is about to.
type entry struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// New returns a queue of the executions in a store.
func New(store *history.Store, opts Options) *Queue {
	if opts.Active == 0 {
		opts.Active = max(2*cmp.Or(opts.Local.Jobs, runtime.NumCPU()), 4)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue{store: store, opts: opts, running: map[string]*entry{}, wake: make(chan struct{}, 1)}
}

// Runs reports whether an execution runs here now, rather than waiting for its turn.
func (q *Queue) Runs(arn string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running[arn] != nil
}

// Start records an execution and puts it into the queue. An execution of the same name with the same input, apart from white space,
// that has not ended is returned as it is; otherwise a name that is taken gives history.ErrExists. A request that must not be done here is recorded as
// failed at once.
func (q *Queue) Start(ctx context.Context, name string, input json.RawMessage) (history.Execution, error) {
	x, err := q.store.Create(ctx, history.Execution{
		ARN: history.ExecutionARN(name), Name: name, Machine: history.MachineARN, Input: input, Started: time.Now(),
	})
	if errors.Is(err, history.ErrExists) && !x.Ended() && equalText(x.Input, input) {
		return x, nil
	}
	if err != nil {
		return x, err
	}
	if refusal := q.Refuses(input); refusal != nil {
		err := q.store.End(ctx, x.ARN, history.Failed, string(fault.KindOf(refusal)), refusal.Error(), time.Now())
		return x, err
	}
	q.add(x.ARN)
	return x, nil
}

// Refuses returns why a request must not be done here; nil if it may be.
func (q *Queue) Refuses(request json.RawMessage) error {
	err := local.CheckRoots(request, q.opts.Local.Roots)
	if err == nil && q.opts.Refuse != nil {
		err = q.opts.Refuse(request)
	}
	return err
}

// equalText reports whether two JSON texts differ in white space only.
func equalText(a, b json.RawMessage) bool {
	x, err := jsonata.Compact(a)
	y, yerr := jsonata.Compact(b)
	return err == nil && yerr == nil && bytes.Equal(x, y)
}

// add puts an execution at the end of the queue.
func (q *Queue) add(arn string) {
	q.mu.Lock()
	q.waiting = append(q.waiting, arn)
	q.mu.Unlock()
	q.hurry()
}

// hurry makes Run look at the queue.
func (q *Queue) hurry() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Redrive runs an execution again that did not succeed: what it left undone. One that runs or has succeeded gives
// history.ErrConflict.
func (q *Queue) Redrive(ctx context.Context, arn string) (history.Execution, error) {
	x, err := q.store.Redrive(ctx, arn, time.Now())
	if err == nil {
		q.add(arn)
	}
	return x, err
}

// stopPatience is how long Stop waits for an execution to end: programs get five seconds to end by themselves.
const stopPatience = 15 * time.Second

// Stop ends an execution, and returns when it ended. name and cause become those of its last event. One that has ended stays as
// it is.
func (q *Queue) Stop(ctx context.Context, arn, name, cause string) (time.Time, error) {
	over := false
	q.mu.Lock()
	e := q.running[arn]
	if e == nil {
		q.waiting = slices.DeleteFunc(q.waiting, func(other string) bool { return other == arn })
	}
	q.mu.Unlock()
	if e == nil {
		if x, err := q.store.Execution(ctx, arn); err != nil || !x.Ended() && x.Owner != "" {
			return time.Time{}, cmp.Or(err, error(&ElsewhereError{x.Owner}))
		}
		if err := q.store.End(ctx, arn, history.Aborted, name, cause, time.Now()); err != nil && !errors.Is(err, history.ErrConflict) {
			return time.Time{}, err
		}
	} else {
		e.cancel(&asl.Error{Name: name, Cause: cause})
		patience := time.NewTimer(stopPatience)
		defer patience.Stop()
		select {
		case <-e.done:
			over = true
		case <-patience.C:
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		}
	}
	x, err := q.store.Execution(ctx, arn)
	if err == nil && over && !x.Ended() { // it went back into the queue at the same moment
		return q.Stop(ctx, arn, name, cause)
	}
	if err == nil && x.Stopped.IsZero() { // it is still ending
		x.Stopped = time.Now()
	}
	return x.Stopped, err
}

// ElsewhereError says that another process runs an execution.
type ElsewhereError struct{ Owner string }

func (e *ElsewhereError) Error() string {
	return "process " + e.Owner + " runs this execution: interrupt it there"
}
