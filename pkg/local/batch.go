package local

import (
	"context"
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/stage"
)

// attempt runs a Batch job's task once.
type attempt func(context.Context, stage.Task) (json.RawMessage, error)

// batch stands for AWS Batch's submitJob.sync: it runs the task that the job's environment names, and again as the job
// definition says, where it failed with what may pass.
func (r *runner) batch(run attempt) asl.Task {
	return func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
		task, err := submitted(in.Arguments)
		if err != nil {
			return nil, err
		}
		for n := 1; ; n++ {
			out, err := run(ctx, task)
			if err == nil || n == stage.BatchAttempts || fault.KindOf(err) != fault.Transient || ctx.Err() != nil {
				return out, err
			}
			r.tell(Event{Event: stage.Event{Type: Retried, Attempt: n}, State: in.State})
		}
	}
}

// submitted is the task in the arguments of submitJob.
func submitted(arguments json.RawMessage) (stage.Task, error) {
	var submit struct {
		ContainerOverrides struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(arguments, &submit); err != nil {
		return stage.Task{}, fault.Wrap(fault.Internal, err, "arguments of submitJob")
	}
	for _, v := range submit.ContainerOverrides.Environment {
		if v.Name == stage.TaskVariable {
			return stage.ParseTask(v.Value)
		}
	}
	return stage.Task{}, fault.New(fault.Internal, "a Batch job without %s", stage.TaskVariable)
}

// attempts is how this run makes an attempt at a Batch job: in a process of its own where the options name one. Either
// waits for a slot, as the other segments do.
func (r *runner) attempts(handlers map[string]stage.Handler) attempt {
	return func(ctx context.Context, task stage.Task) (json.RawMessage, error) {
		handle, ok := handlers[task.Stage]
		if !ok {
			return nil, fault.New(fault.Internal, "there is no stage %q", task.Stage)
		}
		if len(r.opts.Batch) > 0 {
			handle = func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
				return r.process(ctx, stage.Task{Stage: task.Stage, Input: input})
			}
		}
		return r.inTurn(handle)(ctx, task.Input)
	}
}
