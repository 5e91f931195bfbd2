// Package engine runs jobs: it plans them, does their units, resumes what was interrupted and finishes what is done. What a
// job is about it leaves to the planners and kinds of a work.Registry.
//
//	e := &engine.Engine{Registry: r, Ledger: l, Scratch: s, Items: s, Resolve: open, Temp: dir}
//	out, err := e.Handlers()["run"](ctx, []byte(`{"job":"…","unit":"video/00012"}`))
//
// Its three stages are the tasks of the state machine, called by a Lambda function, a Batch job or a process on one machine:
//
//	analyse  plans a job, or its next phase, and returns what is left to do
//	run      does one unit
//	finish   records the end of a job and clears its scratch
//
// A fourth one belongs to no job: collect removes, once a day, what jobs have left behind.
//
// A stage may be killed at any instruction and run again, and may run twice at once. Attempts write under names of their own,
// and only the ledger's first Complete makes a result count. Errors that leave a stage carry a kind of package fault.
package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// Engine holds what the stages work with. Registry, Ledger, Scratch, Items, Resolve and Temp are required. It may be used by
// several goroutines at once.
type Engine struct {
	Registry work.Registry
	Ledger   ledger.Ledger
	Scratch  blob.Store // artifacts
	Items    blob.Store // holds the arrays that the Distributed Map reads: the scratch bucket, also where Scratch is EFS
	Bucket   string     // name of Items in the Map's ItemReader
	Resolve  work.Resolver
	Temp     string // folder for working files; each attempt makes its own below it and removes it

	// Memory returns how many bytes an attempt at a unit may hold, with the programs that it runs; nil:
	// what the machine, or the container, has.
	Memory func(work.Needs) int64

	// Session holds what the stages share where one process runs the whole job; nil: nothing.
	Session *work.Session

	Limits      Limits  // of workers; zero fields are none
	Queues      *Queues // what the deployment can run units on; nil: every route
	Processors  int     // of the workers that encode; 0: not known in advance
	OneMachine  bool    // this machine does all of it
	Concurrency int     // functions that the deployment can run at once, at most; 0: as many as a request asks for

	Lifetime Lifetime // of records, whatever the retention of a request

	// Meter starts to measure an attempt at a unit. It returns the context to work under, and a function that returns what has been
	// used since, given what the attempt left behind. nil: nothing is recorded.
	Meter func(ctx context.Context, attempt int, needs work.Needs) (context.Context, func(work.Result) price.Use)

	// Record starts the log of an attempt at a unit. It returns the context to work under, and a function that is called with the
	// attempt's error. nil: there are no logs.
	Record func(ctx context.Context, job, unit string, attempt int) (context.Context, func(error))

	// Twins say which units get a second try side by side; nil: none.
	Twins *Twins

	// Prices is the table that budgets are compared by; nil: the one of the program.
	Prices *price.Table

	Worker  string      // identifies this worker in the ledger
	Keep    bool        // keep the artifacts of a job that is done
	Observe func(Event) // may be nil
	// Announce tells other programs what an attempt at a unit of a job has made available, before the result is recorded. A worker that
	// is killed in between does so again, so an announcement may come twice. One that fails is not repeated. May be nil.
	Announce func(ctx context.Context, job string, list []work.Announcement) error
	Log      *slog.Logger // may be nil
}

// Names of the stages.
const (
	StageAnalyse = "analyse"
	StageRun     = "run"
	StageFinish  = "finish"
	StageCollect = "collect"
)

// StageOf returns the stage that functions of a class run.
func StageOf(class work.Class) string {
	switch class {
	case work.ClassAnalyse:
		return StageAnalyse
	case work.ClassFinish:
		return StageFinish
	case work.ClassCollect:
		return StageCollect
	}
	return StageRun
}

// Handler runs a stage: input and output are JSON.
type Handler func(ctx context.Context, input json.RawMessage) (json.RawMessage, error)

// Handlers returns the stages by name.
func (e *Engine) Handlers() map[string]Handler {
	return map[string]Handler{
		StageAnalyse: handler(e, StageAnalyse, e.Analyse),
		StageRun:     handler(e, StageRun, e.Run),
		StageFinish:  handler(e, StageFinish, e.Finish),
		StageCollect: handler(e, StageCollect, e.Collect),
	}
}

// None is the output of a stage that returns nothing: {}.
type None struct{}

