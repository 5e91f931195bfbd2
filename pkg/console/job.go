package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/mapreel/mapreel/pkg/history"
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
	Play   string `json:"play"` // address of a page that plays it
	File   string `json:"file"` // address of the file, or of an archive of the files
	// Archive reports that File is an archive.
	Archive bool `json:"archive,omitempty"`
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
