package console

import (
	"errors"
	"net/http"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// used answers with what a job has used of this machine so far: the time of processors that its programs took, in milliseconds, over
// all attempts. It costs nothing at AWS. It is no part of the answer about the job, because all units are read for it.
func (s *Server) used(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	record, err := s.opts.Ledger.JobOf(r.Context(), x.ARN)
	var spent engine.Spent
	if err == nil {
		spent, err = engine.ReadSpent(r.Context(), s.opts.Ledger, record.ID)
	}
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"cpu": spent.CPU, "attempts": spent.Attempts})
	return nil
}
