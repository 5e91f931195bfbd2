package engine

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// Collected is what Collect has removed.
type Collected struct {
	Jobs       []string `json:"jobs"`       // jobs that had something left in scratch
	Bytes      int64    `json:"bytes"`      // of their objects
	Unfinished int      `json:"unfinished"` // objects that a worker was writing when it was killed
}

// untouched is how long the objects of a job must have been left alone before they count as left over: a job that has just been
// planned again may be about to use them.
const untouched = 24 * time.Hour

// Destinations are swept when a job has ended so long ago that the uploads of its killed workers count as abandoned, on two days
// in a row, and when its records expire.
const (
	sweepFrom = 24 * time.Hour
	sweepTo   = 72 * time.Hour
)

// leftovers is what a job has in scratch.
type leftovers struct {
	bytes  int64
	newest time.Time
}

// Collect removes from scratch what no execution can need any more: of jobs that are done, of jobs whose records have expired, and
// of jobs without a record. It also removes what killed workers were writing, in scratch and at the destinations. What cannot be
// removed is in the error, after everything else is done. Executions may run meanwhile.
func (e *Engine) Collect(ctx context.Context, _ None) (Collected, error) {
	out := Collected{Jobs: []string{}}
	// Objects first: a job is recorded before it has any, so none is mistaken for one without a record.
	found, err := e.leftovers(ctx)
	if err != nil {
		return out, err
	}
	var failures []error
	remove := func(id string, left leftovers) {
		switch removed, err := e.collect(ctx, id); {
		case err != nil:
			failures = append(failures, fault.Wrap(fault.KindOf(err), err, "what job "+id+" has left"))
		case removed && !left.newest.IsZero():
			out.Jobs, out.Bytes = append(out.Jobs, id), out.Bytes+left.bytes
		}
	}
	unknown := maps.Clone(found)
	for record, err := range e.Ledger.Jobs(ctx) {
		if err != nil {
			return out, err
		}
		delete(unknown, record.ID)
		if age := time.Since(record.Updated); overdue(record) || record.State != ledger.JobRunning && age > sweepFrom && age < sweepTo {
			n, err := e.sweepDestinations(ctx, record)
			out.Unfinished += n
			failures = append(failures, err)
		}
		left, some := found[record.ID]
		if overdue(record) || some && record.State == ledger.JobDone {
			remove(record.ID, left)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(unknown)) {
		if left := unknown[id]; time.Since(left.newest) > untouched {
			remove(id, left)
		}
	}
	for _, store := range e.stores() {
		n, err := blob.Sweep(ctx, store, "")
		out.Unfinished += n
		failures = append(failures, err)
	}
	slices.Sort(out.Jobs)
	return out, errors.Join(failures...)
}

// overdue reports whether the records of a job have expired.
func overdue(record ledger.Job) bool {
	return !record.Expires.IsZero() && record.Expires.Before(time.Now())
}

// stores returns the stores that hold what a job needs while it is under way.
func (e *Engine) stores() []blob.Store {
	if e.Items == e.Scratch {
		return []blob.Store{e.Scratch}
	}
	return []blob.Store{e.Scratch, e.Items}
}

// leftovers returns what lies in scratch, by job.
func (e *Engine) leftovers(ctx context.Context) (map[string]leftovers, error) {
	found := map[string]leftovers{}
	for _, store := range e.stores() {
		for info, err := range store.List(ctx, "") {
			if err != nil {
				return nil, err
			}
			id, _, below := strings.Cut(info.Key, "/")
			if !below {
				continue // not a job's
			}
			left := found[id]
			left.bytes += info.Size
			if info.Modified.After(left.newest) {
				left.newest = info.Modified
			}
			found[id] = left
		}
	}
	return found, nil
}

// collect removes what a job has in scratch, and records that have expired. The job may have been started again since it was
// listed; then it stays.
func (e *Engine) collect(ctx context.Context, id string) (removed bool, err error) {
	record, err := e.Ledger.Job(ctx, id)
	known := !errors.Is(err, ledger.ErrNotFound)
	if known && err != nil {
		return false, err
	}
	if known && record.State != ledger.JobDone && !overdue(record) {
		return false, nil
	}
	for _, store := range e.stores() {
		sizes, err := work.Sizes(ctx, store, work.Prefix(id))
		if err != nil {
			return false, err
		}
		if err := blob.DeleteAll(ctx, store, slices.Sorted(maps.Keys(sizes))); err != nil {
			return false, err
		}
	}
	if known && overdue(record) {
		return true, e.Ledger.Delete(ctx, id)
	}
	return true, nil
}

// sweepDestinations removes what killed workers were writing where a job publishes.
func (e *Engine) sweepDestinations(ctx context.Context, record ledger.Job) (removed int, err error) {
	p, err := DecodePlan(record)
	if err != nil {
		return 0, nil //nolint:nilerr // recorded by another version of mapreel; its bucket's own rules must do
	}
	for _, url := range p.Outputs {
		store, key, err := e.Resolve(ctx, url)
		if err != nil {
			return removed, err
		}
		// The output itself, and the folder of a package.
		for _, prefix := range []string{key, strings.TrimSuffix(key, path.Ext(key)) + "/"} {
			n, err := blob.Sweep(ctx, store, prefix)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}
