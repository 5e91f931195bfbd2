package history

import (
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
)

// Recorder records one run of an execution: the history of the execution goes on after its last event, and the children of
// its Distributed Maps become executions.
type Recorder struct {
	store     *Store
	execution Execution
	offset    int64 // added to the IDs of the execution's own events

	over func() bool

	mu    sync.Mutex
	ended bool
}

// Recorder returns a recorder for an execution that is about to run. x is what Create, Redrive or Resume returned. Once over
// returns true, nothing more is recorded and the execution stays as it is: a server that is told to end continues its executions
// when it comes back. over may be nil.
func (s *Store) Recorder(x Execution, over func() bool) *Recorder {
	if over == nil {
		over = func() bool { return false }
	}
	// The interpreter's first event, ExecutionStarted, is the last one that is stored: ExecutionStarted or ExecutionRedriven.
	return &Recorder{store: s, execution: x, offset: x.LastEvent - 1, over: over}
}

// Ended reports whether the end of the execution was recorded.
func (r *Recorder) Ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Event records an event: it is an observer of asl.Execution.
func (r *Recorder) Event(e asl.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over() {
		return
	}
	own := e.Execution == r.execution.ARN
	stored := Event{ID: e.ID, Previous: e.Previous, Time: e.Time, Type: string(e.Type), Details: detailsOf(e)}
	if own {
		if e.Type == asl.ExecutionStarted { // Create recorded it
			return
		}
		stored.ID += r.offset
		if stored.Previous > 0 || r.offset > 0 && strings.HasSuffix(stored.Type, "StateEntered") {
			stored.Previous = max(stored.Previous, 1) + r.offset
		}
	} else if e.Type == asl.ExecutionStarted {
		r.store.writer.add(change{begin: child(e)})
	}
	r.store.writer.add(change{arn: e.Execution, event: &stored})
	if end := endOf(e); end != nil {
		r.ended = r.ended || own
		r.store.writer.add(change{end: end})
	}
}

// child returns the execution that is a child of a Distributed Map and begins.
func child(e asl.Event) *Execution {
	head, name := cutLast(e.Execution, ":")
	return &Execution{
		ARN: e.Execution, Name: name, Machine: strings.Replace(head, ":execution:", ":stateMachine:", 1), MapRun: e.MapRun,
		Status: Running, Input: e.Input, Started: e.Time,
	}
}

// cutLast cuts s around the last separator.
func cutLast(s, separator string) (before, after string) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+len(separator):]
}

// endOf returns how an event ends its execution; nil if it does not.
func endOf(e asl.Event) *ending {
	status, ok := map[asl.EventType]Status{
		asl.ExecutionSucceeded: Succeeded, asl.ExecutionFailed: Failed, asl.ExecutionTimedOut: TimedOut, asl.ExecutionAborted: Aborted,
	}[e.Type]
	if !ok {
		return nil
	}
	return &ending{e.Execution, status, e.Output, e.Error, e.Cause, e.Time.Truncate(time.Millisecond)}
}

// MapRun records a map run: it is an observer of asl.Execution.
func (r *Recorder) MapRun(m asl.MapRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over() {
		stored := mapRunOf(m)
		r.store.writer.add(change{mapRun: &stored})
	}
}
