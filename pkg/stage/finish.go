package stage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// Finish ends a job: after the last merge it records the job as done, removes its pieces and returns what was made.
// After a failure, told from outside, it records what happened and keeps the pieces, so that the job can go on.
func (w *Worker) Finish(ctx context.Context, in film.FinishInput) (film.Result, error) {
	if in.Status != "" {
		return w.fail(ctx, in)
	}
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return film.Result{}, err
	}
	result := film.Result{Job: j.ID, Segments: j.Segments, Warnings: j.Warnings[:min(len(j.Warnings), maxWarnings)]}
	for _, out := range j.Outputs {
		u, err := w.Ledger.Unit(ctx, j.ID, film.OutputUnit(out.Name))
		var facts film.OutputFacts
		if err := reported(u, err, &facts); err != nil {
			return film.Result{}, err
		}
		result.Outputs = append(result.Outputs, facts)
	}
	if j.HasSidecar() {
		var facts film.SidecarFacts
		u, err := w.Ledger.Unit(ctx, j.ID, film.SidecarUnit)
		if err := reported(u, err, &facts); err != nil {
			return film.Result{}, err
		}
		result.Warnings = append(result.Warnings, facts.Warnings[:min(len(facts.Warnings), max(maxWarnings-len(result.Warnings), 0))]...)
	}
	for u, err := range w.Ledger.Units(ctx, j.ID, "video/") {
		var facts film.SegmentFacts
		if err == nil && u.State == ledger.Done {
			err = json.Unmarshal(u.Facts, &facts)
		}
		if err != nil {
			return film.Result{}, err
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
		return film.Result{}, err
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
	return w.Items.Delete(ctx, film.ItemsKey(id))
}

func (w *Worker) fail(ctx context.Context, in film.FinishInput) (film.Result, error) {
	record, err := w.Ledger.JobOf(ctx, in.Execution)
	if errors.Is(err, ledger.ErrNotFound) {
		return film.Result{}, nil // it failed before it became a job, or a newer execution has taken the job over
	}
	if err != nil {
		return film.Result{}, err
	}
	var j film.Job
	if err := json.Unmarshal(record.Doc, &j); err != nil {
		return film.Result{}, fault.Wrap(fault.Corrupt, err, "record of job "+record.ID)
	}
	failure, err := w.reason(ctx, record, in)
	if err != nil {
		return film.Result{}, err
	}
	err = w.Ledger.EndJob(ctx, j.ID, in.Execution, ledger.JobFailed, &failure, expiry(j))
	if errors.Is(err, ledger.ErrConflict) {
		err = nil
	}
	return film.Result{Job: j.ID, Segments: j.Segments}, err
}

// reason is why an execution failed. Of a Map the service says only that too many of its items did, and of a Batch job
// that its process ended: then it is what the first unit says that failed in this execution. The first, because the
// others may have failed when it stopped them.
func (w *Worker) reason(ctx context.Context, record ledger.Job, in film.FinishInput) (ledger.Failure, error) {
	given := ledger.Failure{Kind: cmp.Or(in.Error, in.Status), Message: in.Cause}
	if in.Status != "FAILED" {
		return given, nil
	}
	known := slices.Contains(fault.Kinds(), fault.Kind(in.Error))
	var first ledger.Unit
	for u, err := range w.Ledger.Units(ctx, record.ID, "") {
		if err != nil {
			return given, err
		}
		if u.State != ledger.Failed || u.Failure == nil || u.Updated.Before(record.Updated) {
			continue
		}
		if first.Failure == nil || u.Updated.Before(first.Updated) {
			first = u
		}
	}
	switch {
	case first.Failure != nil && (!known || first.Failure.Kind == in.Error):
		return *first.Failure, nil
	case record.State == ledger.JobFailed && record.Failure != nil && !known: // told again of what is recorded
		return *record.Failure, nil
	}
	return given, nil
}
