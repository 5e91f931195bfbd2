package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/work"
)

// round is one execution.
type round struct {
	trial     *trial
	number    int
	faultFree bool // inject no faults

	dying atomic.Bool
	over  atomic.Bool

	mu   sync.Mutex
	stop context.CancelCauseFunc
	live []*attempt

	deliveries map[string]int
}

func (r *round) name() string  { return fmt.Sprintf("chaos-%d-%d", r.trial.plan.seed, r.number) }
func (r *round) crashed() bool { return r.dying.Load() }
func (r *round) ending() bool  { return r.over.Load() }

var errCrashed = errors.New("the process was killed")

// crash kills the process in which everything of this round runs.
func (r *round) crash() {
	r.dying.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop(errCrashed)
	for _, a := range r.live {
		a.stop(errCrashed)
	}
}

func (r *round) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("stuck"))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.stop = stop
	input, err := r.trial.variant.input(r.trial.out())
	if err != nil {
		return err
	}
	tasks := map[string]asl.Task{
		invokeARN: asl.LambdaInvoke(r.invoke),
		submitARN: func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
			return r.batch(ctx, in.Arguments)
		},
	}
	_, err = r.trial.harness.machine.Run(ctx, asl.Execution{
		ID: r.name(), Name: r.name(), Input: input, Tasks: tasks, Items: r.items,
		Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }, // retries need not wait
		Rand:  func() float64 { return 0 },
	})
	r.over.Store(true)
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) || err != nil && ctx.Err() != nil && !r.crashed() {
		r.trial.violate("round %d was still running after %v: %v", r.number, timeout, err)
	}
	return err
}

// items opens what the Distributed Map reads. Step Functions itself reads it, so there is no stage
// to kill.
func (r *round) items(ctx context.Context, source asl.ItemSource) (io.ReadCloser, error) {
	p, n := r.trial.plan, r.count("items")
	body, err := r.trial.scratch.inner.Open(ctx, source.Key, 0, -1)
	if err != nil || r.faultFree {
		return body, err
	}
	where := fmt.Sprintf("round %d, items #%d", r.number, n)
	switch k := p.decide([]weightedKind{{ErrorBefore, 1}, {TruncatedRead, 1}}, 1, where); k {
	case ErrorBefore:
		p.record(k, "%s", where)
		_ = body.Close()
		return nil, injectedError(where)
	case TruncatedRead:
		p.record(k, "%s", where)
		defer body.Close()
		data, err := io.ReadAll(body)
		return &truncatedReader{bytes.NewReader(data[:p.random(where, "length").IntN(len(data)+1)]), injectedError(where)}, err
	}
	return body, nil
}

// count returns how often something was asked for before in this round.
func (r *round) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.deliveries[what]
	r.deliveries[what]++
	return n
}

// taskName names what a stage is to do, without the ID of the job, which depends on the folder:
// "analyse", "analyse the next phase", "run video/00003", "finish".
func taskName(stage string, input json.RawMessage) string {
	var in struct{ Job, Unit string }
	switch {
	case json.Unmarshal(input, &in) != nil:
	case in.Unit != "":
		return stage + " " + in.Unit
	case stage == engine.StageAnalyse && in.Job != "":
		return stage + " the next phase"
	}
	return stage
}

// invoke stands for Lambda. The function of a class runs the class's stage.
func (r *round) invoke(ctx context.Context, function string, payload json.RawMessage) (json.RawMessage, error) {
	for _, class := range append(work.UnitClasses(), work.ClassAnalyse, work.ClassFinish) {
		if functionARN(class) == function {
			return r.deliver(ctx, engine.StageOf(class), payload)
		}
	}
	return nil, fmt.Errorf("there is no function %q", function)
}

