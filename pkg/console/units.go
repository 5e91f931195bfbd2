package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// blockUnits is how many units a line of the answer has: what a browser draws at first, and can read within a frame.
const blockUnits = 500

// unitBlock is a list of units in columns, which are read several times faster than records, and have a third of their size.
type unitBlock struct {
	Kind     string         `json:"kind"` // of all units: what is before the slash of their names
	Names    []string       `json:"id"`   // what is behind it
	States   string         `json:"s"`    // the first letter of each state
	Attempts []int          `json:"n"`
	Base     int64          `json:"t"` // milliseconds since 1970, which Began and Ended count from
	Began    []int64        `json:"b"` // -1: not known
	Ended    []int64        `json:"e"` // likewise
	Frames   []int64        `json:"f"`
	Bytes    []int64        `json:"z"`
	Failures map[int]string `json:"x,omitempty"` // by index, as the others
	Warnings map[int]int    `json:"w,omitempty"`
	Batch    []int          `json:"p,omitempty"` // indices
}

// add appends a unit of the block's kind.
func (b *unitBlock) add(u Unit, name string) {
	i := len(b.Names)
	b.Names, b.States, b.Attempts = append(b.Names, name), b.States+string(u.State[:1]), append(b.Attempts, u.Attempt)
	b.Began, b.Ended = append(b.Began, u.Began), append(b.Ended, u.Ended)
	b.Frames, b.Bytes = append(b.Frames, u.Frames), append(b.Bytes, u.Bytes)
	if u.Failure != "" {
		if b.Failures == nil {
			b.Failures = map[int]string{}
		}
		b.Failures[i] = u.Failure
	}
	if u.Warnings > 0 {
		if b.Warnings == nil {
			b.Warnings = map[int]int{}
		}
		b.Warnings[i] = u.Warnings
	}
	if u.Batch {
		b.Batch = append(b.Batch, i)
	}
}

// rebased returns the block with times that count from the earliest of them.
func (b unitBlock) rebased() unitBlock {
	for _, at := range slices.Concat(b.Began, b.Ended) {
		if at != 0 && (b.Base == 0 || at < b.Base) {
			b.Base = at
		}
	}
	for _, column := range [][]int64{b.Began, b.Ended} {
		for i, at := range column {
			if at == 0 {
				at = b.Base - 1
			}
			column[i] = at - b.Base
		}
	}
	return b
}

// blocksOf yields units in blocks. The last error, if there is one, comes after the units that were read.
func blocksOf(units iter.Seq2[Unit, error]) iter.Seq2[unitBlock, error] {
	return func(yield func(unitBlock, error) bool) {
		var b unitBlock
		for u, err := range units {
			if err != nil {
				if len(b.Names) > 0 && !yield(b.rebased(), nil) {
					return
				}
				yield(unitBlock{}, err)
				return
			}
			kind, name, _ := strings.Cut(u.ID, "/")
			if len(b.Names) > 0 && (kind != b.Kind || len(b.Names) == blockUnits) {
				if !yield(b.rebased(), nil) {
					return
				}
				b = unitBlock{}
			}
			b.Kind = kind
			b.add(u, name)
		}
		if len(b.Names) > 0 {
			yield(b.rebased(), nil)
		}
	}
}

// units answers with the units of a job, as lines of JSON: the position in the changes of its run that they are at least from, blocks,
// and a last line that has an error or the number of units. The first block can be drawn while the others are read.
func (s *Server) units(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, control, count := json.NewEncoder(w), http.NewResponseController(w), 0
	from := s.runs.of(x.ARN).now()
	for b, err := range blocksOf(s.unitsOf(r.Context(), x)) {
		if err != nil && count == 0 {
			return err
		}
		if err != nil {
			return out.Encode(map[string]string{"error": err.Error()})
		}
		if count == 0 {
			_ = out.Encode(map[string]position{"from": from}) // as below
		}
		if err := out.Encode(b); err != nil {
			return nil //nolint:nilerr // the browser is gone
		}
		_ = control.Flush() // every server that this runs in supports it
		count += len(b.Names)
	}
	if count == 0 {
		_ = out.Encode(map[string]position{"from": from})
	}
	_ = out.Encode(map[string]int{"count": count}) // the browser may be gone
	return nil
}

