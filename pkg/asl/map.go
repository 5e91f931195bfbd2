package asl

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

const (
	// inlineConcurrency is the number of iterations of an INLINE Map that Step Functions runs at
	// once.
	inlineConcurrency = 40
	// distributedConcurrency bounds the concurrent children of a DISTRIBUTED Map. Step Functions
	// runs up to 10,000. In one process a child costs some 20 KB of stack and state, so a thousand
	// of them take 20 MB.
	distributedConcurrency = 1000
)

// mapAttempt is one attempt of a Map state. Its iterations or children write to it.
type mapAttempt struct {
	*frame
	data      *data
	processor *definition.Scope
	tolerance tolerance
	stop      context.CancelCauseFunc

	run        *mapRun // of a DISTRIBUTED Map, else nil
	configured int     // MaxConcurrency of a DISTRIBUTED Map

	mu      sync.Mutex
	results []json.RawMessage
	size    int // bytes of the results, which are dropped once they exceed the payload limit
	total   int // number of items; -1 until it is known
	failed  int // items
	first   *Error
	fatal   error // why the attempt failed
	latest  int64 // the event that the end of the attempt follows
}

// mapState makes one attempt at a Map state: it executes the processor once for each item or batch
// of items.
func (f *frame) mapState(ctx context.Context, d *data) (json.RawMessage, error) {
	m := d.state.Map
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	source := &itemSource{total: -1}
	if m.Reader == nil {
		var err error
		if source, err = arraySource(ctx, m, d); err != nil {
			return nil, ended(err)
		}
	}
	limit, configured, err := concurrency(ctx, m, d)
	if err != nil {
		return nil, err
	}
	f.emit(Event{Type: MapStateStarted, State: d.state.Name, Attempt: d.retries, Length: max(source.total, 0)})
	a := &mapAttempt{frame: f, data: d, processor: m.Processor, stop: stop, total: source.total, latest: f.last}
	if m.Distributed {
		a.configured = configured
		return a.distributed(ctx, inner, source, limit)
	}
	a.dispatch(inner, &inputs{attempt: a, source: source, selecting: *d}, limit, a.iterate)
	f.last = a.latest
	result, err := a.outcome()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, ended(err)
	}
	f.emitAfter(f.last, Event{Type: MapStateSucceeded, State: d.state.Name, Attempt: d.retries})
	return result, nil
}

// concurrency returns how many iterations or children may run at once, and MaxConcurrency as it is
// configured.
func concurrency(ctx context.Context, m *definition.Map, d *data) (limit, configured int, err error) {
	most := inlineConcurrency
	if m.Distributed {
		most = distributedConcurrency
	}
	n, err := m.MaxConcurrency.Eval(ctx, d, 0)
	if err != nil {
		return 0, 0, err
	}
	if n == 0 || n > float64(most) {
		return most, int(n), nil
	}
	return int(n), int(n), nil
}

// dispatch passes inputs to iterations or children, and returns when the last one has ended. It
// reads no further than one input ahead. Each execution of work occupies one of limit slots. work
// gets the event after which the slot was free, and returns the last event of the iteration.
func (a *mapAttempt) dispatch(
	ctx context.Context, in *inputs, limit int, work func(context.Context, childInput, int64) int64,
) {
	slots := make(chan int64, limit)
	for range limit {
		slots <- a.frame.last
	}
	var children sync.WaitGroup // at most limit goroutines
	defer children.Wait()
	for ctx.Err() == nil {
		next, more, err := in.next(ctx)
		if err != nil {
			a.fail(err, a.frame.last)
			return
		}
		if !more {
			a.allRead(in.read)
			return
		}
		select {
		case slot := <-slots:
			a.mu.Lock()
			a.results = append(a.results, nil)
			a.mu.Unlock()
			children.Go(func() { slots <- work(ctx, next, slot) })
		case <-ctx.Done():
		}
	}
}

// iterate executes one iteration of an INLINE Map.
func (a *mapAttempt) iterate(ctx context.Context, in childInput, slot int64) int64 {
	f := a.inner()
	f.mapName, f.index, f.item, f.last = a.data.state.Name, in.index, &mapItem{in.index, in.item}, slot
	event := Event{State: f.mapName, Attempt: a.data.retries}
	event.Type, event.Input = MapIterationStarted, in.input
	f.emit(event)
	result, err := f.scope(ctx, a.processor, in.input)
	event.Input = nil
	switch {
	case err == nil:
		event.Type, event.Output = MapIterationSucceeded, result
		a.keep(in.index, result, f.emitAfter(f.last, event))
	case ctx.Err() != nil:
		event.Type = MapIterationAborted
		f.emitAfter(f.abortedBy(ctx), event)
		f.flush()
	default:
		e := asError(err)
		event.Type, event.Error, event.Cause, event.Err = MapIterationFailed, e.Name, e.Cause, e
		f.emitAfter(f.last, event)
		f.flush()
		a.fail(e, f.last)
	}
	return f.last
}

// keep stores the result of a child if all results together fit a payload. event is the child's
// last one.
func (a *mapAttempt) keep(index int, result json.RawMessage, event int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latest = max(a.latest, event)
	a.keepLocked(index, result)
}

func (a *mapAttempt) keepLocked(index int, result json.RawMessage) {
	a.size += len(result) + 1 // and a comma or bracket
	if a.size+1 > maxPayload {
		a.results = nil // the Map fails when its items are done, as in Step Functions
		return
	}
	if index < len(a.results) {
		a.results[index] = result
	}
}

// fail ends the attempt and stops its children. The first reason counts. event is the last one of
// the part that failed.
func (a *mapAttempt) fail(err error, event int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failLocked(err, event)
}

func (a *mapAttempt) failLocked(err error, event int64) {
	if a.fatal == nil {
		a.fatal, a.latest = err, event
		a.stop(&siblingError{a.exec, event})
	}
}

// allRead records that there are no items beyond total.
func (a *mapAttempt) allRead(total int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total = total
	if a.failed > 0 && a.tolerance.exceeded(a.failed, total) {
		a.failLocked(a.thresholdError(), a.latest)
	}
}

// outcome returns the results as an array, after all children have ended.
func (a *mapAttempt) outcome() (json.RawMessage, error) {
	if a.fatal != nil {
		return nil, a.fatal
	}
	if a.size+1 > maxPayload {
		return nil, limitError("the results of the items have", a.size+1, maxPayload)
	}
	return jsonata.JoinArray(a.results), nil
}
