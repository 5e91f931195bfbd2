package engine

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/work"
)

// Limits are what the workers of a deployment have.
type Limits struct {
	Lambda WorkerLimits `json:"lambda"`
	Batch  WorkerLimits `json:"batch"`
	// Through says that scratch and destination are different stores, so that what is joined passes through the worker.
	Through bool `json:"-"`
}

// WorkerLimits are what one attempt at a unit has. Zero is no limit.
type WorkerLimits struct {
	Disk    int64 `json:"disk"`    // bytes
	Seconds int64 `json:"seconds"` // of time
}

// pace is how many bytes pass through a worker each second: a function's network, 600 Mbit/s, less what else it does meanwhile.
const pace = 67e6

// lacks returns what a worker has too little of for a load: the figures, in words, or "".
func (l WorkerLimits) lacks(load work.Load, through bool) string {
	bytes := load.Read
	if through {
		bytes += load.Joined
	}
	switch {
	case l.Disk > 0 && load.Disk > l.Disk:
		return fmt.Sprintf("about %s of disk, and there are %s", gigabytes(load.Disk), gigabytes(l.Disk))
	case l.Seconds > 0 && bytes > l.Seconds*pace:
		return fmt.Sprintf("to read about %s in one go, and there is time for %s", gigabytes(bytes), gigabytes(l.Seconds*pace))
	}
	return ""
}

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

// route returns where a unit runs: not on Lambda if it will not finish there, and nowhere but on Lambda in a deployment without
// Batch.
func (e *Engine) route(n work.Needs) work.Route {
	r := e.Queues.reroute(n)
	if r == work.RouteLambdaBatch && e.Limits.Lambda.lacks(n.Load, e.Limits.Through) != "" {
		return work.RouteBatch
	}
	return r
}

// admit refuses a plan with a unit that cannot finish anywhere in this deployment, before anything is done for it.
func (e *Engine) admit(p work.Plan) error {
	for _, phase := range phases(p) {
		if phase.Units == nil {
			continue
		}
		for u := range phase.Units {
			if u.Needs.GPU && e.Queues != nil && !e.Queues.GPU {
				hint := "encode on processors, or deploy with -c gpu=true"
				if u.Needs.Class == work.ClassRender {
					hint = "render on processors, or deploy with -c gpu=true and an official build of Blender (-c blenderUrl)"
				}
				return fault.WithHint(fault.New(fault.Unsupported, "%s needs a GPU, and this deployment has no GPU queue", u.Name), hint)
			}
			limits, place := e.Limits.Lambda, "a function"
			if e.route(u.Needs) != work.RouteLambda {
				limits, place = e.Limits.Batch, "a Batch job"
			}
			if e.route(u.Needs) == work.RouteLambdaBatch {
				continue
			}
			lacks := limits.lacks(u.Needs.Load, e.Limits.Through)
			if lacks == "" {
				continue
			}
			hint := u.Needs.Load.Hint
			if e.Queues != nil && !e.Queues.CPU {
				hint += ", or deploy with -c batch=true"
			}
			return fault.WithHint(fault.New(fault.Unsupported, "%s cannot be done by %s: it needs %s", u.Name, place, lacks), hint)
		}
	}
	return nil
}
