package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// enter runs one state and says which follows; "" ends the scope.
func (f *frame) enter(ctx context.Context, st *state, input json.RawMessage) (json.RawMessage, string, error) {
	d := &data{frame: f, state: st.name, entered: f.Now(), input: lazy{text: input}}
	f.emit(Event{Type: EventType(st.kind + "StateEntered"), State: st.name, Input: input})
	output, next, err := f.dispatch(ctx, st, d)
	switch {
	case err == nil:
		f.emit(Event{Type: EventType(st.kind + "StateExited"), State: st.name, Attempt: d.retries, Output: output})
		return output, next, nil
	case ctx.Err() != nil:
		switch st.kind {
		case "Task", "Wait", "Parallel", "Map":
			cause := context.Cause(ctx)
			aborted := EventType(st.kind + "StateAborted")
			f.emit(Event{Type: aborted, State: st.name, Attempt: d.retries, Cause: cause.Error(), Err: cause})
		}
		return nil, "", err
	}
	return nil, "", err
}

func (f *frame) dispatch(ctx context.Context, st *state, d *data) (json.RawMessage, string, error) {
	switch st.kind {
	case "Task":
		return f.retrying(ctx, st, d, f.task)
	case "Parallel":
		return f.retrying(ctx, st, d, f.parallel)
	case "Map":
		return f.retrying(ctx, st, d, f.mapState)
	}
	output, next, err := f.simple(ctx, st, d)
	if err != nil && ctx.Err() == nil {
		err = f.failed(st, asError(err))
	}
	return output, next, err
}

// simple runs the states that nothing retries or catches.
func (f *frame) simple(ctx context.Context, st *state, d *data) (json.RawMessage, string, error) {
	next, output, assign := st.next, st.output, st.assign
	switch st.kind {
	case "Choice":
		chosen := false
		for _, r := range st.choices {
			holds, err := r.condition.truth(ctx, d)
			if err != nil {
				return nil, "", err
			}
			if holds {
				next, output, assign, chosen = r.next, r.output, r.assign, true
				break
			}
		}
		if !chosen {
			if st.fallback == "" {
				return nil, "", &Error{Name: StatesNoChoiceMatched, Cause: "no choice matched and there is no Default"}
			}
			next = st.fallback
		}
	case "Wait":
		if err := f.wait(ctx, st, d); err != nil {
			return nil, "", err
		}
	case "Fail":
		return nil, "", f.fail(ctx, st, d)
	}
	return f.leave(ctx, d, output, assign, d.input.text, next)
}

// leave evaluates Output and Assign, both with the variables as they were, and then sets the variables.
func (f *frame) leave(
	ctx context.Context, d *data, output *template, assign *assignment, otherwise json.RawMessage, next string,
) (json.RawMessage, string, error) {
	result := otherwise
	if output != nil {
		var err error
		if result, err = output.eval(ctx, d); err != nil {
			return nil, "", err
		}
	}
	if err := payload("the output has", result); err != nil {
		return nil, "", err
	}
	values, err := assign.eval(ctx, d)
	if err != nil {
		return nil, "", err
	}
	if err := f.assign(assign, values); err != nil {
		return nil, "", err
	}
	return result, next, nil
}

func (f *frame) wait(ctx context.Context, st *state, d *data) error {
	var pause time.Duration
	if st.seconds != nil {
		s, err := st.seconds.eval(ctx, d, 0)
		if err != nil {
			return err
		}
		pause = seconds(s)
	} else {
		text, err := st.timestamp.text(ctx, d)
		if err != nil {
			return err
		}
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return st.timestamp.mistyped("a time as in RFC 3339", json.RawMessage(text))
		}
		pause = until.Sub(f.Now())
	}
	if pause <= 0 {
		return nil
	}
	return f.Sleep(ctx, pause)
}

func (f *frame) fail(ctx context.Context, st *state, d *data) error {
	e := &Error{}
	for _, part := range []struct {
		from *template
		to   *string
		most int
	}{{st.errorName, &e.Name, maxErrorName}, {st.cause, &e.Cause, maxCause}} {
		if part.from == nil {
			continue
		}
		s, err := part.from.text(ctx, d)
		if err != nil {
			return err
		}
		*part.to = cut(s, part.most)
	}
	return e
}

