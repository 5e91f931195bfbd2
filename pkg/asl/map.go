package asl

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	// inlineChildren is how many iterations of an INLINE Map Step Functions runs at once.
	inlineChildren = 40
	// distributedChildren bounds the children of a DISTRIBUTED Map that run at once. Step Functions runs up to 10,000; in
	// one process a child costs some 20 KB of stack and state, so that a thousand of them take 20 MB.
	distributedChildren = 1000
)

// mapRun is one attempt at a Map state. Its children write to it.
type mapRun struct {
	*frame
	st        *state
	attempt   int
	tolerance tolerance
	stop      context.CancelCauseFunc

	mu      sync.Mutex
	results []json.RawMessage
	size    int // bytes of the results, which are dropped once they are too many
	total   int // items there are; -1 until that is known
	failed  int
	first   *Error // the first failure of a child
	fatal   error  // what ended the Map
	latest  int64  // ID of the last event of any child
}

// mapState runs the processor once for each item.
func (f *frame) mapState(ctx context.Context, st *state, d *data) (json.RawMessage, error) {
	m := st.mapping
	limit, err := m.limit(ctx, d)
	if err != nil {
		return nil, err
	}
	tolerance, err := m.tolerance(ctx, d)
	if err != nil {
		return nil, err
	}
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	source, err := f.items(inner, m, d) // so that a source that blocks does not outlive a failure
	if err != nil {
		return nil, err
	}
	defer source.close()

	r := &mapRun{frame: f, st: st, attempt: d.retries, tolerance: tolerance, stop: stop, total: source.total}
	r.event(MapStateStarted, nil)
	if m.distributed {
		r.event(MapRunStarted, nil)
	}
	r.latest = f.last
	r.dispatch(inner, source, limit, d)
	f.last = r.latest

	result, err := r.outcome()
	if ctx.Err() != nil {
		if m.distributed {
			r.event(MapRunAborted, nil)
		}
		return nil, context.Cause(ctx)
	}
	ended, run := MapStateSucceeded, MapRunSucceeded
	if err != nil {
		ended, run = MapStateFailed, MapRunFailed
	}
	if m.distributed {
		r.event(run, err)
	}
	r.event(ended, err)
	return result, err
}

// event records an event of the Map as a whole.
func (r *mapRun) event(t EventType, err error) {
	e := Event{Type: t, State: r.st.name, Attempt: r.attempt}
	if t == MapStateStarted {
		e.Length = r.total
	}
	if err != nil {
		failure := asError(err)
		e.Error, e.Cause, e.Err = failure.Name, failure.Cause, failure
	}
	r.emit(e)
}

func (m *mapping) limit(ctx context.Context, d *data) (int, error) {
	most := inlineChildren
	if m.distributed {
		most = distributedChildren
	}
	n, err := m.maxConcurrency.eval(ctx, d, 0)
	if err != nil {
		return 0, err
	}
	if n == 0 || n > float64(most) {
		return most, nil
	}
	return int(n), nil
}

// dispatch gives items to children, and returns when the last child has. It holds no more than one item that waits.
func (r *mapRun) dispatch(ctx context.Context, source *itemSource, limit int, d *data) {
	var children errgroup.Group
	children.SetLimit(limit)
	selecting := *d                             // decodes the state's input once for all items
	for index := 0; ctx.Err() == nil; index++ { // an index of its own for each child
		item, more, err := source.next()
		if err != nil {
			r.end(err)
			break
		}
		if !more {
			r.ended(index)
			break
		}
		input := item
		if r.st.mapping.selector != nil {
			selecting.item, selecting.itemValue = &mapItem{index, item}, lazy{}
			input, err = r.st.mapping.selector.eval(ctx, &selecting)
		}
		if err == nil {
			err = payload(fmt.Sprintf("the input of item %d has", index), input)
		}
		if err != nil {
			r.end(err)
			break
		}
		r.mu.Lock()
		r.results = append(r.results, nil)
		r.mu.Unlock()
		children.Go(func() error {
			r.child(ctx, index, item, input)
			return nil
		})
	}
	_ = children.Wait() // children report to r
}