// unitsOf yields the units of a job: from the ledger, and where that has forgotten them from the children of its map runs.
func (s *Server) unitsOf(ctx context.Context, x history.Execution) iter.Seq2[Unit, error] {
	return func(yield func(Unit, error) bool) {
		record, err := s.opts.Ledger.JobOf(ctx, x.ARN)
		if errors.Is(err, ledger.ErrNotFound) {
			s.childUnits(ctx, x)(yield)
			return
		}
		if err != nil {
			yield(Unit{}, err)
			return
		}
		live := s.runs.of(x.ARN)
		for r, err := range engine.ReadUnits(ctx, s.opts.Ledger, record.ID) {
			u := Unit{}
			if err == nil {
				u = unitOf(r)
				if now, ok := live.unit(u.ID); ok { // it is ahead of what was read
					now.Batch = u.Batch
					now.Failure = cmp.Or(now.Failure, u.Failure)
					u = now
				}
			}
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}

func unitOf(r engine.UnitReport) Unit {
	u := Unit{
		ID: r.ID, State: r.State, Attempt: r.Attempt, Frames: r.Done.Count, Bytes: r.Done.Bytes, Batch: r.Reason != "" || r.Needs.Route == work.RouteBatch,
		Warnings: len(r.Warnings),
	}
	if !r.Began.IsZero() {
		u.Began = r.Began.UnixMilli()
	}
	if !r.Ended.IsZero() {
		u.Ended = r.Ended.UnixMilli()
	}
	if r.Failure != nil {
		u.Failure = firstLine(r.Failure.Message)
	}
	return u
}

// childUnits yields the units of the children of a job's map runs, each as its newest child shows it.
func (s *Server) childUnits(ctx context.Context, x history.Execution) iter.Seq2[Unit, error] {
	return func(yield func(Unit, error) bool) {
		runs, err := s.opts.Store.MapRuns(ctx, x.ARN, 0, maxMapRuns)
		if err != nil {
			yield(Unit{}, err)
			return
		}
		seen := map[string]bool{}
		for _, m := range runs {
			children, err := s.opts.Store.List(ctx, history.Filter{MapRun: m.ARN, Limit: maxChildren})
			if err != nil {
				yield(Unit{}, err)
				return
			}
			for _, c := range children {
				id := unitName(c)
				if id == "" || seen[id] {
					continue
				}
				seen[id] = true
				u := Unit{ID: id, State: stateOf(c.Status), Began: c.Started.UnixMilli(), Failure: firstLine(c.Cause)}
				if !c.Stopped.IsZero() {
					u.Ended = c.Stopped.UnixMilli()
				}
				if !yield(u, nil) {
					return
				}
			}
		}
	}
}

// maxChildren bounds the children of a map run that the page lists.
const maxChildren = 100_000

// unitName returns the name of the unit that a child is about.
func unitName(child history.Execution) string {
	var item struct {
		Unit string `json:"unit"`
	}
	_ = json.Unmarshal(child.Input, &item) // the machine's own items
	return item.Unit
}

// stateOf returns the state of a unit whose child has a status.
func stateOf(status history.Status) ledger.UnitState {
	switch status {
	case history.Running:
		return ledger.Running
	case history.Succeeded:
		return ledger.Done
	}
	return ledger.Failed
}

// child is an execution that was about a unit.
type child struct {
	ARN     string `json:"arn"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Started int64  `json:"started"`
	Stopped int64  `json:"stopped,omitempty"`
	Error   string `json:"error,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Input   string `json:"input"`
	Output  string `json:"output,omitempty"`
}

// unit answers with what is known of one unit.
func (s *Server) unit(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	id := r.URL.Query().Get("unit")
	answer := map[string]any{}
	record, err := s.opts.Ledger.JobOf(r.Context(), x.ARN)
	if err == nil {
		var report engine.UnitReport
		if report, err = engine.ReadUnit(r.Context(), s.opts.Ledger, record.ID, id); err == nil {
			answer["unit"], answer["class"], answer["route"], answer["phase"] = unitOf(report), report.Needs.Class, report.Needs.Route, report.Phase
			answer["owner"], answer["reason"], answer["warnings"] = report.Owner, report.Reason, report.Warnings
			if report.Failure != nil {
				answer["failure"] = map[string]string{"kind": report.Failure.Kind, "message": report.Failure.Message}
			}
		}
	}
	if err == nil && s.opts.UnitLogs != nil {
		if answer["logs"], err = s.opts.UnitLogs(record.ID, id); err != nil {
			s.opts.Log.WarnContext(r.Context(), "log of a unit not read", "unit", id, "error", err)
			err = nil // what else is known is shown
		}
	}
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	list, err := s.opts.Store.ChildrenOfUnit(r.Context(), x.ARN, id, maxMapRuns)
	if err != nil {
		return err
	}
	children := make([]child, len(list))
	for i, c := range list {
		children[i] = child{
			ARN: c.ARN, Name: c.Name, Status: string(c.Status), Started: c.Started.UnixMilli(), Error: c.Error, Cause: c.Cause, Input: string(c.Input), Output: string(c.Output),
		}
		if !c.Stopped.IsZero() {
			children[i].Stopped = c.Stopped.UnixMilli()
		}
	}
	answer["children"] = children
	reply(w, http.StatusOK, answer)
	return nil
}
