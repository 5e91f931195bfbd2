package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// failures returns an error where units of an independent phase have failed, whose Map tolerates that: the error of the first, and
// how many others there are. What failed before the execution was started, or redriven, is left out: it is to be tried again.
func (e *Engine) failures(ctx context.Context, p work.Plan, phase string, started time.Time) error {
	var first ledger.Unit
	failed := 0
	for u, err := range e.Ledger.Units(ctx, p.ID, "") {
		if err != nil {
			return err
		}
		if u.State == ledger.Done || u.State == ledger.Failed && u.Updated.Before(started) {
			continue
		}
		var record unitRecord
		if err := json.Unmarshal(u.Spec, &record); err != nil {
			return fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
		}
		if record.Phase != phase {
			continue
		}
		if failed++; failed == 1 {
			first = u
		}
	}
	if failed == 0 {
		return nil
	}
	kind, text := fault.Internal, "it did not end"
	if f := first.Failure; f != nil {
		kind, text = fault.Kind(f.Kind), f.Message
	}
	if kind == fault.Transient { // it has been tried again already
		kind = fault.Unsupported
	}
	what := first.ID
	if failed > 1 {
		what = fmt.Sprintf("%s, and %d more", first.ID, failed-1)
	}
	return fault.WithHint(fault.New(kind, "%s: %s", what, text), "finished units are kept; the same request does the rest")
}
