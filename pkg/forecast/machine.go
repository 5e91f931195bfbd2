package forecast

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// values are what the expressions of a state read.
type values struct{ input, result any }

// Bind implements definition.Data.
func (v values) Bind(*definition.Expression) (map[string]any, error) {
	const when = "2026-01-01T00:00:00.000Z"
	return map[string]any{"states": map[string]any{
		"input": v.input, "result": v.result,
		"context": map[string]any{"Execution": map[string]any{"Id": "forecast", "Name": "forecast", "StartTime": when}},
	}}, nil
}

// choiceKey is what a decision within a Map depends on: the state, and the item without its name.
type choiceKey struct {
	state, class, route string
	gpu                 bool
}

// done is told how a scope ended: with the name of an error, or "". err is a defect of the definition or of the simulation.
type done func(failed string, err error)

// run goes through a scope. unit is nil in the outermost one.
func (s *simulation) run(scope *definition.Scope, unit *Unit, end done) {
	s.enter(scope, scope.Start, unit, values{}, end)
}

// enter enters a state of a scope.
func (s *simulation) enter(scope *definition.Scope, name string, unit *Unit, in values, end done) {
	st := scope.States[name]
	next := func(next string, in values) {
		if next == "" {
			end("", nil)
			return
		}
		s.after(s.c.Dispatch, func() { s.enter(scope, next, unit, in, end) })
	}
	switch st.Type {
	case "Choice":
		chosen, err := s.choose(st, unit, in)
		if err != nil {
			end("", err)
			return
		}
		next(chosen, in)
	case "Task":
		try := &trial{s: s, scope: scope, state: st, unit: unit, in: in, used: make([]int, len(st.Retry)), next: next, end: end}
		try.begin()
	case "Map":
		s.mapOver(st, in, next, end)
	default:
		end("", fmt.Errorf("a forecast cannot run the %s state %q", st.Type, st.Name))
	}
}

// choose returns the state that a Choice leads to.
func (s *simulation) choose(st *definition.State, unit *Unit, in values) (string, error) {
	key := choiceKey{state: st.Name}
	if unit != nil {
		key.class, key.route, key.gpu = unit.Class, unit.Route, unit.GPU
		if next, ok := s.choices[key]; ok {
			return next, nil
		}
		in.input = item(*unit)
	}
	next := st.Default
	for _, rule := range st.Rules {
		yes, err := rule.Condition.Bool(s.ctx, in)
		if err != nil {
			return "", err
		}
		if yes {
			next = rule.Next
			break
		}
	}
	if unit != nil {
		s.choices[key] = next
	}
	return next, nil
}

// item is what a Map passes to a child.
func item(u Unit) map[string]any {
	return map[string]any{"job": "forecast", "unit": "unit", "class": u.Class, "route": u.Route, "gpu": u.GPU}
}

// trial is a Task and its retries.
type trial struct {
	s     *simulation
	scope *definition.Scope
	state *definition.State
	unit  *Unit
	in    values
	used  []int
	next  func(string, values)
	end   done
}

// begin calls the service that the Task names.
func (t *trial) begin() {
	switch {
	case strings.HasSuffix(t.state.Resource, ":batch:submitJob.sync"):
		t.s.batch.submit(t.unit, t.ended)
	case strings.HasSuffix(t.state.Resource, ":lambda:invoke"):
		name, err := t.functionName()
		if err != nil {
			t.end("", err)
			return
		}
		t.s.invoke(name, t.unit, t.ended)
	default:
		t.end("", fmt.Errorf("a forecast cannot call %s", t.state.Resource))
	}
}

// functionName returns the function that the Task invokes.
func (t *trial) functionName() (string, error) {
	key := choiceKey{state: t.state.Name}
	in := t.in
	if t.unit != nil {
		key.class, key.route, key.gpu = t.unit.Class, t.unit.Route, t.unit.GPU
		in.input = item(*t.unit)
	}
	if name, ok := t.s.names[key]; ok {
		return name, nil
	}
	data, err := t.state.Arguments.Eval(t.s.ctx, in)
	var arguments struct{ FunctionName string }
	if err == nil {
		err = json.Unmarshal(data, &arguments)
	}
	if err == nil {
		t.s.names[key] = arguments.FunctionName
	}
	return arguments.FunctionName, err
}

