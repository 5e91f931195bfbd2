package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// AnalyseInput starts a job with Request, or asks for the next phase of Job.
type AnalyseInput struct {
	Request   json.RawMessage `json:"request,omitempty"`
	Job       string          `json:"job,omitempty"`
	Phase     string          `json:"phase,omitempty"` // of Job: the one whose Map has ended
	Execution string          `json:"execution"`       // ARN, or the name of a local run
	Started   time.Time       `json:"started"`         // when it was started, or last redriven
}

// Next tells the state machine what to do next. It stays far below the 256 KiB of a payload whatever the job's size.
type Next struct {
	Job         string    `json:"job"`
	Concurrency int       `json:"concurrency"`
	Phase       PhaseList `json:"phase"`
	Outputs     []Item    `json:"outputs"` // units of the output phase that are not done
}

// PhaseList names the JSON array of Items that the Distributed Map reads.
type PhaseList struct {
	Name   string `json:"name"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Count  int    `json:"count"` // 0: nothing is left to do before the outputs
	Last   bool   `json:"last"`  // no phase follows but the outputs'
	// Tolerated is how many of a hundred units may fail before the Map gives up the others.
	Tolerated int `json:"tolerated"`
}

// Item is one unit as the Maps of the state machine see it.
type Item struct {
	Job   string     `json:"job"`
	Unit  string     `json:"unit"`
	Class work.Class `json:"class"`
	Route work.Route `json:"route"`
	GPU   bool       `json:"gpu"`
}

// Analyse accepts a request: it has the job planned, records plan and units in the ledger, and returns what is left to do. With
// a Job instead of a request it does the same for the phases that follow.
func (e *Engine) Analyse(ctx context.Context, in AnalyseInput) (Next, error) {
	by := owner{in.Execution, in.Started}
	if in.Job != "" {
		return e.nextPhase(ctx, in.Job, in.Phase, by)
	}
	planner, err := e.planner(in.Request)
	if err != nil {
		return Next{}, err
	}
	if err := e.Queues.admit(in.Request); err != nil {
		return Next{}, err
	}
	dir, remove, err := e.workingFolder("")
	if err != nil {
		return Next{}, err
	}
	defer remove()
	p, err := planner.Plan(ctx, e.planEnv("", dir), in.Request)
	if err != nil {
		return Next{}, err
	}
	if err := e.admit(p); err != nil {
		return Next{}, err
	}
	if p.Budget, err = budgetOf(in.Request); err != nil {
		return Next{}, err
	}
	if p.Open {
		// An earlier run may have planned the rest. Its phases are in the ledger.
		earlier, err := e.plan(ctx, p.ID)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return Next{}, err
		}
		if err == nil && !earlier.Open {
			earlier.Concurrency, earlier.Retention, earlier.Budget = p.Concurrency, p.Retention, p.Budget // as this request asks for
			p = earlier
		}
	}
	p.Phases = withFinal(p.Phases)
	err = e.record(ctx, p, by)
	if errors.Is(err, errNewerOwner) {
		err = nil // two executions of one request: this one works along, and leaves the record to the other
	}
	if err != nil {
		return Next{}, err
	}
	if err := e.Ledger.Plan(ctx, p.ID, units(p), e.ahead(p)); err != nil {
		return Next{}, err
	}
	for _, warning := range p.Warnings {
		e.emit(Event{Type: Warning, Job: p.ID, Error: warning})
	}
	return e.advance(ctx, p, by)
}

func (e *Engine) planner(request json.RawMessage) (work.Planner, error) {
	for _, p := range e.Registry.Planners {
		if p.Accepts(request) {
			return p, nil
		}
	}
	return nil, fault.New(fault.Invalid, "the request is of no form that is known here")
}

func (e *Engine) planEnv(job, dir string) *work.PlanEnv {
	return &work.PlanEnv{
		Scratch: e.Scratch, Resolve: e.Resolve, Results: results{e.Ledger, job}, Dir: dir,
		Processors: e.Processors, OneMachine: e.OneMachine, Session: e.Session, Memory: e.Memory, Log: e.logger(),
	}
}

// nextPhase returns what follows the phase done, whose Map has ended, and plans what could not be planned before.
func (e *Engine) nextPhase(ctx context.Context, id, done string, by owner) (Next, error) {
	record, p, err := e.job(ctx, id)
	if err == nil {
		err = e.renew(ctx, record, p)
	}
	if err != nil {
		return Next{}, err
	}
	if record.Started.After(by.started) {
		by = owner{record.Execution, record.Started} // a newer execution of the same request holds the job
	}
	if slices.ContainsFunc(p.Phases, func(phase work.Phase) bool { return phase.Independent && phase.Name == done }) {
		if err := e.failures(ctx, p, done, by.started); err != nil {
			return Next{}, err
		}
	}
	return e.advance(ctx, p, by)
}

// advance returns what is left to do of a plan. Where the phases planned so far are done and others depend on them, it plans
// those first.
func (e *Engine) advance(ctx context.Context, p work.Plan, by owner) (Next, error) {
	n, err := e.next(ctx, p, by.execution)
	if err != nil || !p.Open || n.Phase.Count > 0 || len(n.Outputs) == 0 {
		return n, err
	}
	if p, err = e.extend(ctx, p, by); err != nil {
		return Next{}, err
	}
	return e.next(ctx, p, by.execution)
}

// extend plans the phases that depend on those before them, and records them.
func (e *Engine) extend(ctx context.Context, p work.Plan, by owner) (work.Plan, error) {
	p, err := e.extended(ctx, p)
	if err != nil {
		return p, err
	}
	// The units first: a plan that is no longer open has all its units in the ledger. Those of earlier phases are to last as long.
	if err := e.Ledger.Renew(ctx, p.ID, e.ahead(p)); err != nil {
		return p, err
	}
	if err := e.Ledger.Plan(ctx, p.ID, units(p), e.ahead(p)); err != nil {
		return p, err
	}
	p.Phases = withFinal(p.Phases)
	err = e.record(ctx, p, by)
	if errors.Is(err, errNewerOwner) {
		err = nil
	}
	return p, err
}

// extended returns an open plan with the phases that depend on those before them.
func (e *Engine) extended(ctx context.Context, p work.Plan) (work.Plan, error) {
	i := slices.IndexFunc(e.Registry.Planners, func(planner work.Planner) bool { return planner.Name() == p.Planner })
	if i < 0 {
		return p, fault.New(fault.Internal, "no planner is called %q", p.Planner)
	}
	dir, remove, err := e.workingFolder(p.ID)
	if err != nil {
		return p, err
	}
	defer remove()
	p, err = e.Registry.Planners[i].Extend(ctx, e.planEnv(p.ID, dir), p)
	if err == nil && p.Open {
		err = fault.New(fault.Internal, "the planner %q left the plan open", p.Planner)
	}
	return p, err
}

// unitRecord is what the ledger holds of a unit ahead of its work.
type unitRecord struct {
	Phase string          `json:"phase"`
	Needs work.Needs      `json:"needs"`
	Spec  json.RawMessage `json:"spec,omitempty"`
}

// NeedsOf returns what the ledger holds of a unit's needs.
func NeedsOf(u ledger.Unit) (work.Needs, error) {
	var record unitRecord
	err := json.Unmarshal(u.Spec, &record)
	return record.Needs, fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
}

// phases lists all phases in their order.
func phases(p work.Plan) []work.Phase {
	return append(p.Phases[:len(p.Phases):len(p.Phases)], p.OutputPhase)
}

// phaseNames lists the phases that a Map reads a list for: all but the outputs'.
func phaseNames(p work.Plan) []string {
	var names []string
	for _, phase := range p.Phases {
		names = append(names, phase.Name)
	}
	return names
}

// withFinal notes the last unit of each phase.
func withFinal(list []work.Phase) []work.Phase {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Units == nil {
			continue
		}
		for u := range list[i].Units {
			list[i].Final = max(list[i].Final, u.Name)
		}
	}
	return list
}

// units yields what the ledger records of a plan's units ahead of their work. Phases without Units are in the ledger already.
func units(p work.Plan) iter.Seq[ledger.Unit] {
	return func(yield func(ledger.Unit) bool) {
		for _, phase := range phases(p) {
			if phase.Units == nil {
				continue
			}
			for u := range phase.Units {
				spec, _ := json.Marshal(unitRecord{phase.Name, u.Needs, u.Spec}) //nolint:errchkjson // a string and JSON
				if !yield(ledger.Unit{Job: p.ID, ID: u.Name, Spec: spec}) {
					return
				}
			}
		}
	}
}

// next finds out what is left to do and writes the list of the first phase that is not done.
func (e *Engine) next(ctx context.Context, p work.Plan, execution string) (Next, error) {
	n := Next{Job: p.ID, Outputs: []Item{}}
	s, err := e.takeStock(ctx, p, execution)
	if err != nil {
		return n, err
	}
	for _, u := range s.open[p.OutputPhase.Name] {
		n.Outputs = append(n.Outputs, e.item(p, u))
	}
	items := []Item{}
	n.Phase.Last = true
	if len(n.Outputs) > 0 {
		n.Phase.Last = !p.Open
		for _, phase := range p.Phases {
			switch open := s.open[phase.Name]; {
			case len(open) == 0:
			case n.Phase.Name != "":
				n.Phase.Last = false
			default:
				n.Phase.Name = phase.Name
				for _, u := range open {
					items = append(items, e.item(p, u))
				}
				if phase.Independent {
					n.Phase.Tolerated = 100
				}
			}
		}
	}
	if n.Phase.Tolerated > 0 {
		n.Phase.Last = false // its failures are found when the next phase is planned
	}
	n.Concurrency = e.concurrency(p, items)
	if p.Budget > 0 {
		n.Phase.Last = false // what follows is decided when the cost of these is known
		affordable, err := e.withinBudget(p, s, items, n.Concurrency)
		if err != nil {
			return n, err
		}
		if n.Phase.Tolerated == 0 { // a phase whose failures count at its end is run as a whole
			items = affordable
		}
	}
	if len(items) > 0 {
		n.Phase.Bucket, n.Phase.Key, n.Phase.Count = e.Bucket, listKey(p.ID, n.Phase.Name), len(items)
		data, err := json.Marshal(items)
		if err != nil {
			return n, fault.Wrap(fault.Internal, err, "items of the map")
		}
		if _, err := e.Items.Put(ctx, n.Phase.Key, bytes.NewReader(data)); err != nil {
			return n, err
		}
	}
	// Finish records the end before it clears. If that happened meanwhile, the list just written must go again.
	if record, err := e.Ledger.Job(ctx, p.ID); err != nil || record.State == ledger.JobDone {
		if err == nil {
			err = errors.Join(notOwner(p.ID), e.clear(ctx, p.ID, phaseNames(p)))
		}
		return n, err
	}
	e.emit(Event{Type: Planned, Job: p.ID, Groups: s.groups(p)})
	return n, nil
}

// concurrency returns how many items of a Map run at once. More than the deployment has functions for would only be throttled.
// Batch queues what it cannot start yet.
func (e *Engine) concurrency(p work.Plan, items []Item) int {
	onFunctions := slices.ContainsFunc(items, func(i Item) bool { return i.Route != work.RouteBatch })
	if e.Concurrency > 0 && onFunctions {
		return min(p.Concurrency, e.Concurrency)
	}
	return p.Concurrency
}

func (e *Engine) item(p work.Plan, u openUnit) Item {
	return Item{Job: p.ID, Unit: u.name, Class: u.needs.Class, Route: e.route(u.needs), GPU: u.needs.GPU}
}

// listKey is the key of the JSON array that the Distributed Map reads for a phase.
func listKey(job, phase string) string { return job + "/items-" + phase + ".json" }

// ListPattern matches the key of every such array, for policies.
const ListPattern = "*/items-*.json"
