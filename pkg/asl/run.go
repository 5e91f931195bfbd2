package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// Execution holds the input and the environment of one run of a machine. Only Tasks is required,
// and Items if a Map has an ItemReader.
type Execution struct {
	Name  string          // $states.context.Execution.Name; a random UUID if empty
	ID    string          // $states.context.Execution.Id, usually an ARN; Name if empty
	Input json.RawMessage // {} if nil
	Tasks map[string]Task // by the Resource of the Task state
	Items ItemReader

	// Observe receives the events of the execution and of its child executions, each history in
	// order. ObserveMapRun receives a map run whenever it or a child of it starts or ends. Both are
	// called one at a time, and the execution waits for them.
	Observe       func(Event)
	ObserveMapRun func(MapRun)

	RoleARN      string    // $states.context.Execution.RoleArn
	Redrives     int       // $states.context.Execution.RedriveCount
	Redriven     time.Time // $states.context.Execution.RedriveTime, if Redrives is not 0
	StateMachine string    // $states.context.StateMachine.Id; derived from ID if empty

	// UniqueName returns the last part of the IDs of map runs and child executions. run counts the
	// map runs of an execution from 1; index counts the children of a run from 0, and is -1 for the
	// run itself. A Run must not get the same name twice for one label. It must be safe for
	// concurrent use. Random UUIDs if nil.
	UniqueName func(label string, run, index int) string

	Now   func() time.Time                                 // time.Now if nil
	Sleep func(ctx context.Context, d time.Duration) error // for Wait states and retries; a timer if nil
	Rand  func() float64                                   // for jitter and $random, in [0, 1); must be safe for concurrent use
}

// errMachineTimeout ends a context when the machine's TimeoutSeconds are over.
var errMachineTimeout = errors.New("the state machine's TimeoutSeconds are over")

// Run executes the machine and returns the output of its last state.
//
// A failed execution returns an *Error, in which errors.As and errors.Is find what the task
// returned. When ctx is done, Run stops the tasks, waits for them and returns an error that wraps
// context.Cause(ctx); if that cause is an *Error, its Name and Cause become those of the
// ExecutionAborted event. An execution without a needed task, or with an input that is not JSON,
// fails before its first event.
func (m *Machine) Run(ctx context.Context, x Execution) (json.RawMessage, error) {
	if err := x.complete(m.definition); err != nil {
		return nil, err
	}
	r := &run{
		Execution: x, functions: jsonata.Functions(x.Rand),
		events: recorder{observe: x.Observe, observeMapRun: x.ObserveMapRun, now: x.Now},
	}
	f := &frame{run: r, exec: &execution{
		id: x.ID, name: x.Name, started: x.Now(), input: x.Input, stateMachine: x.StateMachine,
	}}
	inner := ctx
	if seconds := m.definition.TimeoutSeconds; seconds > 0 {
		timed, cancel := context.WithTimeoutCause(ctx, time.Duration(seconds)*time.Second, errMachineTimeout)
		defer cancel()
		inner = timed
	}
	output, err := f.execute(ctx, inner, m.definition.Root)
	switch {
	case err == nil:
		return output, nil
	case ctx.Err() != nil:
		cause := context.Cause(ctx)
		if !errors.Is(err, cause) {
			cause = errors.Join(cause, err)
		}
		return nil, fmt.Errorf("execution %s was aborted: %w", x.Name, cause)
	}
	return nil, err
}

// execute runs an execution and records its first and last events. inner is ctx with the
// execution's time limit. The error of an execution that failed or timed out is an *Error.
func (f *frame) execute(ctx, inner context.Context, s *definition.Scope) (json.RawMessage, error) {
	input := f.exec.input
	f.emitAfter(0, Event{Type: ExecutionStarted, Input: input})
	var output json.RawMessage
	err := checkPayload("the execution's input has", input)
	if err == nil {
		output, err = f.scope(inner, s, input)
	}
	switch {
	case err == nil:
		f.emit(Event{Type: ExecutionSucceeded, Output: output})
		return output, nil
	case ctx.Err() != nil:
		f.emitAfter(0, abortedEvent(ExecutionAborted, context.Cause(ctx)))
		return nil, err
	}
	e := asError(err)
	if inner.Err() != nil {
		e = &Error{Name: StatesTimeout, Cause: "the execution took longer than its TimeoutSeconds", Err: err}
		f.emit(failureEvent(ExecutionTimedOut, e))
		return nil, e
	}
	f.emit(failureEvent(ExecutionFailed, e))
	return nil, e
}

// complete checks x against the machine and fills in its optional fields.
func (x *Execution) complete(m *definition.Machine) error {
	for _, s := range m.States {
		if s.Resource != "" && x.Tasks[s.Resource] == nil {
			return fmt.Errorf("state %q: no task for its resource %s", s.Name, s.Resource)
		}
	}
	if x.Items == nil && m.Root.HasReader() {
		return errors.New("the machine has an ItemReader, but the execution has none")
	}
	if x.Input == nil {
		x.Input = json.RawMessage("{}")
	}
	var err error
	if x.Input, err = jsonata.Compact(x.Input); err != nil {
		return fmt.Errorf("input of the execution: %w", err)
	}
	if x.Name == "" {
		x.Name = jsonata.UUID()
	}
	if x.ID == "" {
		x.ID = x.Name
	}
	if x.StateMachine == "" {
		x.StateMachine = stateMachineOf(x.ID)
	}
	if x.UniqueName == nil {
		x.UniqueName = func(string, int, int) string { return jsonata.UUID() }
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
