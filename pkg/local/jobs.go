package local

import (
	"cmp"
	"context"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/work"
)

// Jobs lists the jobs in the ledger of a scratch folder, newest first, also while other processes run some.
func Jobs(ctx context.Context, scratch string) ([]Status, error) {
	home, found, err := findScratch(scratch)
	if err != nil || !found {
		return nil, err
	}
	l, err := home.ledger(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // nothing was written
	var list []Status
	for record, err := range l.Jobs(ctx) {
		if err != nil {
			return nil, err
		}
		s, err := status(ctx, home, l, record)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// interrupted is the state of a job that was told to stop, or whose process ended without recording an end. The same command
// continues it.
const interrupted = "interrupted"

// aborted is the status, and the kind of failure in the ledger, of a job that was told to stop.
const aborted = "ABORTED"

func status(ctx context.Context, home scratch, l ledger.Ledger, record ledger.Job) (Status, error) {
	s := Status{Job: record.ID, State: string(record.State), Updated: record.Updated}
	if record.State == ledger.JobRunning && !home.alive(record.Execution) {
		s.State = interrupted
	}
	switch {
	case record.Failure == nil:
	case record.Failure.Kind == aborted:
		s.State = interrupted
	default:
		s.Error = record.Failure.Message
	}
	p, err := engine.DecodePlan(record)
	if err != nil { // the list must show the other jobs all the same
		s.Error = cmp.Or(s.Error, "another version of mapreel recorded this job; the same request starts a new one")
		return s, nil //nolint:nilerr // reported in the status
	}
	s.Source, s.Outputs = p.Source, p.Outputs
	groups, updated, err := engine.ReadProgress(ctx, l, p)
	if updated.After(s.Updated) {
		s.Updated = updated
	}
	s.Groups = groups
	return s, err
}

// OpenLedger opens the ledger of a scratch folder, which it makes where it is missing. The caller closes it.
func OpenLedger(ctx context.Context, scratch string) (*sqlite.Ledger, error) {
	home, err := makeScratch(scratch)
	if err != nil {
		return nil, err
	}
	return home.ledger(ctx)
}

// Past passes the jobs of a scratch folder that are done to visit, the newest first.
func Past(ctx context.Context, scratch string, visit func(l ledger.Ledger, plan work.Plan) error) error {
	home, found, err := findScratch(scratch)
	if err != nil || !found {
		return err
	}
	l, err := home.ledger(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // nothing was written
	for record, err := range l.Jobs(ctx) {
		if err != nil {
			return err
		}
		plan, err := engine.DecodePlan(record)
		if err != nil || record.State != ledger.JobDone { // of another version
			continue
		}
		if err := visit(l, plan); err != nil {
			return err
		}
	}
	return nil
}