func handler[In, Out any](e *Engine, name string, run func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		log := e.logger().With("stage", name)
		var in In
		dec := json.NewDecoder(bytes.NewReader(input))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "input of stage "+name)
		}
		began := time.Now()
		log.InfoContext(ctx, "stage started", "input", string(input))
		out, err := run(ctx, in)
		if err != nil {
			err = classify(ctx, err)
			log.ErrorContext(ctx, "stage failed", "elapsed", time.Since(began), "kind", fault.KindOf(err), "error", err)
			return nil, err
		}
		log.InfoContext(ctx, "stage done", "elapsed", time.Since(began))
		data, err := json.Marshal(out)
		return data, fault.Wrap(fault.Internal, err, "output of stage "+name)
	}
}

// classify gives an error that leaves a stage its kind. Where the context was cancelled, its cause decides.
func classify(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	if _, outermost := err.(*fault.Error); outermost { //nolint:errorlint // what is wrapped does not count here
		return err
	}
	return &fault.Error{Kind: fault.KindOf(err), Err: err}
}

func (e *Engine) logger() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

func (e *Engine) emit(ev Event) {
	if e.Observe != nil {
		e.Observe(ev)
	}
}

// plan reads a job's plan from the ledger. Its phases have no Units.
func (e *Engine) plan(ctx context.Context, id string) (work.Plan, error) {
	_, p, err := e.job(ctx, id)
	return p, err
}

// job reads a job's record, and its plan.
func (e *Engine) job(ctx context.Context, id string) (ledger.Job, work.Plan, error) {
	record, err := e.Ledger.Job(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return record, work.Plan{}, fault.New(fault.NotFound, "job %s is not in the ledger; it may have expired", id)
	}
	if err != nil {
		return record, work.Plan{}, err
	}
	p, err := DecodePlan(record)
	return record, p, err
}

// DecodePlan decodes the plan in the record of a job.
func DecodePlan(record ledger.Job) (work.Plan, error) {
	var p work.Plan
	return p, fault.Wrap(fault.Corrupt, json.Unmarshal(record.Doc, &p), "record of job "+record.ID)
}

// Lifetime is how long executions may need a job's records. The zero value is for hosts that keep the records of what runs.
type Lifetime struct {
	Run     time.Duration // time limit of an execution, also of one that was redriven
	Redrive time.Duration // how long after its end a failed execution can be redriven
}

// ahead returns when the records of a job may vanish whose execution begins, or goes on: it may run until its time limit, be
// redriven as late as possible, and then run as long again.
func (e *Engine) ahead(p work.Plan) time.Time {
	return time.Now().Add(max(p.Duration, e.Lifetime.Run) + max(p.Retention, e.Lifetime.Redrive+e.Lifetime.Run))
}

// failedUntil returns when the records of a job may vanish whose execution has just failed: it may be redriven as late as
// possible, and then runs until its time limit.
func (e *Engine) failedUntil(p work.Plan) time.Time {
	return time.Now().Add(max(p.Duration+p.Retention, e.Lifetime.Redrive+e.Lifetime.Run))
}

// doneUntil returns when the record of a job may vanish that is done. An earlier execution may still work along.
func (e *Engine) doneUntil(p work.Plan) time.Time {
	return time.Now().Add(max(p.Duration+p.Retention, e.Lifetime.Run))
}

// renew keeps the records of a job for as long as the execution that works on it may last. They last that long from the
// beginning, and again from each failure that was reported; here that is made sure of.
func (e *Engine) renew(ctx context.Context, record ledger.Job, p work.Plan) error {
	if e.Lifetime.Run == 0 || record.Expires.IsZero() || time.Until(record.Expires) > e.Lifetime.Run {
		return nil
	}
	return e.Ledger.Renew(ctx, record.ID, e.ahead(p))
}

// lease returns ctx's deadline, or 24 h from now if it has none: the attempt is over by then.
func lease(ctx context.Context) time.Time {
	if t, ok := ctx.Deadline(); ok {
		return t
	}
	return time.Now().Add(24 * time.Hour)
}

// recordTime is how long after the end of its context an attempt still tries to record its outcome.
const recordTime = 5 * time.Second

// extendForRecording returns a context that ends recordTime after ctx does.
func extendForRecording(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(recordTime, cancel) })
	return longer, func() { stop(); cancel() }
}

// workingFolder makes a private folder below Temp. The caller calls remove.
func (e *Engine) workingFolder(job string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(e.Temp, "mapreel-"+cmp.Or(job, "plan")+"-")
	if err != nil {
		return "", nil, fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // what cannot be removed goes with Temp
}
