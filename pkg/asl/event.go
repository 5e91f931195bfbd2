package asl

import (
	"encoding/json"
	"sync"
	"time"
)

// EventType names what happened, as in Step Functions' execution history.
type EventType string

// The events of executions and of what states do. Entering and leaving a state is the state's type followed by
// "StateEntered" and "StateExited", as in TaskStateEntered; what was cancelled in mid-work is followed by
// "StateAborted". Started, Succeeded and Failed of a Map or Parallel stand for one attempt; a retry makes another.
const (
	ExecutionStarted   EventType = "ExecutionStarted"
	ExecutionSucceeded EventType = "ExecutionSucceeded"
	ExecutionFailed    EventType = "ExecutionFailed"
	ExecutionTimedOut  EventType = "ExecutionTimedOut"
	ExecutionAborted   EventType = "ExecutionAborted"

	TaskScheduled EventType = "TaskScheduled" // Attempt tells a retry from the first attempt
	TaskStarted   EventType = "TaskStarted"
	TaskSucceeded EventType = "TaskSucceeded"
	TaskFailed    EventType = "TaskFailed"
	TaskTimedOut  EventType = "TaskTimedOut"

	ParallelStateStarted   EventType = "ParallelStateStarted"
	ParallelStateSucceeded EventType = "ParallelStateSucceeded"
	ParallelStateFailed    EventType = "ParallelStateFailed"

	MapStateStarted       EventType = "MapStateStarted"
	MapStateSucceeded     EventType = "MapStateSucceeded"
	MapStateFailed        EventType = "MapStateFailed"
	MapIterationStarted   EventType = "MapIterationStarted"
	MapIterationSucceeded EventType = "MapIterationSucceeded"
	MapIterationFailed    EventType = "MapIterationFailed"
	MapIterationAborted   EventType = "MapIterationAborted"
	MapRunStarted         EventType = "MapRunStarted" // of a DISTRIBUTED Map
	MapRunSucceeded       EventType = "MapRunSucceeded"
	MapRunFailed          EventType = "MapRunFailed"
	MapRunAborted         EventType = "MapRunAborted"

	EvaluationFailed EventType = "EvaluationFailed" // an expression; Cause says which
)

// Event is one step of an execution. A DISTRIBUTED Map's children have executions of their own in Step Functions; here
// their events stand in the parent's history, between MapIterationStarted and its end, as those of an INLINE Map do.
type Event struct {
	ID       int64 // from 1, without gaps
	Previous int64 // the event that led to this one; 0 is none
	Time     time.Time
	Type     EventType
	State    string // name of the state; "" for the execution's own events
	Map      string // name of the innermost Map whose iteration this belongs to; "" outside
	Index    int    // of that iteration, from 0; -1 outside
	Length   int    // MapStateStarted: number of items, -1 where they are read from a stream
	Attempt  int    // retries of the state before this attempt
	Resource string // Task events
	Error    string
	Cause    string
	Err      error           // what failed, where Error is set
	Input    json.RawMessage // entered, scheduled, started; not to be changed
	Output   json.RawMessage // exited, succeeded; not to be changed
}

// recorder numbers events and hands them on one at a time.
type recorder struct {
	mu      sync.Mutex
	last    int64
	observe func(Event)
	now     func() time.Time
}

func (r *recorder) record(e Event) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	if r.observe != nil {
		e.ID, e.Time = r.last, r.now()
		r.observe(e)
	}
	return r.last
}
