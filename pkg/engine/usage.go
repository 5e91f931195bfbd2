package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// Usage is the time that finished units of one class took on one service. Only the attempts that counted are in it: those
// that failed, or were superseded, leave no record of their time.
type Usage struct {
	Class   work.Class    `json:"class"`
	Service work.Route    `json:"service"` // RouteLambda or RouteBatch
	GPU     bool          `json:"gpu,omitempty"`
	Units   int           `json:"units"`
	Elapsed time.Duration `json:"-"`
}

// ReadUsage returns what the units of a job that are done have used so far, by class and service.
func ReadUsage(ctx context.Context, l ledger.Ledger, job string) ([]Usage, error) {
	var list []Usage
	for u, err := range l.Units(ctx, job, "") {
		if err != nil {
			return nil, err
		}
		if u.State != ledger.Done {
			continue
		}
		var record unitRecord
		var o outcome
		if err := json.Unmarshal(u.Spec, &record); err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
		}
		if err := json.Unmarshal(u.Facts, &o); err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "result of "+u.ID)
		}
		service := work.RouteLambda
		if strings.HasPrefix(u.Owner, string(work.RouteBatch)) {
			service = work.RouteBatch
		}
		i := slices.IndexFunc(list, func(have Usage) bool {
			return have.Class == record.Needs.Class && have.Service == service && have.GPU == record.Needs.GPU
		})
		if i < 0 {
			i = len(list)
			list = append(list, Usage{Class: record.Needs.Class, Service: service, GPU: record.Needs.GPU})
		}
		list[i].Units++
		list[i].Elapsed += time.Duration(o.Elapsed) * time.Millisecond
	}
	return list, nil
}

// Reason returns why an execution that holds the job of record failed, as Finish records it.
func Reason(ctx context.Context, l ledger.Ledger, record ledger.Job, in FinishInput) (ledger.Failure, error) {
	return (&Engine{Ledger: l}).reason(ctx, record, in)
}
