package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// FinishInput ends a job: at the machine's end with Job, or after a failure, reported from outside the execution, with
// Execution and what became of it.
type FinishInput struct {
	Job       string `json:"job,omitempty"`
	Execution string `json:"execution"`
	Status    string `json:"status,omitempty"` // "", or FAILED, TIMED_OUT, ABORTED
	Error     string `json:"error,omitempty"`
	Cause     string `json:"cause,omitempty"`
}

// Outcome is what an execution returns.
type Outcome struct {
	Job      string            `json:"job"`
	Units    map[string]int    `json:"units"`   // how many were done, by the plan's groups
	Outputs  []json.RawMessage `json:"outputs"` // facts of the units that published them, in the order of the plan's Outputs
	Warnings []string          `json:"warnings,omitempty"`
}

// maxWarnings keeps an outcome far below the payload limit. The ledger holds the rest.
const maxWarnings = 100

// Finish ends a job: after the last output it records the job as done, removes its artifacts from scratch and returns what was
// made. After a failure it records what happened and keeps the artifacts, so that the job can go on.
func (e *Engine) Finish(ctx context.Context, in FinishInput) (Outcome, error) {
	if in.Status != "" {
		return e.recordFailure(ctx, in)
	}
	p, err := e.plan(ctx, in.Job)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Job: p.ID, Units: map[string]int{}, Warnings: slices.Clone(p.Warnings)}
	for _, g := range p.Groups {
		out.Units[g.Name] = 0
	}
	var phases []string
	var published []work.Result
	for u, err := range e.Ledger.Units(ctx, p.ID, "") {
		if err != nil {
			return Outcome{}, err
		}
		var record unitRecord
		if err := json.Unmarshal(u.Spec, &record); err != nil {
			return Outcome{}, fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
		}
		if record.Phase != p.OutputPhase.Name && !slices.Contains(phases, record.Phase) {
			phases = append(phases, record.Phase)
		}
		for _, g := range p.Groups {
			if g.Contains(u.ID) {
				out.Units[g.Name]++
			}
		}
		if u.State != ledger.Done {
			if record.Phase == p.OutputPhase.Name {
				return Outcome{}, fault.New(fault.Corrupt, "%s is %s, not done", u.ID, u.State)
			}
			continue // an artifact that was lost after the outputs were published
		}
		result, err := decodeResult(u)
		if err != nil {
			return Outcome{}, err
		}
		if record.Phase == p.OutputPhase.Name {
			published = append(published, result)
		}
		for _, w := range result.Warnings {
			if len(out.Warnings) < maxWarnings && !slices.Contains(out.Warnings, w) { // several units may meet the same damage
				out.Warnings = append(out.Warnings, w)
			}
		}
	}
	slices.SortStableFunc(published, func(a, b work.Result) int {
		return cmp.Compare(slices.Index(p.Outputs, a.URL), slices.Index(p.Outputs, b.URL))
	})
	for _, result := range published {
		out.Outputs = append(out.Outputs, result.Facts)
	}
	out.Warnings = out.Warnings[:min(len(out.Warnings), maxWarnings)]
	err = e.Ledger.EndJob(ctx, p.ID, in.Execution, ledger.JobDone, nil, e.doneUntil(p))
	if errors.Is(err, ledger.ErrConflict) {
		return out, nil // a newer execution holds the job, still needs its lists, and clears everything when it ends
	}
	if err != nil {
		return Outcome{}, err
	}
	err = e.clear(ctx, p.ID, phases)
	switch fault.KindOf(err) {
	case fault.OutOfTime, fault.Invalid: // too many objects, or no permission: another attempt would not help
		// The outputs are published and the job is done. What stays is removed by Collect.
		e.logger().WarnContext(ctx, "scratch not cleared", "job", p.ID, "error", err)
		return out, nil
	}
	return out, err
}

// clear removes a job's objects from scratch, and the lists of these phases, unless they are to be kept. It may be run again after it
// was killed half-way.
func (e *Engine) clear(ctx context.Context, job string, phases []string) error {
	if e.Keep {
		return nil
	}
	if err := e.deleteBelow(ctx, work.Prefix(job)); err != nil {
		return err
	}
	for _, phase := range phases {
		if err := e.Items.Delete(ctx, listKey(job, phase)); err != nil {
			return err
		}
	}
	return nil
}

// deleteBelow removes all objects in scratch whose keys begin with prefix.
func (e *Engine) deleteBelow(ctx context.Context, prefix string) error {
	sizes, err := work.Sizes(ctx, e.Scratch, prefix)
	if err != nil {
		return err
	}
	return blob.DeleteAll(ctx, e.Scratch, slices.Sorted(maps.Keys(sizes)))
}

func (e *Engine) recordFailure(ctx context.Context, in FinishInput) (Outcome, error) {
	record, err := e.Ledger.JobOf(ctx, in.Execution)
	if errors.Is(err, ledger.ErrNotFound) {
		return Outcome{}, nil // it failed before it became a job, or a newer execution has taken the job over
	}
	if err != nil {
		return Outcome{}, err
	}
	expires := record.Expires // kept where another version of mapreel recorded the job
	if p, err := DecodePlan(record); err == nil {
		expires = e.failedUntil(p)
	}
	if err := e.Ledger.Renew(ctx, record.ID, expires); err != nil { // of its units, too
		return Outcome{}, err
	}
	failure, err := e.reason(ctx, record, in)
	if err != nil {
		return Outcome{}, err
	}
	err = e.Ledger.EndJob(ctx, record.ID, in.Execution, ledger.JobFailed, &failure, expires)
	if errors.Is(err, ledger.ErrConflict) {
		err = nil
	}
	return Outcome{Job: record.ID}, err
}

// reason returns why an execution failed. Of a Map the service reports only that too many items failed, and of a Batch job only
// that its process ended. In both cases the first unit that failed in this execution has the reason. The first, because the
// others may have failed when it stopped them.
func (e *Engine) reason(ctx context.Context, record ledger.Job, in FinishInput) (ledger.Failure, error) {
	given := ledger.Failure{Kind: cmp.Or(in.Error, in.Status), Message: in.Cause}
	if in.Status != "FAILED" {
		return given, nil
	}
	known := slices.Contains(fault.Kinds(), fault.Kind(in.Error))
	var first ledger.Unit
	for u, err := range e.Ledger.Units(ctx, record.ID, "") {
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
	case record.State == ledger.JobFailed && record.Failure != nil && !known: // the same news a second time
		return *record.Failure, nil
	}
	return given, nil
}

// Reason returns why an execution that holds the job of record failed, as Finish records it.
func Reason(ctx context.Context, l ledger.Ledger, record ledger.Job, in FinishInput) (ledger.Failure, error) {
	return (&Engine{Ledger: l}).reason(ctx, record, in)
}
