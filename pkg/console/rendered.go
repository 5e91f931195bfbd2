package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/render/arrived"
)

// frames answers with the frames of a scene that have been rendered so far; none for other jobs, and before a job is planned.
func (s *Server) frames(w http.ResponseWriter, r *http.Request) error {
	job, doc, err := s.planned(r)
	list := arrived.List{Latest: []int{}}
	if err == nil && s.opts.Frames != nil {
		list, err = s.opts.Frames.Latest(r.Context(), job, doc)
	}
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, list)
	return nil
}

// frame serves a frame of a scene that has been rendered, by its number.
func (s *Server) frame(w http.ResponseWriter, r *http.Request) error {
	number, err := strconv.Atoi(r.URL.Query().Get("number"))
	if err != nil {
		return &refusal{http.StatusBadRequest, "number must be that of a frame"}
	}
	job, doc, err := s.planned(r)
	if err != nil {
		return err
	}
	none := &refusal{http.StatusNotFound, "there is no such frame; it may have been removed at the end of the job"}
	if s.opts.Frames == nil || job == "" {
		return none
	}
	data, err := s.opts.Frames.Open(r.Context(), job, doc, number)
	if fault.KindOf(err) == fault.NotFound {
		return none
	}
	if err != nil {
		return err
	}
	defer data.Close() //nolint:errcheck // only read
	w.Header().Set("Content-Type", "image/png")
	_, _ = io.Copy(w, data) // the browser may be gone
	return nil
}

// planned returns the ID of the job of the execution that a query names, and what its plan says of it; nothing before it is planned.
func (s *Server) planned(r *http.Request) (job string, doc json.RawMessage, err error) {
	x, err := s.execution(r)
	if err != nil {
		return "", nil, err
	}
	record, err := s.opts.Ledger.JobOf(r.Context(), x.ARN)
	if errors.Is(err, ledger.ErrNotFound) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	plan, err := engine.DecodePlan(record)
	return record.ID, plan.Doc, err
}
