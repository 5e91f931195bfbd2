package asl

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"
)

// data is what the expressions of one state may read, decoded on first use. It belongs to one goroutine: variables are
// kept as JSON and decoded for each state, so that no two evaluations share a value.
type data struct {
	*frame
	state   string
	entered time.Time
	retries int
	item    *mapItem // overrides the frame's, in an ItemSelector

	input     lazy
	result    lazy // absent but in Output and Assign of Task, Parallel and Map
	errOutput lazy // absent but in a catcher

	execInput lazy
	itemValue lazy
	decoded   map[string]any // variables
}

// lazy is a JSON text that is decoded at most once.
type lazy struct {
	text  json.RawMessage
	value any
}

func (l *lazy) get() (any, error) {
	if l.value == nil && l.text != nil {
		v, err := decode(l.text)
		if err != nil {
			return nil, err
		}
		l.value = v
	}
	return l.value, nil
}

// eval evaluates e. A result that is undefined is an error, as JSON cannot hold it.
func (d *data) eval(ctx context.Context, e *expression) (any, error) {
	bindings, err := d.bind(e)
	if err != nil {
		return nil, e.failed(err.Error(), err)
	}
	v, err := e.program.EvalWithVars(ctx, nil, bindings)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, e.failed(err.Error(), err)
	case v == nil:
		return nil, e.failed("it gave nothing (undefined)", errUndefined)
	}
	return v, nil
}

var errUndefined = errors.New("the result is undefined")

// bind collects the variables that e reads, and of $states only the parts that it reads.
func (d *data) bind(e *expression) (map[string]any, error) {
	bindings := make(map[string]any, len(d.functions)+len(e.variables)+1)
	maps.Copy(bindings, d.functions)
	for _, name := range e.variables {
		v, ok := d.decoded[name]
		if !ok {
			text, exists := d.variable(name)
			if !exists {
				continue // undefined, a function, or bound by e
			}
			var err error
			if v, err = decode(text); err != nil {
				return nil, err
			}
			if d.decoded == nil {
				d.decoded = map[string]any{}
			}
			d.decoded[name] = v
		}
		bindings[name] = v
	}
	states := map[string]any{}
	for _, part := range []struct {
		used  bool
		name  member
		value *lazy
	}{
		{e.input, inputMember, &d.input},
		{e.result, resultMember, &d.result},
		{e.errOutput, errorMember, &d.errOutput},
	} {
		if !part.used || part.value.text == nil {
			continue
		}
		v, err := part.value.get()
		if err != nil {
			return nil, err
		}
		states[string(part.name)] = v
	}
	if e.context {
		c, err := d.context()
		if err != nil {
			return nil, err
		}
		states[string(contextMember)] = c
	}
	bindings["states"] = states
	return bindings, nil
}

const timestamp = "2006-01-02T15:04:05.000Z"

func (d *data) context() (map[string]any, error) {
	d.execInput.text = d.exec.input
	input, err := d.execInput.get()
	if err != nil {
		return nil, err
	}
	c := map[string]any{
		"Execution": map[string]any{
			"Id": d.exec.id, "Input": input, "Name": d.exec.name, "StartTime": d.exec.started.UTC().Format(timestamp),
		},
		"State": map[string]any{
			"EnteredTime": d.entered.UTC().Format(timestamp), "Name": d.state, "RetryCount": float64(d.retries),
		},
	}
	item := d.item
	if item == nil {
		item = d.frame.item
	}
	if item != nil {
		d.itemValue.text = item.value
		value, err := d.itemValue.get()
		if err != nil {
			return nil, err
		}
		c["Map"] = map[string]any{"Item": map[string]any{"Index": float64(item.index), "Value": value}}
	}
	return c, nil
}
