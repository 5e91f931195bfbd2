package console

import (
	"net/http"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/tally"
)

// progress answers with the counts of a job's units, for clients that watch it from elsewhere.
func (s *Server) progress(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	record, err := s.opts.Ledger.JobOf(r.Context(), x.ARN)
	if err != nil {
		return err
	}
	plan, err := engine.DecodePlan(record)
	if err != nil {
		return err
	}
	t, _, err := tally.Read(r.Context(), s.opts.Ledger, plan)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, t)
	return nil
}
