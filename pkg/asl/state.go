package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

// maxWait is the longest delay of a Wait that Step Functions accepts, in seconds.
const maxWait = 1<<31 - 1

// enter executes one state. It returns the state's output and the name of the next state; "" ends
// the scope.
func (f *frame) enter(ctx context.Context, st *definition.State, input json.RawMessage) (json.RawMessage, string, error) {
	d := &data{frame: f, state: st, entered: f.Now(), before: f.last, input: lazy{text: input}}
	f.emit(Event{Type: EventType(st.Type + "StateEntered"), State: st.Name, Input: input})
	d.event = f.last
	output, next, err := f.dispatch(ctx, d)
	if err == nil {
		f.emit(Event{
			Type: EventType(st.Type + "StateExited"), State: st.Name, Attempt: d.retries, Output: output, Variables: d.assigned,
		})
		return output, next, nil
	}
	if f.isAborted(ctx, st) {
		e := Event{Type: EventType(st.Type + "StateAborted")}
		if ctx.Err() != nil {
			e = abortedEvent(e.Type, context.Cause(ctx))
		}
		e.State, e.Attempt = st.Name, d.retries
		f.abort(ctx, e)
	}
	return nil, "", err
}

// isAborted reports whether a state that did not end has a StateAborted event. As in Step
// Functions, a Task that fails a branch or iteration has one too, and a Wait has none if the whole
// execution is stopped.
func (f *frame) isAborted(ctx context.Context, st *definition.State) bool {
	switch st.Type {
	case "Task":
		return ctx.Err() != nil || f.outer != nil
	case "Parallel", "Map":
		return ctx.Err() != nil
	case "Wait":
		var sibling *siblingError
		return ctx.Err() != nil && f.outer != nil && errors.As(context.Cause(ctx), &sibling)
	}
	return false
}

func (f *frame) dispatch(ctx context.Context, d *data) (json.RawMessage, string, error) {
	switch d.state.Type {
	case "Task":
		return f.retrying(ctx, d, f.task)
	case "Parallel":
		return f.retrying(ctx, d, f.parallel)
	case "Map":
		return f.retrying(ctx, d, f.mapState)
	}
	output, next, err := f.simple(ctx, d)
	if err != nil && ctx.Err() == nil {
		err = f.locate(d, asError(err))
	}
	return output, next, err
}

// simple executes the states that have neither Retry nor Catch.
func (f *frame) simple(ctx context.Context, d *data) (json.RawMessage, string, error) {
	st := d.state
	next, output, assign := st.Next, st.Output, st.Assign
	switch st.Type {
	case "Choice":
		rule, err := chooseRule(ctx, d)
		switch {
		case err != nil:
			return nil, "", err
		case rule != nil:
			next, output, assign = rule.Next, rule.Output, rule.Assign
		case st.Default != "":
			next = st.Default
		default:
			return nil, "", &Error{
				Name: StatesNoChoiceMatched, Cause: "No choice matched, and there is no Default.", internal: true,
			}
		}
	case "Wait":
		if err := f.wait(ctx, d); err != nil {
			return nil, "", err
		}
	case "Fail":
		return nil, "", failState(ctx, d)
	}
	return f.leave(ctx, d, output, assign, d.input.text, next)
}

// chooseRule returns the first rule whose condition is true, or nil.
func chooseRule(ctx context.Context, d *data) (*definition.Rule, error) {
	for i := range d.state.Rules {
		holds, err := d.state.Rules[i].Condition.Bool(ctx, d)
		if err != nil {
			return nil, err
		}
		if holds {
			return &d.state.Rules[i], nil
		}
	}
	return nil, nil
}

// leave evaluates Output and Assign, both with the variables as they were, and then sets the
// variables. Without an Output the state returns otherwise.
func (f *frame) leave(
	ctx context.Context, d *data, output *definition.Template, assign *definition.Assignment,
	otherwise json.RawMessage, next string,
) (json.RawMessage, string, error) {
	result := otherwise
	if output != nil {
		var err error
		if result, err = output.Eval(ctx, d); err != nil {
			return nil, "", err
		}
	}
	if err := checkPayload("the output has", result); err != nil {
		return nil, "", err
	}
	values, err := assign.Eval(ctx, d)
	if err != nil {
		return nil, "", err
	}
	if err := f.assign(assign, values); err != nil {
		return nil, "", err
	}
	if len(values) > 0 && f.Observe != nil {
		d.assigned = make(map[string]json.RawMessage, len(values))
		for i, name := range assign.Names {
			d.assigned[name] = values[i]
		}
	}
	return result, next, nil
}

func (f *frame) wait(ctx context.Context, d *data) error {
	var pause time.Duration
	if d.state.Seconds != nil {
		s, err := d.state.Seconds.Eval(ctx, d, 0)
		if err != nil {
			return err
		}
		pause = seconds(s)
	} else {
		text, err := d.state.Timestamp.Text(ctx, d)
		if err != nil {
			return err
		}
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return d.state.Timestamp.Mistyped("a time as in RFC 3339", json.RawMessage(text))
		}
		pause = until.Sub(f.Now())
	}
	switch {
	case pause <= 0:
		return nil
	case pause > maxWait*time.Second:
		return &Error{Name: StatesRuntime, Cause: "Wait state delay is too long.", internal: true}
	}
	return f.Sleep(ctx, pause)
}

// failState returns the error of a Fail state.
func failState(ctx context.Context, d *data) error {
	e := &Error{}
	for _, part := range []struct {
		from *definition.Template
		to   *string
		most int
	}{{d.state.ErrorName, &e.Name, maxErrorName}, {d.state.Cause, &e.Cause, maxCause}} {
		if part.from == nil {
			continue
		}
		s, err := part.from.Text(ctx, d)
		if err != nil {
			return err
		}
		*part.to = truncate(s, part.most)
	}
	return e
}

// locate adds the state to an error, and records an expression that failed. It returns a copy,
// because events may hold the original.
func (f *frame) locate(d *data, e *Error) *Error {
	located := *e
	if located.State == "" {
		located.State = d.state.Name
		if located.internal {
			located.Cause = fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). %s",
				d.state.Name, d.event, located.Cause)
		}
	}
	if located.evaluation {
		located.evaluation = false // recorded once, here
		event := failureEvent(EvaluationFailed, &located)
		event.State = d.state.Name
		event.Location = strings.TrimPrefix(strings.TrimPrefix(located.location, d.state.Path), "/")
		previous := f.last
		if previous == d.event && d.state.Type != "Wait" {
			previous = d.before // as Step Functions does in every type of state but Wait
		}
		f.last = f.emitAfter(previous, event)
	}
	return &located
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