// child runs the processor for one item.
func (r *mapRun) child(ctx context.Context, index int, item, input json.RawMessage) {
	if ctx.Err() != nil { // ended while this one waited for its turn
		return
	}
	f := r.childFrame(index, item, input)
	event := Event{Type: MapIterationStarted, State: r.st.name, Input: input}
	f.emit(event)
	result, err := f.scope(ctx, r.st.mapping.processor, input)
	event.Input = nil
	switch {
	case err == nil:
		event.Type, event.Output = MapIterationSucceeded, result
	case ctx.Err() != nil:
		cause := context.Cause(ctx)
		event.Type, event.Cause, event.Err = MapIterationAborted, cause.Error(), cause
	default:
		e := asError(err)
		event.Type, event.Error, event.Cause, event.Err = MapIterationFailed, e.Name, e.Cause, e
	}
	f.emit(event)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = max(r.latest, f.last)
	switch event.Type {
	case MapIterationSucceeded:
		r.keep(index, result)
	case MapIterationFailed:
		r.fail(index, asError(err))
	}
}

func (r *mapRun) childFrame(index int, item, input json.RawMessage) *frame {
	f := r.within()
	f.mapName, f.index, f.item = r.st.name, index, &mapItem{index, item}
	if r.st.mapping.distributed { // a child is an execution of its own
		f.outer, f.size, f.item = nil, 0, nil
		label := r.st.mapping.label
		if label == "" {
			label = r.st.name
		}
		f.exec = execution{
			id:   fmt.Sprintf("%s/%s:%d", r.exec.id, label, index),
			name: fmt.Sprintf("%s-%d", label, index), started: r.Now(), input: input,
		}
	}
	return f
}

// keep stores a result, as long as all of them fit a payload. mu is held.
func (r *mapRun) keep(index int, result json.RawMessage) {
	r.size += len(result) + 1 // and a comma or bracket
	if r.size+1 > maxPayload {
		r.results = nil // the Map fails once the items are done, as it does in Step Functions
		return
	}
	if index < len(r.results) {
		r.results[index] = result
	}
}

// fail counts a failed child and ends the Map when it was one too many. mu is held.
func (r *mapRun) fail(index int, e *Error) {
	r.failed++
	if r.first == nil {
		r.first = e
	}
	switch {
	case !r.st.mapping.distributed:
		r.endLocked(e)
	case r.tolerance.exceeded(r.failed, r.total):
		r.endLocked(r.intolerable())
	default:
		r.keep(index, e.output())
	}
}

func (r *mapRun) intolerable() *Error {
	return &Error{
		Name: StatesExceedToleratedFailureThreshold,
		Cause: cut(fmt.Sprintf("the tolerated failure threshold was exceeded: %d item(s) failed, the first with %s: %s",
			r.failed, r.first.Name, r.first.Cause), maxCause),
		Err: r.first,
	}
}

// ended notes that there are total items and no more.
func (r *mapRun) ended(total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total = total
	if r.failed > 0 && r.tolerance.exceeded(r.failed, total) {
		r.endLocked(r.intolerable())
	}
}

func (r *mapRun) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endLocked(err)
}

// endLocked fails the Map and stops its children. The first reason counts.
func (r *mapRun) endLocked(err error) {
	if r.fatal == nil {
		r.fatal = err
		r.stop(errSibling)
	}
}

func (r *mapRun) outcome() (json.RawMessage, error) {
	if r.fatal != nil {
		return nil, r.fatal
	}
	if r.size+1 > maxPayload {
		return nil, tooLarge("the results of the items have", r.size+1, maxPayload)
	}
	return joinArray(r.results), nil
}

// tolerance says how many children of a DISTRIBUTED Map may fail. Without it, none may.
type tolerance struct {
	count, percentage float64 // negative where not given
}

func (m *mapping) tolerance(ctx context.Context, d *data) (tolerance, error) {
	count, err := m.tolerateCount.eval(ctx, d, -1)
	if err != nil {
		return tolerance{}, err
	}
	percentage, err := m.toleratePct.eval(ctx, d, -1)
	if err != nil {
		return tolerance{}, err
	}
	if count < 0 && percentage < 0 {
		count = 0
	}
	return tolerance{count, percentage}, nil
}

// exceeded reports whether failed items are too many. Their share is known once total is, or where none may fail.
func (t tolerance) exceeded(failed, total int) bool {
	switch {
	case failed == 0:
		return false
	case t.count >= 0 && float64(failed) > t.count:
		return true
	case t.percentage < 0:
		return false
	case total < 0:
		return t.percentage == 0
	}
	return float64(failed)*100 > t.percentage*float64(total)
}
