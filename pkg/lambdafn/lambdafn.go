// Package lambdafn runs the engine's stages as Lambda functions and as Batch jobs. It is all of a function's program:
//
//	func main() { os.Exit(lambdafn.Main(context.Background(), work.ClassEncode, registry)) }
//
// With MAPREEL_TASK set, the program is a Batch job: it runs the stage that the variable names once, and exits. Without, it is
// a Lambda function, and serves invocations until Lambda ends it. Settings lists what else it reads from the environment;
// infra sets it.
//
// An error that leaves the stage reaches the caller under the name of its fault.Kind: as errorType from a function, which is
// what Step Functions matches, and as an exit code from a Batch job.
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
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/work"
)

// MakeRegistry finds the programs that the kinds of work need, and returns what can be run here.
type MakeRegistry func(ctx context.Context) (work.Registry, error)

// Main runs the stage of a class, as this process's environment says, and returns the exit code of a Batch job. As a function
// it does not return.
func Main(ctx context.Context, class work.Class, registry MakeRegistry) int {
	p := &program{stage: engine.StageOf(class), registry: registry, log: slog.New(slog.NewJSONHandler(printable.NewWriter(os.Stdout), nil))}
	if task, ok := os.LookupEnv(engine.TaskVariable); ok {
		return p.batch(ctx, task)
	}
	began := time.Now()
	p.sweep(ctx)
	// Before the first invocation: this part of a function's life has a processor of its own. What fails is tried again and
	// reported by the invocation itself, because of a function that exits Lambda reports Runtime.ExitError and no more.
	if _, err := p.prepare(ctx); err != nil {
		p.log.WarnContext(ctx, "not ready yet", "error", err)
	}
	p.setup = time.Since(began)
	lambda.StartWithOptions(p.invoke, lambda.WithContext(ctx))
	return engine.ExitCode(fault.Internal)
}

// program is a process: what it makes once and uses in every invocation.
type program struct {
	stage    string
	registry MakeRegistry
	log      *slog.Logger

	traffic traffic

	mu       sync.Mutex // guards what follows
	ready    *engine.Engine
	settings Settings
	setup    time.Duration // that the first invocation is billed for
}

// prepare makes the engine, its clients and its registry, the first time it succeeds.
func (p *program) prepare(ctx context.Context) (*engine.Engine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready != nil {
		return p.ready, nil
	}
	s, err := ParseSettings(os.Getenv)
	if err != nil {
		return nil, err
	}
	registry, err := p.registry(ctx)
	if err != nil {
		return nil, err
	}
	p.settings = s
	p.ready, err = newEngine(ctx, s, registry, &p.traffic)
	return p.ready, err
}

// worker is who runs a stage.
type worker struct {
	name  string // in the ledger
	place price.Place
	began time.Time
	host  func() (instance string, spot bool)
}

// run runs a stage once. A panic is an error like any other, of kind Internal.
func (p *program) run(ctx context.Context, log *slog.Logger, by worker, stage string, input json.RawMessage) (out json.RawMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.ErrorContext(ctx, "panic", "stage", stage, "stack", string(debug.Stack()))
			err = fault.Wrap(fault.Internal, panicError{r}, "stage "+stage)
		}
	}()
	ready, err := p.prepare(ctx)
	if err != nil {
		return nil, err
	}
	e := *ready
	e.Worker, e.Log = by.name, log
	if by.place != price.OnLambda { // an instance is there for one unit, and what it costs while it waits is more
		e.Twins = nil
	}
	e.Meter = p.meterFor(by.place, by.began, by.host).start
	handle, ok := e.Handlers()[stage]
	if !ok {
		return nil, fault.New(fault.Internal, "there is no stage %q", stage)
	}
	return handle(ctx, input)
}

// panicError is a panic of a stage. After it the process must not serve another invocation.
type panicError struct{ value any }

func (p panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// sweep removes working files of an earlier process in this place. Lambda keeps /tmp when it starts a function's process anew,
// and runs one at a time.
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
