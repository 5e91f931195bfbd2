package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

func (s *Server) definition(w http.ResponseWriter, _ *http.Request) error {
	reply(w, http.StatusOK, json.RawMessage(s.opts.Definition))
	return nil
}

// older answers with the jobs before a sequence number.
func (s *Server) older(w http.ResponseWriter, r *http.Request) error {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 1 {
		return &refusal{http.StatusBadRequest, "before must be a sequence number"}
	}
	list, err := s.opts.Store.List(r.Context(), history.Filter{Before: before, Limit: recent})
	if err != nil {
		return err
	}
	rows := make([]Row, len(list))
	for i, x := range list {
		if rows[i], err = s.row(r.Context(), x); err != nil {
			return err
		}
	}
	reply(w, http.StatusOK, map[string]any{"rows": rows, "more": len(list) == recent})
	return nil
}

// output is a file that a job made.
type output struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Size   int64  `json:"size"` // with its media, of a package
	Frames int    `json:"frames,omitempty"`
	Play   string `json:"play"`           // address of a page that plays it
	File   string `json:"file,omitempty"` // address of the file, where it is one
}

// job answers with what the page shows of a job from the beginning, apart from its units.
func (s *Server) job(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	row, err := s.row(r.Context(), x)
	if err != nil {
		return err
	}
	head, err := s.head(r.Context(), x)
	if err != nil {
		return err
	}
	made := outcomeOf(x)
	warnings := append([]string{}, made.Warnings...)
	if live := s.runs.of(x.ARN); live != nil {
		warnings = append(warnings, live.warned()...)
	}
	outputs := []output{}
	for i, o := range made.Outputs {
		outputs = append(outputs, outputOf(x, i, o.URL, o.Size+o.Media, o.Frames))
	}
	reply(w, http.StatusOK, map[string]any{
		"row": row, "head": head, "warnings": warnings, "outputs": outputs, "error": x.Error, "cause": x.Cause, "input": x.Input,
	})
	return nil
}

// eventPage is how many events of a history come at once.
const eventPage = 500

// event is an event of a history.
type event struct {
	ID       int64           `json:"id"`
	Previous int64           `json:"previous"`
	Time     int64           `json:"time"` // milliseconds since 1970
	Type     string          `json:"type"`
	Details  json.RawMessage `json:"details"`
}

// history answers with the events of a job that follow an ID; with &child=NAME, of a child of one of its map runs.
func (s *Server) history(w http.ResponseWriter, r *http.Request) error {
	after, err := strconv.ParseInt("0"+r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return &refusal{http.StatusBadRequest, "after must be the ID of an event"}
	}
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	if child := r.URL.Query().Get("child"); child != "" {
		arn := x.ARN
		if x, err = s.opts.Store.Execution(r.Context(), child); err != nil {
			return err
		}
		if parent, err := s.opts.Store.MapRun(r.Context(), x.MapRun); err != nil || parent.Execution != arn {
			return errors.Join(err, history.ErrNotFound)
		}
	}
	list, err := s.opts.Store.Events(r.Context(), x, after, false, eventPage)
	if err != nil {
		return err
	}
	events := make([]event, len(list))
	for i, e := range list {
		events[i] = event{e.ID, e.Previous, e.Time.UnixMilli(), e.Type, e.Details}
	}
	reply(w, http.StatusOK, events)
	return nil
}

// units answers with the units of a job: from the ledger, and where that has forgotten them from the children of its map runs.
func (s *Server) units(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	units, err := s.unitsOf(r.Context(), x)
	if err != nil {
		return err
	}
	if live := s.runs.of(x.ARN); live != nil { // it is ahead of what was read
		index := make(map[string]int, len(units))
		for i, u := range units {
			index[u.ID] = i
		}
		changed, _ := live.since(0)
		for _, u := range changed {
			if i, ok := index[u.ID]; ok {
				units[i] = u
			}
		}
	}
	reply(w, http.StatusOK, units)
	return nil
}

func (s *Server) unitsOf(ctx context.Context, x history.Execution) ([]Unit, error) {
	units := []Unit{}
	record, err := s.opts.Ledger.JobOf(ctx, x.ARN)
	if errors.Is(err, ledger.ErrNotFound) {
		return s.childUnits(ctx, x)
	}
	if err != nil {
		return nil, err
	}
	for r, err := range engine.ReadUnits(ctx, s.opts.Ledger, record.ID) {
		if err != nil {
			return nil, err
		}
		units = append(units, unitOf(r))
	}
	return units, nil
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

// childUnits returns the units of the children of a job's map runs, each as its newest child shows it.
func (s *Server) childUnits(ctx context.Context, x history.Execution) ([]Unit, error) {
	runs, err := s.opts.Store.MapRuns(ctx, x.ARN, 0, maxMapRuns)
	if err != nil {
		return nil, err
	}
	units, seen := []Unit{}, map[string]bool{}
	for _, m := range runs {
		children, err := s.opts.Store.List(ctx, history.Filter{MapRun: m.ARN, Limit: maxChildren})
		if err != nil {
			return nil, err
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
			units = append(units, u)
		}
	}
	return units, nil
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
			ARN: c.ARN, Name: c.Name, Status: string(c.Status), Started: c.Started.UnixMilli(), Error: c.Error, Cause: c.Cause, Input: string(c.Input),
		}
		if !c.Stopped.IsZero() {
			children[i].Stopped = c.Stopped.UnixMilli()
		}
	}
	answer["children"] = children
	reply(w, http.StatusOK, answer)
	return nil
}
