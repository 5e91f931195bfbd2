package local

import (
	"context"
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
)

// attempt runs a Batch job's task once.
type attempt func(context.Context, engine.Task) (json.RawMessage, error)

// batch stands for AWS Batch's submitJob.sync: it runs the task that the job's environment names, and again as the job
// definition says, where its error was Transient.
func (r *runner) batch(run attempt) asl.Task {
	return func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
		task, err := submitted(in.Arguments)
		if err != nil {
			return nil, err
		}
		for n := 1; ; n++ {
			out, err := run(ctx, task)
			if err == nil || n == engine.BatchAttempts || fault.KindOf(err) != fault.Transient || ctx.Err() != nil {
				return out, err
			}
			r.emit(Event{Event: engine.Event{Type: Retried, Attempt: n}, State: in.State})
		}
	}
}

// submitted returns the task in the arguments of submitJob.
func submitted(arguments json.RawMessage) (engine.Task, error) {
	var submit struct {
		ContainerOverrides struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(arguments, &submit); err != nil {
		return engine.Task{}, fault.Wrap(fault.Internal, err, "arguments of submitJob")
	}
	for _, v := range submit.ContainerOverrides.Environment {
		if v.Name == engine.TaskVariable {
			return engine.ParseTask(v.Value)
		}
	}
	return engine.Task{}, fault.New(fault.Internal, "a Batch job without %s", engine.TaskVariable)
}

// attempts returns how this run makes an attempt at a Batch job: in a process of its own where the options name one. Either
// waits for a slot, as other units do.
func (r *runner) attempts(handlers map[string]engine.Handler) attempt {
	return func(ctx context.Context, task engine.Task) (json.RawMessage, error) {
		handle, ok := handlers[task.Stage]
		if !ok {
			return nil, fault.New(fault.Internal, "there is no stage %q", task.Stage)
		}
		if len(r.opts.Batch) > 0 {
			handle = func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
				return r.process(ctx, engine.Task{Stage: task.Stage, Input: input})
			}
		}
		return r.withSlot(handle)(ctx, task.Input)
	}
}
