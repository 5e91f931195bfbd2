package engine

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// UnitReport is what the ledger holds of a unit, for people.
type UnitReport struct {
	ID       string
	Phase    string
	Needs    work.Needs
	State    ledger.UnitState
	Attempt  int // the newest one; of a unit that is done, the one that counted
	Owner    string
	Began    time.Time // of that attempt, where it is known: it runs, it is done, or it left a record of what it used
	Ended    time.Time // of an attempt that has ended
	Done     work.Amount
	Reason   string // why it did not run at the first place of its route
	Warnings []string
	Uses     map[int]price.Use // by the numbers of the attempts that left a record
	Failure  *ledger.Failure   // of the newest attempt that failed
}

// ReadUnits yields the units of a job, in the order of their names.
func ReadUnits(ctx context.Context, l ledger.Ledger, job string) iter.Seq2[UnitReport, error] {
	return func(yield func(UnitReport, error) bool) {
		for u, err := range l.Units(ctx, job, "") {
			var r UnitReport
			if err == nil {
				r, err = reportOf(u)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// ReadUnit returns one unit of a job, or ledger.ErrNotFound.
func ReadUnit(ctx context.Context, l ledger.Ledger, job, unit string) (UnitReport, error) {
	u, err := l.Unit(ctx, job, unit)
	if err != nil {
		return UnitReport{}, err
	}
	return reportOf(u)
}

func reportOf(u ledger.Unit) (UnitReport, error) {
	var record struct { // unitRecord without the specification, which may be large
		Phase string     `json:"phase"`
		Needs work.Needs `json:"needs"`
	}
	if err := json.Unmarshal(u.Spec, &record); err != nil {
		return UnitReport{}, fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
	}
	uses, err := usesOf(u)
	if err != nil {
		return UnitReport{}, err
	}
	r := UnitReport{
		ID: u.ID, Phase: record.Phase, Needs: record.Needs, State: u.State, Attempt: u.Attempt, Owner: u.Owner, Uses: uses, Failure: u.Failure,
	}
	switch u.State {
	case ledger.Running:
		r.Began = u.Updated
	case ledger.Failed:
		r.Ended = u.Updated
		if use, ok := uses[u.Attempt]; ok {
			r.Began = u.Updated.Add(-time.Duration(use.Millis) * time.Millisecond)
		}
	case ledger.Done:
		var o outcome
		if err := json.Unmarshal(u.Facts, &o); err != nil {
			return r, fault.Wrap(fault.Corrupt, err, "result of "+u.ID)
		}
		r.Ended, r.Began = u.Updated, u.Updated.Add(-time.Duration(o.Elapsed)*time.Millisecond)
		r.Done, r.Reason, r.Warnings = o.Done, o.Reason, o.Warnings
	}
	return r, nil
}
