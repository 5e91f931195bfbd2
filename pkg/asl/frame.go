package asl

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

// run is the state that all executions of one Run share.
type run struct {
	Execution
	events    recorder
	functions map[string]any // what Step Functions adds to JSONata, as values to bind
}

// execution is one execution: the one of Run, or a child of a DISTRIBUTED Map.
type execution struct {
	id, name     string
	stateMachine string // ID
	started      time.Time
	input        json.RawMessage
	mapRun       string // ID of the map run that started it, or ""

	lastEvent int64 // guarded by the recorder's mutex
	mapRuns   counter
}

// frame is a scope that is being executed. One goroutine works on it. Inner frames may read it
// while that goroutine waits for them.
type frame struct {
	*run
	exec      *execution
	outer     *frame // whose variables can be read; nil for an execution
	variables map[string]json.RawMessage
	size      int // bytes of the variables here and in outer frames

	mapName string // of the innermost Map of which this is an iteration or child, or ""
	index   int
	item    *mapItem // the value of $states.context.Map, or nil

	last    int64   // ID of the event that the next one follows
	pending []Event // StateAborted events, which are recorded after the end of the branch or iteration
}

// mapItem is the value of $states.context.Map.Item.
type mapItem struct {
	index int
	value json.RawMessage
}

// inner returns a frame for a branch or iteration. Its variables end with its scope.
func (f *frame) inner() *frame {
	return &frame{
		run: f.run, exec: f.exec, outer: f, size: f.size, mapName: f.mapName, index: f.index, item: f.item, last: f.last,
	}
}

// variable returns the value of a variable of this or an outer scope.
func (f *frame) variable(name string) (json.RawMessage, bool) {
	for ; f != nil; f = f.outer {
		if v, ok := f.variables[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// assign sets the variables of a, or none of them if they exceed a limit.
func (f *frame) assign(a *definition.Assignment, values []json.RawMessage) error {
	if a == nil {
		return nil
	}
	size, assigned := f.size, 0
	for i, name := range a.Names {
		assigned += len(values[i])
		size += len(values[i]) - len(f.variables[name])
	}
	if assigned > maxPayload {
		return limitError(a.Path+" assigns variables of", assigned, maxPayload)
	}
	if size > maxVariables {
		return limitError("the variables of the execution have", size, maxVariables)
	}
	f.size = size
	if f.variables == nil {
		f.variables = make(map[string]json.RawMessage, len(a.Names))
	}
	for i, name := range a.Names {
		f.variables[name] = values[i]
	}
	return nil
}

// emit records an event that follows the frame's last one, and makes it the last.
func (f *frame) emit(e Event) { f.last = f.emitAfter(f.last, e) }

// emitAfter records an event that follows another one, and returns its ID. It leaves the frame's
// last event alone: by Step Functions' rules, events such as MapIterationFailed are not the
// previous event of any other.
func (f *frame) emitAfter(previous int64, e Event) int64 {
	e.Previous, e.Map, e.Index = previous, f.mapName, f.index
	if f.mapName == "" {
		e.Index = -1
	}
	return f.events.record(f.exec, e)
}

// abort records that a state was stopped, after the end of the branch or iteration if there is one.
func (f *frame) abort(ctx context.Context, e Event) {
	e.Previous = f.abortedBy(ctx)
	if f.outer != nil {
		f.pending = append(f.pending, e)
		return
	}
	f.emitAfter(e.Previous, e)
}

// abortedBy returns the event that an event of a stopped state or iteration follows: the last event
// of the branch or iteration that failed, if that is the reason.
func (f *frame) abortedBy(ctx context.Context) int64 {
	var sibling *siblingError
	if errors.As(context.Cause(ctx), &sibling) && sibling.exec == f.exec {
		return sibling.event
	}
	return f.last
}

// flush records the pending events.
func (f *frame) flush() {
	for _, e := range f.pending {
		f.emitAfter(e.Previous, e)
	}
	f.pending = nil
}

// siblingError ends the context of branches and iterations when another one failed.
type siblingError struct {
	exec  *execution
	event int64 // the last event of the one that failed
}

func (*siblingError) Error() string { return "another branch or iteration failed" }

// scope executes the states of s until one ends it.
func (f *frame) scope(ctx context.Context, s *definition.Scope, input json.RawMessage) (json.RawMessage, error) {
	for st := s.States[s.Start]; ; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		output, next, err := f.enter(ctx, st, input)
		if err != nil || next == "" {
			return output, err
		}
		st, input = s.States[next], output
	}
}

// failureEvent returns an event with a failure.
func failureEvent(t EventType, e *Error) Event {
	return Event{Type: t, Error: e.Name, Cause: e.Cause, Err: e}
}

// abortedEvent returns an event with the reason for which something was stopped. A reason that is
// an *Error, such as that of a StopExecution request, has its own name and cause.
func abortedEvent(t EventType, cause error) Event {
	var e *Error
	if errors.As(cause, &e) {
		return failureEvent(t, e)
	}
	return Event{Type: t, Cause: cause.Error(), Err: cause}
}
