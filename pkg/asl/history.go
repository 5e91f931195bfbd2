package asl

import (
	"encoding/json"
	"sync"
	"time"
)

// EventType is the type of an event, as in Step Functions' execution history.
type EventType string

// The types of events. Entering and leaving a state is the state's type followed by "StateEntered"
// and "StateExited", as in TaskStateEntered. A state that was stopped while it worked has an event
// of its type followed by "StateAborted".
const (
	ExecutionStarted   EventType = "ExecutionStarted"
	ExecutionSucceeded EventType = "ExecutionSucceeded"
	ExecutionFailed    EventType = "ExecutionFailed"
	ExecutionTimedOut  EventType = "ExecutionTimedOut"
	ExecutionAborted   EventType = "ExecutionAborted"

	TaskScheduled    EventType = "TaskScheduled" // Attempt distinguishes a retry from the first attempt
	TaskStarted      EventType = "TaskStarted"
	TaskSucceeded    EventType = "TaskSucceeded"
	TaskFailed       EventType = "TaskFailed"
	TaskTimedOut     EventType = "TaskTimedOut"
	TaskStateAborted EventType = "TaskStateAborted" // also of the Task that failed a branch or iteration

	// Started and Succeeded belong to one attempt. Failed follows the last attempt only, whether or
	// not it is caught.
	ParallelStateStarted   EventType = "ParallelStateStarted"
	ParallelStateSucceeded EventType = "ParallelStateSucceeded"
	ParallelStateFailed    EventType = "ParallelStateFailed"
	MapStateStarted        EventType = "MapStateStarted"
	MapStateSucceeded      EventType = "MapStateSucceeded"
	MapStateFailed         EventType = "MapStateFailed"

	// Iterations of an INLINE Map.
	MapIterationStarted   EventType = "MapIterationStarted"
	MapIterationSucceeded EventType = "MapIterationSucceeded"
	MapIterationFailed    EventType = "MapIterationFailed"
	MapIterationAborted   EventType = "MapIterationAborted"

	// An attempt of a DISTRIBUTED Map. The events of its children are in their own histories.
	MapRunStarted   EventType = "MapRunStarted"
	MapRunSucceeded EventType = "MapRunSucceeded"
	MapRunFailed    EventType = "MapRunFailed"
	MapRunAborted   EventType = "MapRunAborted"

	EvaluationFailed EventType = "EvaluationFailed" // of an expression; Location names its field
)

// Event is an entry of an execution's history. A child execution of a DISTRIBUTED Map has a history
// of its own: Execution says which history an event belongs to, and ID and Previous count within
// it.
type Event struct {
	Execution string // ID of the execution
	MapRun    string // ID of the map run that a MapRun… event is about, else of the one that started the execution
	ID        int64  // from 1, without gaps
	Previous  int64  // the event that led to this one, by Step Functions' rules; 0 is none
	Time      time.Time
	Type      EventType
	State     string // name of the state; "" for events of the execution itself
	Map       string // name of the innermost Map of which this is an iteration or child; "" outside
	Index     int    // of that iteration or child, from 0; -1 outside
	Length    int    // MapStateStarted: number of items; 0 with an ItemReader, as in Step Functions
	Attempt   int    // retries of the state before this attempt

	Resource  string // Task… events
	Timeout   int    // TaskScheduled: TimeoutSeconds; 0 is none
	Heartbeat int    // TaskScheduled: HeartbeatSeconds; 0 is none
	RoleARN   string // TaskScheduled: RoleArn of the state's Credentials, or ""

	Location  string                     // EvaluationFailed: the field, relative to the state, such as "Arguments/Key"; may be ""
	Variables map[string]json.RawMessage // …StateExited: the variables that the state assigned

	Error  string
	Cause  string
	Err    error           // the failure; nil if Error is ""
	Input  json.RawMessage // entered, scheduled, started; must not be changed
	Output json.RawMessage // exited, succeeded; must not be changed
}

// recorder calls the observers of a Run, one call at a time.
type recorder struct {
	mu            sync.Mutex
	observe       func(Event)
	observeMapRun func(MapRun)
	now           func() time.Time
}

// record adds an event to the history of an execution and returns its ID.
func (r *recorder) record(x *execution, e Event) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.lastEvent++
	if r.observe != nil {
		e.ID, e.Time, e.Execution = x.lastEvent, r.now(), x.id
		if e.MapRun == "" {
			e.MapRun = x.mapRun
		}
		r.observe(e)
	}
	return x.lastEvent
}

func (r *recorder) recordMapRun(m MapRun) {
	if r.observeMapRun == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observeMapRun(m)
}
