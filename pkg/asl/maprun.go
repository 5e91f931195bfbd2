package asl

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// MapRunStatus is the status of a map run.
type MapRunStatus string

// The statuses of a map run.
const (
	MapRunRunning MapRunStatus = "RUNNING"
	MapRunSuccess MapRunStatus = "SUCCEEDED"
	MapRunFailure MapRunStatus = "FAILED"
	MapRunStopped MapRunStatus = "ABORTED"
)

// MapRun is a snapshot of one attempt of a DISTRIBUTED Map, as DescribeMapRun returns it.
type MapRun struct {
	ID           string
	Execution    string // ID of the execution that the Map belongs to
	StateMachine string // ID of the children's state machine: that of the execution and the label
	State        string // name of the Map state
	Label        string
	Status       MapRunStatus
	Started      time.Time
	Stopped      time.Time // zero while it runs

	MaxConcurrency             int // as configured; 0 is no limit
	ToleratedFailureCount      int
	ToleratedFailurePercentage float64

	Items      Counts // a batch counts each of its items
	Executions Counts
}

// Counts are the items or child executions of a map run by status.
type Counts struct {
	Total          int // known so far: items are read while children run
	Pending        int
	Running        int
	Succeeded      int
	Failed         int
	TimedOut       int // always 0: a child has no time limit of its own
	Aborted        int
	ResultsWritten int

	FailuresNotRedrivable int // always 0: a redrive runs every unsuccessful child again
	PendingRedrive        int // always 0: a redrive starts a new map run
}

// start moves n from pending to running.
func (c *Counts) start(n int) { c.Pending, c.Running = max(c.Pending-n, 0), c.Running+n }

// mapRun is a map run in progress. The mutex of its mapAttempt guards it.
type mapRun struct {
	MapRun
	number int // among those of the execution, from 1
}

// distributed makes one attempt at a DISTRIBUTED Map.
func (a *mapAttempt) distributed(ctx, inner context.Context, source *itemSource, limit int) (json.RawMessage, error) {
	d, m := a.data, a.data.state.Map
	var err error
	if a.tolerance, err = newTolerance(ctx, m, d); err != nil {
		return nil, err
	}
	in := &inputs{attempt: a, source: source, selecting: *d}
	if in.batch, err = newBatcher(ctx, m, d); err != nil {
		return nil, err
	}
	var reader *itemReader
	if m.Reader != nil {
		if reader, err = newItemReader(ctx, m.Reader, d); err != nil {
			return nil, err
		}
	}
	a.begin(source.total, in.batch == nil)
	if reader != nil {
		in.source, err = reader.open(inner, a.Items) // inner, so that a source that blocks does not outlive a failure
	}
	var result json.RawMessage
	if err == nil {
		a.dispatch(inner, in, limit, a.child)
		in.source.close()
		result, err = a.outcome()
	}
	return a.end(ctx, result, err)
}

// begin starts the map run. total is the number of items, or -1 if it is unknown. single means that
// each item has a child of its own, so that the number of children is total too.
func (a *mapAttempt) begin(total int, single bool) {
	d := a.data
	r := &mapRun{number: a.exec.mapRuns.next()}
	label := d.state.Map.Label
	r.MapRun = MapRun{
		ID: mapRunID(a.exec.id, label, a.UniqueName(label, r.number, -1)), Execution: a.exec.id,
		StateMachine: labelled(a.exec.stateMachine, label), State: d.state.Name, Label: label, Status: MapRunRunning,
		Started: a.Now(), MaxConcurrency: a.configured,
		ToleratedFailureCount:      int(max(a.tolerance.count, 0)),
		ToleratedFailurePercentage: max(a.tolerance.percentage, 0),
	}
	if total > 0 {
		r.Items.Total, r.Items.Pending = total, total
		if single {
			r.Executions = r.Items
		}
	}
	a.run = r
	a.emit(Event{Type: MapRunStarted, State: d.state.Name, Attempt: d.retries, MapRun: r.ID})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events.recordMapRun(r.MapRun)
}

