// Package lambdafn runs a stage as a Lambda function or as a Batch job. It is all of a function's program:
//
//	func main() { os.Exit(lambdafn.Main(context.Background(), "encode")) }
//
// With MAPREEL_TASK set, the program is a Batch job: it runs the stage that the variable names once, and exits. Without,
// it is a Lambda function, and serves invocations until Lambda ends it. Settings lists what else it reads from the
// environment; infra sets it.
//
// An error that leaves the stage goes to whoever called under the name of its fault.Kind: as errorType from a function,
// which is what Step Functions matches, and as an exit code from a Batch job.
package lambdafn

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/stage"
)

// Main runs the stage of that name, as this process's environment says, and returns the exit code of a Batch job. As a
// function it does not return.
func Main(ctx context.Context, name string) int {
	p := &program{stage: name, log: slog.New(slog.NewJSONHandler(os.Stdout, nil))}
	if task, ok := os.LookupEnv(stage.TaskVariable); ok {
		return p.batch(ctx, task)
	}
	p.sweep(ctx)
	// Before the first invocation: this part of a function's life has a processor of its own. What fails is tried again
	// and told by the invocation itself, because a function that exits has only Runtime.ExitError to say.
	if _, err := p.prepare(ctx); err != nil {
		p.log.WarnContext(ctx, "not ready yet", "error", err)
	}
	lambda.StartWithOptions(p.invoke, lambda.WithContext(ctx))
	return stage.ExitCode(fault.Internal)
}

// program is a process: what it makes once and uses in every invocation.
type program struct {
	stage string
	log   *slog.Logger

	mu     sync.Mutex // guards what follows
	ready  *stage.Worker
	queues Queues
}

// prepare makes the worker, its clients and what it knows of its tools, the first time it succeeds.
func (p *program) prepare(ctx context.Context) (*stage.Worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready != nil {
		return p.ready, nil
	}
	s, err := ParseSettings(os.Getenv)
	if err != nil {
		return nil, err
	}
	if p.ready, err = newWorker(ctx, s); err != nil {
		return nil, err
	}
	p.queues = s.Queues
	return p.ready, nil
}

// run runs a stage once, for owner. A panic is an error as any other, of kind Internal.
func (p *program) run(ctx context.Context, log *slog.Logger, name, owner string, input json.RawMessage) (out json.RawMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.ErrorContext(ctx, "panic", "stage", name, "stack", string(debug.Stack()))
			err = fault.Wrap(fault.Internal, panicked{r}, "stage "+name)
		}
	}()
	worker, err := p.prepare(ctx)
	if err != nil {
		return nil, err
	}
	w := *worker
	w.Owner, w.Log = owner, log
	handle, ok := w.Handlers()[name]
	if !ok {
		return nil, fault.New(fault.Internal, "there is no stage %q", name)
	}
	if name == "analyse" {
		if err := p.queues.admit(input); err != nil {
			return nil, err
		}
	}
	out, err = handle(ctx, input)
	if err == nil && (name == "analyse" || name == "split") { // those that give a brief
		out, err = p.queues.reroute(out)
	}
	return out, err
}

// panicked is what a stage panicked with. After it the process is not to be trusted with another invocation.
type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// sweep removes what an earlier process in this place was killed over. Lambda keeps /tmp when it starts a function's
// process anew, and runs one at a time.
func (p *program) sweep(ctx context.Context) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "mapreel-*"))
	for _, folder := range left {
		if err == nil {
			err = os.RemoveAll(folder)
		}
	}
	if err != nil {
		p.log.WarnContext(ctx, "left-over working files not removed", "error", err)
	}
}
