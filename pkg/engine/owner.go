package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// owner identifies the execution that holds a job and when that execution started, or was last redriven.
type owner struct {
	execution string
	started   time.Time
}

// errNewerOwner says that an execution which started later holds the job.
var errNewerOwner = errors.New("a newer execution works on the job")

// notOwner is the error of an execution that no longer holds a job.
func notOwner(id string) error {
	return fault.New(fault.Transient, "job %s is no longer this execution's: it was finished, or another one works on it", id)
}

// record writes the job to the ledger for its owner. An error that wraps errNewerOwner says that a newer execution holds it.
func (e *Engine) record(ctx context.Context, p work.Plan, by owner) error {
	doc, err := json.Marshal(p)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "record of job "+p.ID)
	}
	err = e.Ledger.PutJob(ctx, ledger.Job{
		ID: p.ID, State: ledger.JobRunning, Execution: by.execution, Started: by.started, Doc: doc, Expires: e.ahead(p),
	})
	if !errors.Is(err, ledger.ErrConflict) {
		return err
	}
	now, err := e.Ledger.Job(ctx, p.ID)
	switch {
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return err
	case now.State == ledger.JobDone:
		// This execution was given up, and its successor has cleared the scratch. Only this execution can remove what it wrote since.
		return errors.Join(notOwner(p.ID), e.clear(ctx, p.ID, phaseNames(p)))
	case now.State == ledger.JobRunning && now.Execution != by.execution:
		return errors.Join(notOwner(p.ID), errNewerOwner)
	}
	return notOwner(p.ID)
}