// batch stands for submitJob.sync. It runs the task in the job's environment, and retries Transient
// failures as the job definition does.
func (r *round) batch(ctx context.Context, arguments json.RawMessage) (json.RawMessage, error) {
	var submit struct {
		ContainerOverrides struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(arguments, &submit); err != nil {
		return nil, err
	}
	if e := submit.ContainerOverrides.Environment; len(e) != 1 || e[0].Name != engine.TaskVariable {
		return nil, fmt.Errorf("the environment of a Batch job is %v", e)
	}
	task, err := engine.ParseTask(submit.ContainerOverrides.Environment[0].Value)
	if err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		out, err := r.deliver(ctx, task.Stage, task.Input)
		if err == nil || n == engine.BatchAttempts || fault.KindOf(err) != fault.Transient {
			return out, err
		}
	}
}

// deliver hands a task to one worker, or to two.
func (r *round) deliver(ctx context.Context, stage string, input json.RawMessage) (json.RawMessage, error) {
	task := taskName(stage, input)
	n := r.count(task)
	where := fmt.Sprintf("round %d, %s, delivery %d", r.number, task, n)
	p := r.trial.plan
	var k Kind
	if !r.faultFree {
		k = p.decide(deliveryFaults, 2, where)
	}
	if k != "" {
		p.record(k, "%s", where)
	}
	switch k {
	case Redelivered:
		if _, err := r.attempt(ctx, stage, where+" (first)", input); ctx.Err() != nil {
			return nil, err
		}
	case Concurrent:
		second := make(chan struct{})
		go func() {
			defer close(second)
			_, _ = r.attempt(ctx, stage, where+" (second)", input)
		}()
		defer func() { <-second }()
	}
	return r.attempt(ctx, stage, where, input)
}

// serviceError is an error of the services between the state machine and the stage. Only its name
// matters.
type serviceError string

func (e serviceError) Error() string     { return "the stage was lost: " + string(e) }
func (e serviceError) ErrorName() string { return string(e) }

// lossErrors are the errors that Step Functions sees of a stage that died or does not answer.
var lossErrors = []serviceError{
	"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.ClientExecutionTimeoutException",
	"Sandbox.Timedout",
}

// attempt runs a stage once, and answers as its service would.
func (r *round) attempt(ctx context.Context, stage, name string, input json.RawMessage) (json.RawMessage, error) {
	t := r.trial
	a := &attempt{round: r, name: name, task: taskName(stage, input), abandoned: make(chan struct{}), finished: make(chan struct{}), calls: map[string]int{}}
	own, stop := context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), attemptKey{}, a))
	a.stop = stop
	r.mu.Lock()
	r.live = append(r.live, a)
	r.mu.Unlock()
	if r.crashed() {
		return nil, errCrashed
	}
	type answer struct {
		out json.RawMessage
		err error
	}
	answered := make(chan answer, 1)
	t.running.Go(func() {
		defer close(a.finished)
		defer stop(nil)
		isUnit, isOutput := t.classifyUnit(own, input)
		if isOutput {
			t.resume(beforeOutput)
		}
		out, err := t.engine.Handlers()[stage](own, input)
		if err == nil && !a.isDead() {
			t.release(func(p parked) bool {
				return p.resumeAt == afterSuccessor && p.attempt.task == a.task || p.resumeAt == afterUnit && isUnit && !isOutput
			})
		}
		answered <- answer{out, err}
	})
	lost := lossErrors[0]
	if t.plan.script == nil {
		lost = lossErrors[t.plan.random(name, "lost").IntN(len(lossErrors))]
	}
	select {
	case got := <-answered:
		if a.isDead() {
			return nil, lost
		}
		return got.out, got.err
	case <-a.abandoned:
		return nil, lost
	case <-ctx.Done():
		if !r.faultFree && t.plan.random(name, "orphan").IntN(2) == 0 && !r.crashed() {
			t.plan.record(Orphan, "%s", name)
			return nil, context.Cause(ctx)
		}
		stop(context.Cause(ctx))
		select {
		case <-answered:
		case <-a.abandoned:
		}
		return nil, context.Cause(ctx)
	}
}
