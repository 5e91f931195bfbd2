package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Execution is what one run of a machine needs. Only Tasks is required, and Items where a Map has an ItemReader.
type Execution struct {
	Name    string          // $states.context.Execution.Name; a random UUID when empty
	ID      string          // $states.context.Execution.Id; Name when empty
	Input   json.RawMessage // {} when nil
	Tasks   map[string]Task // by the Resource of the Task state
	Items   ItemReader
	Observe func(Event) // gets each event in order, one call at a time; it holds up the execution while it runs

	Now   func() time.Time                                 // time.Now when nil
	Sleep func(ctx context.Context, d time.Duration) error // Wait states and retries; a timer when nil
	Rand  func() float64                                   // jitter and $random; in [0, 1), safe for concurrent use
}

// Task does the work of a Task state. It may be called many times at once. Its result is JSON; nil stands for null.
// It must return soon after ctx is done, for the execution waits for it.
//
// The name of its error, which Retry and Catch match, is what a method ErrorName() string of the error or of one that
// it wraps gives, and States.TaskFailed where there is none.
type Task func(ctx context.Context, in TaskInput) (json.RawMessage, error)

// TaskInput is what a task is called with.
type TaskInput struct {
	Resource  string
	State     string          // name of the state
	Attempt   int             // retries before this attempt
	Arguments json.RawMessage // Arguments of the state, by default its input; not to be changed
}

// ItemReader opens the JSON array that a Map's ItemReader names. The items are read one by one while children run.
type ItemReader func(ctx context.Context, source ItemSource) (io.ReadCloser, error)

// ItemSource says which array.
type ItemSource struct {
	Resource string // arn:aws:states:::s3:getObject, of whichever partition
	Bucket   string
	Key      string
}

// errMachineTimeout ends a context when the machine's TimeoutSeconds are over, errTaskTimeout when a state's are.
var (
	errMachineTimeout = errors.New("the state machine's TimeoutSeconds are over")
	errTaskTimeout    = errors.New("the state's TimeoutSeconds are over")
	errSibling        = errors.New("another branch or iteration failed")
)

// Run executes the machine and returns the output of its last state.
//
// An execution that fails returns an *Error, behind which errors.As and errors.Is find what the task returned. One
// whose ctx is done stops its tasks, waits for them and returns an error that wraps context.Cause(ctx). An execution
// that lacks a task or has an input that is not JSON fails before its first event.
func (m *Machine) Run(ctx context.Context, x Execution) (json.RawMessage, error) {
	if err := x.complete(m); err != nil {
		return nil, err
	}
	r := &run{Execution: x, events: recorder{observe: x.Observe, now: x.Now}, functions: boundFunctions(x.Rand)}
	f := &frame{run: r, exec: execution{id: x.ID, name: x.Name, started: x.Now(), input: x.Input}}
	f.emit(Event{Type: ExecutionStarted, Input: x.Input})

	inner := ctx
	if m.timeout > 0 {
		timed, cancel := context.WithTimeoutCause(ctx, time.Duration(m.timeout)*time.Second, errMachineTimeout)
		defer cancel()
		inner = timed
	}
	var output json.RawMessage
	err := payload("the execution's input has", x.Input)
	if err == nil {
		output, err = f.scope(inner, m.root, x.Input)
	}
	if err == nil {
		f.emit(Event{Type: ExecutionSucceeded, Output: output})
		return output, nil
	}
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		f.emit(Event{Type: ExecutionAborted, Cause: cause.Error(), Err: cause})
		if !errors.Is(err, cause) {
			cause = errors.Join(cause, err)
		}
		return nil, fmt.Errorf("execution %s was aborted: %w", x.Name, cause)
	}
	e := asError(err)
	if inner.Err() != nil {
		e = &Error{Name: StatesTimeout, Cause: fmt.Sprintf("the execution took longer than %d s", m.timeout), Err: err}
		f.emit(Event{Type: ExecutionTimedOut, Error: e.Name, Cause: e.Cause, Err: e})
		return nil, e
	}
	f.emit(Event{Type: ExecutionFailed, Error: e.Name, Cause: e.Cause, Err: e})
	return nil, e
}

