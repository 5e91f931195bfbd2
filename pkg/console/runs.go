package console

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/progress"
)

// Unit is a unit as the page shows it.
type Unit struct {
	ID       string           `json:"id"`
	State    ledger.UnitState `json:"s"`
	Attempt  int              `json:"n,omitempty"`
	Began    int64            `json:"b,omitempty"` // milliseconds since 1970, of the attempt
	Ended    int64            `json:"e,omitempty"` // likewise
	Frames   int64            `json:"f,omitempty"`
	Bytes    int64            `json:"z,omitempty"`
	Failure  string           `json:"x,omitempty"` // the first line of the last error
	Batch    bool             `json:"p,omitempty"` // it ran in a process of its own, as on Batch
	Warnings int              `json:"w,omitempty"`

	change int // number of the run's change that this is
}

// run is an execution that runs in this process.
type run struct {
	number   int64 // from 1, in the order in which runs begin
	mu       sync.Mutex
	tracker  progress.Tracker
	units    map[string]*Unit
	warnings []string
	changes  int // of units
}

// maxWarnings bounds the warnings that a run keeps. The ledger has all.
const maxWarnings = 100

// add records an event.
func (r *run) add(e local.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracker.Add(e)
	if e.Type == engine.Warning && len(r.warnings) < maxWarnings && !slices.Contains(r.warnings, e.Error) {
		r.warnings = append(r.warnings, e.Error)
	}
	if e.Unit == "" {
		return
	}
	u := r.units[e.Unit]
	if u == nil {
		u = &Unit{ID: e.Unit, State: ledger.Planned}
		r.units[e.Unit] = u
	}
	if !u.apply(e) {
		return
	}
	r.changes++
	u.change = r.changes
}

// apply changes a unit as an event says, and reports whether it did.
func (u *Unit) apply(e local.Event) bool {
	at := e.Time.UnixMilli()
	switch e.Type {
	case engine.Started:
		u.State, u.Attempt, u.Began, u.Ended, u.Frames, u.Bytes = ledger.Running, e.Attempt, at, 0, 0, 0
	case engine.Progress:
		u.Frames, u.Bytes = e.Count, e.Bytes
	case engine.Done:
		u.State, u.Attempt, u.Ended, u.Frames, u.Bytes = ledger.Done, e.Attempt, at, e.Count, e.Bytes
	case engine.Skipped:
		u.State, u.Ended = ledger.Done, at
	case engine.Failed:
		u.State, u.Ended, u.Failure = ledger.Failed, at, firstLine(e.Error)
	case engine.Warning:
		u.Warnings++
	default:
		return false
	}
	return true
}

// firstLine returns the first line of a text, cut to a length that a list can show.
func firstLine(text string) string {
	const limit = 300
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return line
}

// snapshot returns the progress at now.
func (r *run) snapshot(now time.Time) (progress.Snapshot, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracker.Snapshot(now), len(r.warnings)
}

// since returns the units that changed after a number of changes, and the number of changes now.
func (r *run) since(change int) (list []Unit, now int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if change == r.changes {
		return nil, change
	}
	for _, u := range r.units {
		if u.change > change {
			list = append(list, *u)
		}
	}
	return list, r.changes
}

// position is how far the changes of the units of an execution are. The zero value is that of one that does not run here.
type position struct {
	Run     int64 `json:"run"`     // its number
	Changes int   `json:"changes"` // so far
}

// now returns the position of a run, which may be nil.
func (r *run) now() position {
	if r == nil {
		return position{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return position{r.number, r.changes}
}

// unit returns a unit that has changed in this run. A nil run has none.
func (r *run) unit(id string) (Unit, bool) {
	if r == nil {
		return Unit{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.units[id]
	if u == nil {
		return Unit{}, false
	}
	return *u, true
}

// warned returns the warnings so far.
func (r *run) warned() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.warnings)
}

// runs are the executions that run in this process, by ARN.
type runs struct {
	mu    sync.Mutex
	list  map[string]*run
	count int64 // of runs that have begun
}

func newRuns() *runs { return &runs{list: map[string]*run{}} }

// Observe returns what gets the events of a run of an execution that begins: it is queue.Options.Observe.
func (s *Server) Observe(x history.Execution) func(local.Event) { return s.runs.begin(x.ARN).add }

func (l *runs) begin(arn string) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	r := &run{number: l.count, units: map[string]*Unit{}}
	l.list[arn] = r
	return r
}

// of returns the run of an execution; nil if it does not run here.
func (l *runs) of(arn string) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[arn]
}

// prune forgets the runs that are over.
func (l *runs) prune(alive func(arn string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for arn := range l.list {
		if !alive(arn) {
			delete(l.list, arn)
		}
	}
}
