package engine

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// A worker that has done a unit, when no other of the phase waits for its first attempt, looks for one that runs far longer than its
// peers took, and tries it a second time, side by side: a twin. The first Complete wins. The other attempt sees that in the ledger,
// and stops. Nothing in the state machine knows of it: the item of the slow unit ends early, and that of the worker that helped
// ends late.

// Twins say which units get a second try. Least and Every are required.
type Twins struct {
	Least time.Duration // a unit that has run for less gets none
	Every time.Duration // how often a worker asks the ledger while it waits, and an attempt whether another one was first
	// Share lets about one of so many units of a kind look for others when it is done, and about two where there are few; 0: all. Where waiting costs
	// something, and reading the ledger, a few are enough.
	Share int
	// InRun lets Run look for others itself. Otherwise its host calls Twin when it likes.
	InRun bool
	// Take waits for a place to work in, and returns how to give it back; nil: the caller has one.
	Take func(ctx context.Context, needs work.Needs) (release func(), err error)
}

// farBeyond is how many times the median of its peers a unit must have run, in percent, to get a second try. That takes about as long as
// the median, so a unit that takes less than three and a half times the median would have been done as soon.
const farBeyond = 250

// fewPeers is how many units of a kind must be done before their median says anything.
const fewPeers = 4

// errSuperseded is why an attempt stops that is no longer needed.
var errSuperseded = fault.New(fault.Transient, "another attempt was first")

// peer is a unit of a kind that is under way.
type peer struct {
	unit    ledger.Unit
	running time.Duration
}

// straggler returns which of the units under way gets a second try now, if any does. Otherwise wait is how long until one may, and 0
// where none ever will. done is how long the finished ones have taken.
func straggler(done []time.Duration, running []peer, least time.Duration) (found *peer, wait time.Duration) {
	if len(done) < fewPeers {
		return nil, 0
	}
	limit := max(median(done)*farBeyond/100, least)
	for i := range running {
		p := &running[i]
		switch left := limit - p.running; {
		case left <= 0 && (found == nil || p.running > found.running):
			found = p
		case left > 0 && (wait == 0 || left < wait):
			wait = left
		}
	}
	if found != nil {
		return found, 0
	}
	return nil, wait
}

// median returns the median of some durations, which it sorts; 0 of none.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// inTime reports whether a second try that begins after wait can be done within the time that its worker has left. usual is what a unit
// takes. A function that waits for what it cannot do would be billed, end by its timeout and be tried again for nothing.
func inTime(left, wait, usual time.Duration) bool { return left >= wait+2*usual }

// pause returns how long a worker waits until it reads the ledger again. A phase ends when its workers have seen that it is done, so
// that is little compared with what its units took.
func (t *Twins) pause(done []time.Duration) time.Duration {
	const share, most = 20, 5 // of a unit, and of Every
	return min(max(median(done)/share, t.Every/most), t.Every)
}

// looks reports whether the worker of a unit looks for others when it is done, as one of so many units of its kind.
func (t *Twins) looks(unit string, units int) bool {
	switch {
	case t.Share == 0:
		return true
	case units <= 2*t.Share:
		return chance(unit, units) < 2
	}
	return chance(unit, t.Share) == 0
}

// chance returns a number below n that follows from a name.
func chance(name string, n int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return int(h.Sum32() % uint32(max(n, 1)))
}

// twinOwner marks attempts in the ledger that are second tries.
const twinOwner = "twin of "

// Twin looks for units that run far longer than their peers, after the unit in was done, and does them a second time. It returns when
// none is left that could become one. What goes wrong with a second try is logged, and harms nothing.
func (e *Engine) Twin(ctx context.Context, in RunInput) {
	if e.Twins == nil {
		return
	}
	if err := e.twins(ctx, in); err != nil && ctx.Err() == nil {
		e.logger().WarnContext(ctx, "no second tries", "job", in.Job, "unit", in.Unit, "error", err)
	}
}

