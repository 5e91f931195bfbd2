package asl

import (
	"context"
	"encoding/json"
	"sync"
)

// parallel runs the branches side by side, each with the same input. The first that fails stops the others.
func (f *frame) parallel(ctx context.Context, st *state, d *data) (json.RawMessage, error) {
	input := d.input.text
	if st.arguments != nil {
		var err error
		if input, err = st.arguments.eval(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := payload("the arguments have", input); err != nil {
		return nil, err
	}
	f.emit(Event{Type: ParallelStateStarted, State: st.name, Attempt: d.retries})

	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		wait    sync.WaitGroup // as many goroutines as the definition has branches
		mu      sync.Mutex
		first   error
		results = make([]json.RawMessage, len(st.branches))
		frames  = make([]*frame, len(st.branches))
	)
	for i, b := range st.branches {
		frames[i] = f.within()
		wait.Go(func() {
			result, err := frames[i].scope(inner, b, input)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
				stop(errSibling)
			}
			results[i] = result
		})
	}
	wait.Wait()
	for _, b := range frames {
		f.last = max(f.last, b.last)
	}
	if first != nil {
		if ctx.Err() != nil {
			return nil, first
		}
		e := asError(first)
		f.emit(Event{Type: ParallelStateFailed, State: st.name, Attempt: d.retries, Error: e.Name, Cause: e.Cause, Err: e})
		return nil, e
	}
	result := joinArray(results)
	if err := payload("the results of the branches have", result); err != nil {
		e := asError(err)
		f.emit(Event{Type: ParallelStateFailed, State: st.name, Attempt: d.retries, Error: e.Name, Cause: e.Cause, Err: e})
		return nil, err
	}
	f.emit(Event{Type: ParallelStateSucceeded, State: st.name, Attempt: d.retries})
	return result, nil
}
