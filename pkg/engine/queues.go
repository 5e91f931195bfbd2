package engine

import (
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/work"
)

// Queues says which Batch queues a deployment has. A nil *Queues has all.
type Queues struct{ CPU, GPU bool }

// admit refuses a request that needs a queue which the deployment lacks, before anything is done for it. A request that cannot
// be read is left to its planner.
func (q *Queues) admit(request json.RawMessage) error {
	var e work.Envelope
	if q == nil {
		return nil
	}
	if err := json.Unmarshal(request, &e); err != nil {
		return nil //nolint:nilerr // the planner reports it
	}
	switch {
	case e.Compute.GPU && !q.GPU:
		return fault.WithHint(fault.New(fault.Unsupported, "/compute/gpu: this deployment has no GPU queue"),
			"leave gpu out, or deploy with -c gpu=true")
	case e.Compute.Mode == work.RouteBatch && !e.Compute.GPU && !q.CPU:
		return fault.WithHint(fault.New(fault.Unsupported, "/compute/mode: this deployment has no Batch queue"),
			`choose the mode "lambda", or deploy without -c batch=false`)
	}
	return nil
}

// reroute keeps the machine from handing to Batch what Lambda cannot finish, where there is no Batch.
func (q *Queues) reroute(n work.Needs) work.Route {
	if q != nil && !q.CPU && n.Route == work.RouteLambdaBatch {
		return work.RouteLambda
	}
	return n.Route
}