func (e *Engine) twins(ctx context.Context, in RunInput) error {
	record, p, err := e.job(ctx, in.Job)
	if err != nil || !e.mayHaveTwins(p, in.Unit) {
		return err
	}
	own, err := e.Ledger.Unit(ctx, in.Job, in.Unit)
	if err != nil {
		return err
	}
	needs, err := NeedsOf(own)
	if err != nil || e.route(needs) == work.RouteBatch {
		return err
	}
	tried := map[string]bool{}
	for {
		done, running, all, err := e.peers(ctx, record, p, own, needs, tried)
		if err != nil || !all {
			return err
		}
		found, wait := straggler(done, running, e.Twins.Least)
		if at, ok := ctx.Deadline(); ok && !inTime(time.Until(at), wait, median(done)) {
			return nil
		}
		switch {
		case found != nil:
			tried[found.unit.ID] = true
			if err := e.twin(ctx, p, found.unit, needs); err != nil {
				return err
			}
			continue
		case wait == 0:
			return nil
		}
		select {
		case <-time.After(min(wait, e.Twins.pause(done))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// mayHaveTwins reports whether the worker of a unit may look for others of its kind. Outputs are not done twice at once: they publish.
func (e *Engine) mayHaveTwins(p work.Plan, unit string) bool {
	kind := kindOf(unit)
	for _, g := range p.Groups {
		if g.Name == kind {
			return e.Twins.looks(unit, g.Units)
		}
	}
	return false
}

// peers returns how long the finished units of a kind took, and which are under way and may get a second try. all is false where some
// still wait for their first attempt of this execution.
func (e *Engine) peers(ctx context.Context, record ledger.Job, p work.Plan, own ledger.Unit, needs work.Needs, tried map[string]bool) (done []time.Duration, running []peer, all bool, err error) {
	phase := phaseOf(own)
	for _, of := range p.Phases {
		if of.Name != phase || of.Final == "" {
			continue
		}
		// Units begin in the order of their names, so this one says it of all, without reading them.
		if final, err := e.Ledger.Unit(ctx, p.ID, of.Final); err != nil || final.State == ledger.Planned {
			return nil, nil, false, err
		}
	}
	now := time.Now()
	for u, err := range e.Ledger.Units(ctx, p.ID, kindOf(own.ID)+"/") {
		if err != nil {
			return nil, nil, false, err
		}
		switch u.State {
		case ledger.Planned, ledger.Failed: // the state machine has not begun it, or will try it again
			return nil, nil, false, nil
		case ledger.Done:
			var o outcome
			if json.Unmarshal(u.Facts, &o) == nil && o.Elapsed > 0 {
				done = append(done, time.Duration(o.Elapsed)*time.Millisecond)
			}
		case ledger.Running:
			same, err := NeedsOf(u)
			if err != nil {
				return nil, nil, false, err
			}
			if strings.HasPrefix(u.Owner, twinOwner) || tried[u.ID] || same.Class != needs.Class || u.Updated.Before(record.Started) {
				continue // has one already, needs another worker, or was left by an execution that was killed
			}
			running = append(running, peer{u, now.Sub(u.Updated)})
		}
	}
	return done, running, true, nil
}

func phaseOf(u ledger.Unit) string {
	var record unitRecord
	_ = json.Unmarshal(u.Spec, &record) // "" is no phase
	return record.Phase
}

// twin does a unit that another worker does.
func (e *Engine) twin(ctx context.Context, p work.Plan, slow ledger.Unit, needs work.Needs) error {
	kind, err := e.Registry.Kind(slow.ID)
	if err != nil {
		return err
	}
	if e.Twins.Take != nil {
		release, err := e.Twins.Take(ctx, needs)
		if err != nil {
			return err
		}
		defer release()
	}
	u, err := e.Ledger.Begin(ctx, p.ID, slow.ID, twinOwner+slow.Owner, lease(ctx))
	if err != nil || u.State == ledger.Done || u.Attempt != slow.Attempt+1 { // a third one would be too many
		return err
	}
	e.emit(Event{Type: Twinned, Job: p.ID, Unit: u.ID, Attempt: u.Attempt})
	began := time.Now()
	metered, used := e.measureTwin(ctx, u)
	working, stop := e.watchSuperseded(metered, u)
	result, err := e.attempt(working, kind, p, u, func(work.Amount) {})
	stop()
	defer func() { e.recordUse(ctx, u, used(result)) }()
	if err != nil {
		// The first attempt goes on, and its failure is what counts.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
		defer cancel()
		e.discard(last, p.ID, result.Artifacts)
		e.emit(Event{Type: Skipped, Job: p.ID, Unit: u.ID, Attempt: u.Attempt})
		if errors.Is(context.Cause(working), errSuperseded) {
			return nil
		}
		return err
	}
	return e.completed(ctx, u, outcome{result, "", time.Since(began).Milliseconds()})
}

// measureTwin measures a second try. That of a function is a part of what the function's own unit has used.
func (e *Engine) measureTwin(ctx context.Context, u ledger.Unit) (context.Context, func(work.Result) *price.Use) {
	if e.Twins.InRun {
		return ctx, func(work.Result) *price.Use { return &price.Use{Place: price.OnLambda} }
	}
	return e.measure(ctx, u)
}

// watchSuperseded returns a context that ends with errSuperseded when another attempt at the unit has succeeded. The caller calls stop.
func (e *Engine) watchSuperseded(ctx context.Context, u ledger.Unit) (_ context.Context, stop func()) {
	if e.Twins == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for wait := e.Twins.Least; ; wait = e.Twins.Every {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			now, err := e.Ledger.Unit(ctx, u.Job, u.ID)
			if err == nil && now.State == ledger.Done && now.Attempt != u.Attempt {
				cancel(errSuperseded)
				return
			}
		}
	}()
	return ctx, func() { cancel(nil); <-ended }
}

// progress is how much of a unit an attempt has done.
type progress struct {
	mu   sync.Mutex
	last work.Amount
}

func (p *progress) note(a work.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = a
}

// left returns how much longer an attempt would have taken that has done so much of all there is; 0 where that is not known.
func (p *progress) left(all work.Amount, took time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	done, total := float64(p.last.Media), float64(all.Media)
	if p.last.Count > 0 {
		done, total = float64(p.last.Count), float64(all.Count)
	}
	if done <= 0 || total <= done {
		return 0
	}
	return time.Duration(float64(took) * (total - done) / done)
}

// superseded ends an attempt that was stopped because another was first. It returns how much longer it would have taken.
func (e *Engine) superseded(ctx context.Context, u ledger.Unit, artifacts []work.Artifact, latest *progress, took time.Duration) time.Duration {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	e.discard(last, u.Job, artifacts)
	e.emit(Event{Type: Skipped, Job: u.Job, Unit: u.ID, Attempt: u.Attempt})
	won, err := e.Ledger.Unit(last, u.Job, u.ID)
	if err != nil || won.State != ledger.Done {
		return 0
	}
	result, err := decodeResult(won)
	if err != nil {
		return 0
	}
	return latest.left(result.Done, took)
}
