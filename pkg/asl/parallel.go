package asl

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// parallel executes the branches concurrently, each with the same input. The first that fails stops
// the others.
func (f *frame) parallel(ctx context.Context, d *data) (json.RawMessage, error) {
	st := d.state
	input := d.input.text
	if st.Arguments != nil {
		var err error
		if input, err = st.Arguments.Eval(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := checkPayload("the arguments have", input); err != nil {
		return nil, err
	}
	f.emit(Event{Type: ParallelStateStarted, State: st.Name, Attempt: d.retries})

	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		wait    sync.WaitGroup // as many goroutines as the definition has branches
		mu      sync.Mutex
		first   error
		failed  *frame
		results = make([]json.RawMessage, len(st.Branches))
		frames  = make([]*frame, len(st.Branches))
	)
	for i, b := range st.Branches {
		frames[i] = f.inner()
		wait.Go(func() {
			result, err := frames[i].scope(inner, b, input)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first, failed = err, frames[i]
				stop(&siblingError{f.exec, failed.last})
			}
			results[i] = result
		})
	}
	wait.Wait()
	if first == nil {
		for _, b := range frames {
			f.last = max(f.last, b.last)
		}
		result := jsonata.JoinArray(results)
		if err := checkPayload("the results of the branches have", result); err != nil {
			return nil, ended(err)
		}
		f.emitAfter(f.last, Event{Type: ParallelStateSucceeded, State: st.Name, Attempt: d.retries})
		return result, nil
	}
	failed.flush()
	for _, b := range frames {
		b.flush()
	}
	if ctx.Err() != nil {
		return nil, first
	}
	f.last = failed.last
	return nil, ended(first)
}

// ended marks an error as the failure of a Map or Parallel whose attempt had begun.
func ended(err error) *Error {
	e := *asError(err)
	e.ended = true
	return &e
}
