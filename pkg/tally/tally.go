// Package tally counts the units of a job as its ledger has them: how many are done, how many were tried again, where they ran, and
// what they used.
//
//	t, spent, err := tally.Read(ctx, ledger, plan)
//
// A deployment and a server on one machine have the same ledger, so clients show jobs of both alike.
package tally

import (
	"context"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// Tally is how far a job is.
type Tally struct {
	// Groups are the groups of units of the plan; one, of all units, where only the counts of map runs are known.
	Groups   []Group `json:"groups"`
	Retries  int     `json:"retries,omitempty"`  // attempts at units after the first
	Failures int     `json:"failures,omitempty"` // units whose last attempt failed
	// Moved counts the units that were not done at the first place of their route, by the error that they met there: OutOfTime, or
	// Lambda.TooManyRequestsException where they were throttled.
	Moved map[string]int `json:"moved,omitempty"`
	// Throttled is how many of a few units that were looked at wait because Lambda refused them, as too many run. They are tried again.
	Throttled int         `json:"throttled,omitempty"`
	CPU       int64       `json:"cpu,omitempty"`  // milliseconds of processors that all attempts took so far
	Cost      *price.Cost `json:"cost,omitempty"` // so far, by list prices; nil: unknown, or nothing
	// Elsewhere is what MediaConvert would have charged for the videos that were published; nil where there are none.
	Elsewhere *price.Elsewhere `json:"mediaConvert,omitempty"`
}

// Group is units of one kind.
type Group struct {
	Name    string      `json:"name"` // "video"; "units" where the kinds are not known
	Noun    string      `json:"noun"` // in the plural: "segments"
	Units   int         `json:"units"`
	Done    int         `json:"done"`
	Running int         `json:"running,omitempty"`
	Total   work.Amount `json:"total,omitzero"` // of all units, as planned
	Amount  work.Amount `json:"amount,omitzero"`
}

// Read reads the units of a job. Of all phases: those that are done stay in the ledger, also over a redrive.
func Read(ctx context.Context, l ledger.Ledger, plan work.Plan) (Tally, engine.Spent, error) {
	var spent engine.Spent
	t := Tally{Groups: make([]Group, len(plan.Groups))}
	for i, g := range plan.Groups {
		t.Groups[i] = Group{Name: g.Name, Noun: g.Noun, Units: g.Units, Total: g.Total}
	}
	for u, err := range engine.ReadUnits(ctx, l, plan.ID) {
		if err != nil {
			return t, spent, err
		}
		spent.Add(u.Attempt, u.Uses)
		t.count(u)
		for i, g := range plan.Groups {
			if g.Contains(u.ID) {
				t.Groups[i].count(u)
			}
		}
	}
	t.CPU = spent.CPU
	return t, spent, nil
}

// count adds what did not go well with a unit.
func (t *Tally) count(u engine.UnitReport) {
	t.Retries += max(u.Attempt-1, 0)
	if u.State == ledger.Failed {
		t.Failures++
	}
	if u.Reason == "" {
		return
	}
	if t.Moved == nil {
		t.Moved = map[string]int{}
	}
	t.Moved[u.Reason]++
}

// count adds a unit of the group.
func (g *Group) count(u engine.UnitReport) {
	switch u.State {
	case ledger.Running:
		g.Running++
	case ledger.Done:
		g.Done++
		g.Amount.Media += u.Done.Media
		g.Amount.Count += u.Done.Count
		g.Amount.Bytes += u.Done.Bytes
	}
}
