package stage

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/job"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// Finish ends a job: after the last merge it records the job as done, removes its pieces and returns what was made.
// After a failure, told from outside, it records what happened and keeps the pieces, so that the job can go on.
func (w *Worker) Finish(ctx context.Context, in job.FinishInput) (job.Result, error) {
	if in.Status != "" {
		return w.fail(ctx, in)
	}
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return job.Result{}, err
	}
	result := job.Result{Job: j.ID, Segments: j.Segments, Warnings: j.Warnings[:min(len(j.Warnings), maxWarnings)]}
	for _, out := range j.Outputs {
		u, err := w.Ledger.Unit(ctx, j.ID, job.OutputUnit(out.Name))
		var facts job.OutputFacts
		if err := reported(u, err, &facts); err != nil {
			return job.Result{}, err
		}
		result.Outputs = append(result.Outputs, facts)
	}
	for u, err := range w.Ledger.Units(ctx, j.ID, "video/") {
		var facts job.VideoFacts
		if err == nil && u.State == ledger.Done {
			err = json.Unmarshal(u.Facts, &facts)
		}
		if err != nil {
			return job.Result{}, err
		}
		if facts.Damage != "" && len(result.Warnings) < maxWarnings {
			result.Warnings = append(result.Warnings, facts.Damage)
		}
	}
	err = w.Ledger.EndJob(ctx, j.ID, in.Execution, ledger.JobDone, nil, expiry(j))
	if errors.Is(err, ledger.ErrConflict) {
		return result, nil // a newer execution has the job, needs its items still, and clears what is there when it ends
	}
	if err != nil {
		return job.Result{}, err
	}
	if !w.Keep {
		err = w.clear(ctx, j.ID)
	}
	return result, err
}

// maxWarnings keeps a result far below the payload limit; the rest are in the ledger.
const maxWarnings = 100

// clear removes all of a job's pieces. It may be run again after it was killed in between.
func (w *Worker) clear(ctx context.Context, id string) error {
	have, err := w.stored(ctx, id)
	if err != nil {
		return err
	}
	for key := range have {
		if err := w.Scratch.Delete(ctx, key); err != nil {
			return err
		}
	}
	return w.Items.Delete(ctx, job.ItemsKey(id))
}

func (w *Worker) fail(ctx context.Context, in job.FinishInput) (job.Result, error) {
	record, err := w.Ledger.JobOf(ctx, in.Execution)
	if errors.Is(err, ledger.ErrNotFound) {
		return job.Result{}, nil // it failed before it became a job, or a newer execution has taken the job over
	}
	if err != nil {
		return job.Result{}, err
	}
	var j job.Job
	if err := json.Unmarshal(record.Doc, &j); err != nil {
		return job.Result{}, fault.Wrap(fault.Corrupt, err, "record of job "+record.ID)
	}
	kind := in.Error
	if kind == "" {
		kind = in.Status
	}
	err = w.Ledger.EndJob(ctx, j.ID, in.Execution, ledger.JobFailed, &ledger.Failure{Kind: kind, Message: in.Cause}, expiry(j))
	if errors.Is(err, ledger.ErrConflict) {
		err = nil
	}
	return job.Result{Job: j.ID, Segments: j.Segments}, err
}