// failed says where e happened, and records an expression that failed. It leaves e alone, which events may hold.
func (f *frame) failed(st *state, e *Error) *Error {
	located := *e
	if located.State == "" {
		located.State = st.name
	}
	if located.location != "" {
		located.location = "" // recorded once, here
		f.emit(Event{Type: EvaluationFailed, State: st.name, Error: e.Name, Cause: e.Cause, Err: &located})
	}
	return &located
}

// retrying runs the work of a state that may fail, again where a retrier says so, and turns to a catcher in the end.
func (f *frame) retrying(
	ctx context.Context, st *state, d *data, work func(context.Context, *state, *data) (json.RawMessage, error),
) (json.RawMessage, string, error) {
	used := make([]int, len(st.retry))
	for {
		d.result = lazy{}
		result, err := work(ctx, st, d)
		var output json.RawMessage
		var next string
		if err == nil {
			d.result = lazy{text: result}
			output, next, err = f.leave(ctx, d, st.output, st.assign, result, st.next)
		}
		if err == nil || ctx.Err() != nil {
			return output, next, err
		}
		e := f.failed(st, asError(err))
		if pause, again := retry(st.retry, used, e.Name, f.Rand); again {
			if err := f.Sleep(ctx, pause); err != nil {
				return nil, "", err
			}
			d.retries++
			continue
		}
		for _, c := range st.catch {
			if matches(c.errors.Names, e.Name) {
				return f.caught(ctx, st, d, c, e)
			}
		}
		return nil, "", e
	}
}

// caught leaves the state by catcher c. What fails here fails the state.
func (f *frame) caught(ctx context.Context, st *state, d *data, c catcher, e *Error) (json.RawMessage, string, error) {
	text := e.output()
	d.result, d.errOutput = lazy{}, lazy{text: text}
	output, next, err := f.leave(ctx, d, c.output, c.assign, text, c.next)
	if err != nil && ctx.Err() == nil {
		failure := *asError(err)
		failure.Err = errors.Join(failure.Err, e) // e led here
		return nil, "", f.failed(st, &failure)
	}
	return output, next, err
}

// task calls the function of the state's resource.
func (f *frame) task(ctx context.Context, st *state, d *data) (json.RawMessage, error) {
	arguments := d.input.text
	if st.arguments != nil {
		var err error
		if arguments, err = st.arguments.eval(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := payload("the arguments have", arguments); err != nil {
		return nil, err
	}
	limit, err := st.timeout.eval(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	event := func(t EventType) Event {
		return Event{Type: t, State: st.name, Resource: st.resource, Attempt: d.retries}
	}
	scheduled := event(TaskScheduled)
	scheduled.Input = arguments
	f.emit(scheduled)
	f.emit(event(TaskStarted))
	in := TaskInput{Resource: st.resource, State: st.name, Attempt: d.retries, Arguments: arguments}
	result, err := f.call(ctx, in, limit)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		e := asError(err)
		failed := event(TaskFailed)
		if isTaskTimeout(e) {
			failed.Type = TaskTimedOut
		}
		failed.Error, failed.Cause, failed.Err = e.Name, e.Cause, e
		f.emit(failed)
		return nil, e
	}
	succeeded := event(TaskSucceeded)
	succeeded.Output = result
	f.emit(succeeded)
	return result, nil
}

// call runs a task under its time limit, in seconds; 0 is none.
func (f *frame) call(ctx context.Context, in TaskInput, limit float64) (json.RawMessage, error) {
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
		return nil, &Error{
			Name: StatesTimeout, Err: &timeoutError{err},
			Cause: fmt.Sprintf("the task took longer than %g s", limit),
		}
	case err != nil:
		return nil, taskError(err)
	case result == nil:
		return json.RawMessage("null"), nil
	}
	if result, err = compact(result); err != nil {
		return nil, &Error{Name: StatesTaskFailed, Cause: "the task's result is " + err.Error(), Err: err}
	}
	if err := payload("the task's result has", result); err != nil {
		return nil, err
	}
	return result, nil
}

// timeoutError marks the error of a task that its state's TimeoutSeconds ended.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string   { return e.err.Error() }
func (e *timeoutError) Unwrap() []error { return []error{errTaskTimeout, e.err} }

func isTaskTimeout(e *Error) bool {
	_, ok := e.Err.(*timeoutError) //nolint:errorlint // the task's own errors must not count
	return ok
}
