package asl

import (
	"encoding/json"
	"maps"
	"sync/atomic"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// data supplies the values that the expressions of one state may read, decoded on first use. It
// belongs to one goroutine: variables are kept as JSON and decoded for each state, so that no two
// evaluations share a value.
type data struct {
	*frame
	state   *definition.State
	entered time.Time
	before  int64 // the event before the StateEntered event
	event   int64 // the StateEntered event
	retries int
	item    *mapItem // overrides the frame's, in an ItemSelector

	input     lazy
	result    lazy // empty except in Output and Assign of Task, Parallel and Map
	errOutput lazy // empty except in a catcher

	assigned  map[string]json.RawMessage // by the state, for its StateExited event
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
		v, err := jsonata.Decode(l.text)
		if err != nil {
			return nil, err
		}
		l.value = v
	}
	return l.value, nil
}

// Bind returns the variables that e reads and the parts of $states that it reads.
func (d *data) Bind(e *definition.Expression) (map[string]any, error) {
	bindings := make(map[string]any, len(d.functions)+len(e.Variables)+1)
	maps.Copy(bindings, d.functions)
	for _, name := range e.Variables {
		v, ok := d.decoded[name]
		if !ok {
			text, exists := d.variable(name)
			if !exists {
				continue // undefined, a function, or bound by e
			}
			var err error
			if v, err = jsonata.Decode(text); err != nil {
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
		name  string
		value *lazy
	}{
		{e.Input, "input", &d.input},
		{e.Result, "result", &d.result},
		{e.ErrorOutput, "errorOutput", &d.errOutput},
	} {
		if !part.used || part.value.text == nil {
			continue
		}
		v, err := part.value.get()
		if err != nil {
			return nil, err
		}
		states[part.name] = v
	}
	if e.Context {
		c, err := d.context()
		if err != nil {
			return nil, err
		}
		states["context"] = c
	}
	bindings["states"] = states
	return bindings, nil
}

// timestamp is the format of times in $states.context.
const timestamp = "2006-01-02T15:04:05.000Z"

// context returns the value of $states.context.
func (d *data) context() (map[string]any, error) {
	x := d.exec
	d.execInput.text = x.input
	input, err := d.execInput.get()
	if err != nil {
		return nil, err
	}
	executionContext := map[string]any{
		"Id": x.id, "Input": input, "Name": x.name, "RoleArn": d.RoleARN,
		"StartTime": x.started.UTC().Format(timestamp), "RedriveCount": float64(d.Redrives),
	}
	if d.Redrives > 0 {
		executionContext["RedriveTime"] = d.Redriven.UTC().Format(timestamp)
	}
	state := map[string]any{"EnteredTime": d.entered.UTC().Format(timestamp), "Name": d.state.Name}
	if d.state.Type == "Task" || d.state.Type == "Map" {
		state["RetryCount"] = float64(d.retries)
	}
	c := map[string]any{
		"Execution": executionContext, "State": state,
		"StateMachine": map[string]any{"Id": x.stateMachine, "Name": stateMachineName(x.stateMachine)},
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

// counter counts from 1. It is safe for concurrent use, because branches of an execution may start
// map runs together.
type counter struct{ n atomic.Int64 }

func (c *counter) next() int { return int(c.n.Add(1)) }