// complete checks x against the machine and fills in what is optional.
func (x *Execution) complete(m *Machine) error {
	for _, s := range m.states {
		if s.Resource != "" && x.Tasks[s.Resource] == nil {
			return fmt.Errorf("state %q: no task for its resource %s", s.Name, s.Resource)
		}
	}
	if x.Items == nil && m.root.reads() {
		return errors.New("the machine has an ItemReader, the execution none")
	}
	if x.Input == nil {
		x.Input = json.RawMessage("{}")
	}
	var err error
	if x.Input, err = compact(x.Input); err != nil {
		return fmt.Errorf("input of the execution: %w", err)
	}
	if x.Name == "" {
		x.Name = uuid()
	}
	if x.ID == "" {
		x.ID = x.Name
	}
	if x.Now == nil {
		x.Now = time.Now
	}
	if x.Sleep == nil {
		x.Sleep = sleep
	}
	if x.Rand == nil {
		x.Rand = rand.Float64
	}
	return nil
}

// reads reports whether a Map of s, or within it, has an ItemReader.
func (s *scope) reads() bool {
	for _, st := range s.order {
		for _, b := range st.branches {
			if b.reads() {
				return true
			}
		}
		if m := st.mapping; m != nil && (m.reader != nil || m.processor.reads()) {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run is an execution under way.
type run struct {
	Execution
	events    recorder
	functions map[string]any // what Step Functions adds to JSONata, as values to bind
}

// execution is what $states.context.Execution shows. A child of a DISTRIBUTED Map has its own.
type execution struct {
	id, name string
	started  time.Time
	input    json.RawMessage
}

// frame is a scope under way. One goroutine works on it; inner frames may read it while that goroutine waits for them.
type frame struct {
	*run
	exec      execution
	outer     *frame // whose variables can be read; nil for the execution and a DISTRIBUTED Map's child
	variables map[string]json.RawMessage
	size      int // bytes of the variables here and in outer frames

	mapName string // of the innermost Map this is an iteration of, or ""
	index   int
	item    *mapItem // what $states.context.Map shows, or nil

	last int64 // ID of the last event
}

// mapItem is what $states.context.Map.Item shows.
type mapItem struct {
	index int
	value json.RawMessage
}

// within returns a frame whose variables end where its scope ends.
func (f *frame) within() *frame {
	return &frame{
		run: f.run, exec: f.exec, outer: f, size: f.size, mapName: f.mapName, index: f.index, item: f.item, last: f.last,
	}
}

func (f *frame) variable(name string) (json.RawMessage, bool) {
	for ; f != nil; f = f.outer {
		if v, ok := f.variables[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// assign sets the variables of a, or none of them.
func (f *frame) assign(a *assignment, values []json.RawMessage) error {
	if a == nil {
		return nil
	}
	size := f.size
	for i, name := range a.names {
		size += len(values[i]) - len(f.variables[name])
	}
	if size > maxVariables {
		return tooLarge("the variables of the execution have", size, maxVariables)
	}
	f.size = size
	if f.variables == nil {
		f.variables = make(map[string]json.RawMessage, len(a.names))
	}
	for i, name := range a.names {
		f.variables[name] = values[i]
	}
	return nil
}

// emit records an event as the next one of this frame.
func (f *frame) emit(e Event) {
	e.Previous, e.Map, e.Index = f.last, f.mapName, f.index
	if f.mapName == "" {
		e.Index = -1
	}
	f.last = f.events.record(e)
}

// scope runs the states of s until one ends it.
func (f *frame) scope(ctx context.Context, s *scope, input json.RawMessage) (json.RawMessage, error) {
	for st := s.states[s.start]; ; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		output, next, err := f.enter(ctx, st, input)
		if err != nil || next == "" {
			return output, err
		}
		st, input = s.states[next], output
	}
}

// payload checks the size of a state's input, result or output. what ends in a verb.
func payload(what string, p json.RawMessage) error {
	if len(p) > maxPayload {
		return tooLarge(what, len(p), maxPayload)
	}
	return nil
}
