package asl

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// Task does the work of a Task state. It may be called many times at once. Its result is JSON; nil
// stands for null. It must return soon after ctx is done, because the execution waits for it.
//
// The name of its error, which Retry and Catch match, is the result of a method ErrorName() string
// of the error or of an error that it wraps, and States.TaskFailed if there is none.
type Task func(ctx context.Context, in TaskInput) (json.RawMessage, error)

// TaskInput is the input of a task.
type TaskInput struct {
	Execution string // ID of the execution
	Resource  string
	State     string          // name of the state
	Attempt   int             // retries before this attempt
	RoleARN   string          // RoleArn of the state's Credentials, or ""
	Arguments json.RawMessage // Arguments of the state, by default its input; must not be changed
}

// errTaskTimeout ends the context of a task when the TimeoutSeconds of its state are over.
var errTaskTimeout = errors.New("the state's TimeoutSeconds are over")

// task makes one attempt at a Task state.
func (f *frame) task(ctx context.Context, d *data) (json.RawMessage, error) {
	st := d.state
	arguments := d.input.text
	if st.Arguments != nil {
		var err error
		if arguments, err = st.Arguments.Eval(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := checkPayload("the arguments have", arguments); err != nil {
		return nil, err
	}
	timeout, err := st.Timeout.Eval(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	heartbeat, err := st.Heartbeat.Eval(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	role := ""
	if st.Credentials != nil {
		if role, err = st.Credentials.Text(ctx, d); err != nil {
			return nil, err
		}
	}
	record := func(e Event) {
		e.State, e.Resource, e.Attempt = st.Name, st.Resource, d.retries
		f.emit(e)
	}
	record(Event{Type: TaskScheduled, Input: arguments, Timeout: int(timeout), Heartbeat: int(heartbeat), RoleARN: role})
	record(Event{Type: TaskStarted})
	result, err := f.call(ctx, timeout, TaskInput{
		Execution: f.exec.id, Resource: st.Resource, State: st.Name, Attempt: d.retries, RoleARN: role, Arguments: arguments,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		e := asError(err)
		t := TaskFailed
		if isTaskTimeout(e) {
			t = TaskTimedOut
		}
		record(failureEvent(t, e))
		return nil, e
	}
	record(Event{Type: TaskSucceeded, Output: result})
	return result, nil
}

// call calls a task with a time limit in seconds; 0 is none.
func (f *frame) call(ctx context.Context, limit float64, in TaskInput) (json.RawMessage, error) {
	inner := ctx
	if limit > 0 {
		timed, cancel := context.WithTimeoutCause(ctx, seconds(limit), errTaskTimeout)
		defer cancel()
		inner = timed
	}
	result, err := f.Tasks[in.Resource](inner, in)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil && inner.Err() != nil:
		return nil, &Error{Name: StatesTimeout, Err: &timeoutError{err}} // Step Functions gives no cause
	case err != nil:
		return nil, taskError(err)
	case result == nil:
		return json.RawMessage("null"), nil
	}
	if result, err = jsonata.Compact(result); err != nil {
		return nil, &Error{Name: StatesTaskFailed, Cause: "the task's result is " + err.Error(), Err: err}
	}
	if len(result) > maxPayload {
		e := limitError("the task's result has", len(result), maxPayload)
		e.oversized = true
		return nil, e
	}
	return result, nil
}

// timeoutError is the error of a task that was stopped by the TimeoutSeconds of its state.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string   { return e.err.Error() }
func (e *timeoutError) Unwrap() []error { return []error{errTaskTimeout, e.err} }

func isTaskTimeout(e *Error) bool {
	_, ok := e.Err.(*timeoutError) //nolint:errorlint // a time-out within the task's own error must not count
	return ok
}