// ended goes on after a call: to the next state, to another attempt, to what catches the error, or to the end.
func (t *trial) ended(failed string) {
	if failed == "" {
		t.leave()
		return
	}
	for i, r := range t.state.Retry {
		if !r.Errors.Match(failed) {
			continue
		}
		if t.used[i] < r.Attempts {
			pause := r.Interval * math.Pow(r.Backoff, float64(t.used[i]))
			if r.MaxDelay > 0 {
				pause = min(pause, r.MaxDelay)
			}
			if r.FullJitter {
				pause *= t.s.rand.Float64()
			}
			t.used[i]++
			t.s.result.Retries++
			t.s.after(time.Duration(pause*1e9), t.begin)
			return
		}
		break
	}
	for _, c := range t.state.Catch {
		if c.Errors.Match(failed) {
			t.next(c.Next, t.in)
			return
		}
	}
	t.end(failed, nil)
}

// leave leaves the Task with what it has returned.
func (t *trial) leave() {
	if t.unit != nil || t.state.Next == "" {
		t.next(t.state.Next, t.in)
		return
	}
	t.in.result = map[string]any{"Payload": t.s.plan()}
	data, err := t.state.Output.Eval(t.s.ctx, t.in)
	if err == nil {
		t.in.input, err = jsonata.Decode(data)
	}
	if err != nil {
		t.end("", err)
		return
	}
	t.next(t.state.Next, t.in)
}

// plan is what the function Analyse returns: the next phase that has units, and the outputs.
func (s *simulation) plan() map[string]any {
	last := len(s.job.Phases) - 1
	s.phase++
	for s.phase < last && len(s.job.Phases[s.phase].Units) == 0 {
		s.phase++
	}
	phase := map[string]any{"name": "", "bucket": "b", "key": "k", "count": 0.0, "last": true, "tolerated": 0.0}
	if s.phase < last {
		phase["name"], phase["count"] = s.job.Phases[s.phase].Name, float64(len(s.job.Phases[s.phase].Units))
		phase["last"] = s.phase == last-1
	}
	outputs := make([]any, len(s.job.Phases[last].Units))
	for i, u := range s.job.Phases[last].Units {
		outputs[i] = item(u)
	}
	return map[string]any{"job": "forecast", "concurrency": float64(max(s.job.Concurrency, 1)), "phase": phase, "outputs": outputs}
}

// mapOver runs the items of a Map: those of the phase, or the outputs.
func (s *simulation) mapOver(st *definition.State, in values, next func(string, values), end done) {
	limit, err := st.Map.MaxConcurrency.Eval(s.ctx, in, 0)
	if err != nil {
		end("", err)
		return
	}
	n := len(s.job.Phases) - 1
	if st.Map.Reader != nil {
		n = s.phase
	}
	units := s.job.Phases[n].Units
	if len(units) == 0 {
		next(st.Next, in)
		return
	}
	atOnce := len(units)
	if limit > 0 {
		atOnce = min(atOnce, int(limit))
	}
	started, running, failed := 0, 0, false
	var start func()
	start = func() {
		for running < atOnce && started < len(units) && !failed {
			unit := &units[started]
			started++
			running++
			wait := time.Duration(0)
			if st.Map.Distributed {
				wait = s.starts.wait(s.now, 1)
			}
			s.after(wait+s.c.Dispatch, func() {
				s.run(st.Map.Processor, unit, func(name string, err error) {
					running--
					switch {
					case failed:
					case name != "" || err != nil:
						failed = true
						end(name, err)
					case started == len(units) && running == 0:
						s.result.Phases = append(s.result.Phases, time.Duration(s.now))
						next(st.Next, in)
					default:
						start()
					}
				})
			})
		}
	}
	start()
}