// end records the end of the map run.
func (a *mapAttempt) end(ctx context.Context, result json.RawMessage, err error) (json.RawMessage, error) {
	d := a.data
	var event Event
	status := MapRunSuccess
	switch {
	case ctx.Err() != nil:
		event, status, err = abortedEvent(MapRunAborted, context.Cause(ctx)), MapRunStopped, context.Cause(ctx)
	case err != nil:
		e := ended(a.locate(d, asError(err)))
		event, status, err = failureEvent(MapRunFailed, e), MapRunFailure, e
	default:
		event.Type = MapRunSucceeded
	}
	event.State, event.Attempt, event.MapRun = d.state.Name, d.retries, a.run.ID
	id := a.emitAfter(a.frame.last, event)
	a.mu.Lock()
	a.run.Status, a.run.Stopped = status, a.Now()
	a.events.recordMapRun(a.run.MapRun)
	a.mu.Unlock()
	switch status {
	case MapRunSuccess:
		// The next event of the state follows MapRunStarted, as in the histories recorded since
		// November 2024.
		a.emitAfter(id, Event{Type: MapStateSucceeded, State: d.state.Name, Attempt: d.retries})
	case MapRunFailure:
		a.frame.last = id
	}
	return result, err
}

// child executes one child of a DISTRIBUTED Map, as an execution with a history of its own.
func (a *mapAttempt) child(ctx context.Context, in childInput, _ int64) int64 {
	label := a.run.Label
	name := a.UniqueName(label, a.run.number, in.index)
	f := &frame{run: a.frame.run, mapName: a.data.state.Name, index: in.index, exec: &execution{
		id: childID(a.exec.id, label, name), name: name, stateMachine: a.run.StateMachine, started: a.Now(),
		input: in.input, mapRun: a.run.ID,
	}}
	a.count(func(items, executions *Counts) {
		if executions.Pending == 0 {
			executions.Total++
		}
		executions.start(1)
		items.start(in.items)
	})
	result, err := f.execute(ctx, ctx, a.processor)
	a.mu.Lock()
	defer a.mu.Unlock()
	items, executions := &a.run.Items, &a.run.Executions
	items.Running, executions.Running = items.Running-in.items, executions.Running-1
	switch {
	case err == nil:
		items.Succeeded, executions.Succeeded = items.Succeeded+in.items, executions.Succeeded+1
		items.ResultsWritten, executions.ResultsWritten = items.Succeeded, executions.Succeeded
		a.keepLocked(in.index, result)
	case ctx.Err() != nil:
		items.Aborted, executions.Aborted = items.Aborted+in.items, executions.Aborted+1
	default:
		items.Failed, executions.Failed = items.Failed+in.items, executions.Failed+1
		a.childFailed(in, asError(err))
	}
	a.events.recordMapRun(a.run.MapRun)
	return 0
}

// count changes the counts of the map run and records it.
func (a *mapAttempt) count(change func(items, executions *Counts)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.run.Items, &a.run.Executions)
	a.events.recordMapRun(a.run.MapRun)
}

// childFailed counts a failed child and ends the map run if that exceeds the tolerance. All items
// of a failed batch count as failed. mu is held.
func (a *mapAttempt) childFailed(in childInput, e *Error) {
	a.failed += in.items
	if a.first == nil {
		a.first = e
	}
	if a.tolerance.exceeded(a.failed, a.total) {
		a.failLocked(a.thresholdError(), a.latest)
		return
	}
	a.keepLocked(in.index, e.output())
}

// splitExecutionID splits the ARN of an execution into the part before "execution:" and the state
// machine's name.
func splitExecutionID(id string) (prefix, stateMachine string, ok bool) {
	parts := strings.SplitN(id, ":", 8)
	if len(parts) != 8 || parts[0] != "arn" || parts[2] != "states" || parts[5] != "execution" {
		return "", "", false
	}
	return strings.Join(parts[:5], ":") + ":", parts[6], true
}

// childID returns the ID of a child execution: that of an execution of the state machine
// NAME/LABEL, if the parent's ID is an ARN.
func childID(parent, label, name string) string {
	if prefix, machine, ok := splitExecutionID(parent); ok {
		return prefix + "execution:" + machine + "/" + label + ":" + name
	}
	return parent + "/" + label + ":" + name
}

// mapRunID returns the ID of a map run.
func mapRunID(parent, label, name string) string {
	if prefix, machine, ok := splitExecutionID(parent); ok {
		return prefix + "mapRun:" + machine + "/" + label + ":" + name
	}
	return "mapRun:" + parent + "/" + label + ":" + name
}

// stateMachineOf derives the ID of the state machine from that of an execution; "" if that is not
// an ARN.
func stateMachineOf(execution string) string {
	if prefix, machine, ok := splitExecutionID(execution); ok {
		return prefix + "stateMachine:" + machine
	}
	return ""
}

// labelled returns the ID of the state machine of a Map's children; "" if the parent's is unknown.
func labelled(stateMachine, label string) string {
	if stateMachine == "" {
		return ""
	}
	return stateMachine + "/" + label
}

// stateMachineName returns the last component of a state machine's ID.
func stateMachineName(id string) string { return id[strings.LastIndexByte(id, ':')+1:] }
