// Package local runs a job in this process: the definition that AWS runs, interpreted by pkg/asl, with the engine's stages
// called directly, a folder as scratch and a SQLite file as ledger.
//
//	report, err := local.Run(ctx, request, local.Options{Scratch: dir, Registry: registry, Observe: draw})
//
// A unit on the Batch route runs in a process of its own, of the same program, where Options.Batch says how to start it:
//
//	if local.IsBatchProcess() {
//		os.Exit(local.Batch(ctx, os.Stdout, registry))
//	}
//
// That process finds its task in the same variable and answers with the same exit codes as the container on AWS. It is started
// again as the job definition says, stops cleanly when Run's context ends, and dies with the process that runs the job.
package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// Event is progress of a run: what a stage reports, and what the machine does with it.
type Event struct {
	engine.Event
	Time  time.Time `json:"time"`
	State string    `json:"state,omitempty"` // the state of the machine, for "retried"
}

// Retried is the type of an Event that says that a state failed and is tried again: State, Attempt.
const Retried engine.EventType = "retried"

// Report describes what a run made and what it took.
type Report struct {
	engine.Outcome
	Elapsed time.Duration
	CPU     time.Duration  // of this process and its children
	Ran     map[string]int // units that this run did, by kind; earlier runs did the others
	Source  int64          // bytes
	Twins   Twins
}

// Twins are the second tries of units that took far longer than their peers.
type Twins struct {
	Tried int
	First int           // of them, those that were done first
	Spent time.Duration // that they took
	Saved time.Duration // that the first tries would have taken longer, by what they had done, where that is known
}

// Status is a job as the ledger shows it.
type Status struct {
	Job     string                 `json:"job"`
	State   string                 `json:"state"` // running, interrupted, failed or done
	Source  string                 `json:"source"`
	Outputs []string               `json:"outputs"`
	Groups  []engine.GroupProgress `json:"groups"`
	Updated time.Time              `json:"updated"`
	Error   string                 `json:"error,omitempty"`
}

// Run does a request on this machine, or as much of it as an earlier run left undone. Cancelling ctx stops every process it
// started and keeps what is finished. Errors carry a kind of package fault.
func Run(ctx context.Context, request json.RawMessage, opts Options) (Report, error) {
	var envelope work.Envelope
	if err := json.Unmarshal(request, &envelope); err != nil {
		return Report{}, fault.Wrap(fault.Invalid, err, "request")
	}
	if err := checkEnvelope(envelope, opts.Roots); err != nil {
		return Report{}, err
	}
	places := opts.places()
	defer places.Close() //nolint:errcheck // nothing is written there
	if err := checkSource(ctx, places, envelope.Source); err != nil {
		return Report{}, err
	}
	if err := prepare(ctx, places, envelope.Destination); err != nil {
		return Report{}, err
	}
	began, cpu := time.Now(), cpuTime()
	var programs process.Counter
	ctx = process.WithCounter(ctx, &programs)
	home, err := makeScratch(opts.Scratch)
	if err != nil {
		return Report{}, err
	}
	opts.Scratch = home.Path()
	unlock, err := lockOutputs(ctx, opts, home, places)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	r, err := open(ctx, request, opts, home, files{envelope.Source, opts.kept(), opts.Roots, places, namesBuckets(request)})
	if err != nil {
		return Report{}, err
	}
	r.destination = envelope.Destination
	report, err := r.run(ctx, request, envelope)
	err = errors.Join(err, r.close())
	if err == nil && !opts.Keep {
		home.discardSpooled(opts.Places)
	}
	report.Elapsed, report.CPU = time.Since(began), cpuTime()-cpu+programs.Unseen()
	return report, err
}

// runner is one run of one request.
type runner struct {
	opts    Options
	name    string // of the execution
	id      string // likewise: what the ledger knows it by
	home    scratch
	ledger  *sqlite.Ledger
	lock    *os.File
	engine  *engine.Engine
	session *work.Session
	pieces  *dir.Store

	files       files
	destination string

	mu    sync.Mutex     // guards calls of opts.Observe, and what is counted from them
	ran   map[string]int // units done, by kind
	twins Twins
	twin  map[string]twin // by unit: the second try that is under way

	look func(find func(ctx context.Context)) // starts a search for slow units; nil until watch sets it
}

// open opens the scratch folder: the ledger, the store of artifacts, and the lock that keeps a second run of the same request
// out.
func open(ctx context.Context, request json.RawMessage, opts Options, home scratch, f files) (_ *runner, err error) {
	r := &runner{
		opts: opts, home: home, files: f, name: cmp.Or(opts.Execution.Name, NewName()), ran: map[string]int{}, twin: map[string]twin{},
	}
	r.id = cmp.Or(opts.Execution.ID, r.name)
	if r.lock, err = lock(home.locks, request); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	// Working files of a killed run of this request are of no use: only what the ledger holds counts.
	temp := r.lock.Name() + ".tmp"
	if err = os.RemoveAll(temp); err == nil {
		err = os.Mkdir(temp, 0o700)
	}
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	if r.pieces, err = home.store(); err != nil {
		return nil, err
	}
	if r.ledger, err = home.ledger(ctx); err != nil {
		return nil, err
	}
	if _, err = (garbage{home, r.ledger, r.pieces, time.Now()}).remove(ctx); err != nil {
		return nil, err
	}
	s := r.slots()
	twins := &engine.Twins{Least: cmp.Or(opts.TwinAfter, twinLeast)}
	twins.Every = min(twins.Least, twinEvery)
	twins.Take = func(ctx context.Context, needs work.Needs) (func(), error) { return s.take(ctx, s.weight(needs)) }
	r.session = work.NewSession(filepath.Join(temp, "session"))
	r.engine = &engine.Engine{
		Session:  r.session,
		Registry: opts.Registry, Ledger: r.ledger, Scratch: r.pieces, Items: r.pieces, Bucket: bucket, Resolve: f.resolve,
		Temp: temp, Worker: r.name, Keep: opts.Keep, Log: opts.Log, Memory: s.memoryOf, Meter: meter, Record: home.record, Twins: twins, OneMachine: true,
		Observe: func(e engine.Event) { r.emit(Event{Event: e}) },
	}
	return r, nil
}

func (r *runner) close() error {
	ended := make(chan error, 1)
	go func() { ended <- r.session.Close() }() // programs take a moment to end, and the ledger one to be written
	var errs []error
	if r.ledger != nil {
		errs = append(errs, r.ledger.Close())
	}
	errs = append(errs, <-ended)
	if r.lock != nil {
		errs = append(errs, os.RemoveAll(r.lock.Name()+".tmp"), os.Remove(r.lock.Name()), r.lock.Close())
	}
	return errors.Join(errs...)
}

// bucket is the name under which the Map's ItemReader finds the store of artifacts here.
const bucket = "scratch"

func (r *runner) run(ctx context.Context, request json.RawMessage, envelope work.Envelope) (Report, error) {
	if envelope.Compute.Budget > 0 {
		r.emit(Event{Event: engine.Event{Type: engine.Warning, Error: "compute.budget has no effect on this machine, where a job costs nothing at AWS"}})
	}
	if len(envelope.Compute.Deadline) > 0 {
		r.emit(Event{Event: engine.Event{Type: engine.Warning, Error: "compute.deadline only selects the length of segments on this machine: it is for AWS"}})
	}
	input, err := edit(request, func(_, compute map[string]json.RawMessage) {
		delete(compute, "budget") // it would only divide the work into rounds
		compute["concurrency"] = json.RawMessage(strconv.Itoa(cmp.Or(r.opts.Jobs, runtime.NumCPU())))
	})
	if err != nil {
		return Report{}, err
	}
	machine, tasks, err := r.machine()
	if err != nil {
		return Report{}, err
	}
	now, err := clock(ctx, r.ledger)
	if err != nil {
		return Report{}, err
	}
	x := asl.Execution{
		ID: r.id, Name: r.name, Input: input, Tasks: tasks, Items: r.items, Observe: r.history, Now: now,
		ObserveMapRun: r.opts.Execution.ObserveMapRun, Redrives: r.opts.Execution.Redrives,
	}
	if x.Redrives > 0 {
		x.Redriven = now()
	}
	stop := r.watch(ctx) // before any unit
	out, err := machine.Run(ctx, x)
	stop()
	if err != nil {
		return Report{}, r.fail(ctx, err)
	}
	report := Report{Ran: r.ran}
	if err := json.Unmarshal(out, &report.Outcome); err != nil {
		return report, fault.Wrap(fault.Internal, err, "output of the state machine")
	}
	report.Source = sourceSize(ctx, r.files.places, envelope.Source)
	report.Twins = r.twins
	if r.twins.First > 0 {
		spent, err := engine.ReadSpent(ctx, r.ledger, report.Job)
		if err != nil {
			return report, err
		}
		report.Twins.Saved = time.Duration(spent.Saved) * time.Millisecond
	}
	return report, nil
}

// clock returns a clock that never shows a time before the newest start in the ledger. The ledger takes a run that seems to have
// started before the last one for one that was given up, and a computer's clock may be set back between the two.
func clock(ctx context.Context, l ledger.Ledger) (func() time.Time, error) {
	var newest time.Time
	for j, err := range l.Jobs(ctx) {
		if err != nil {
			return nil, err
		}
		if j.Started.After(newest) {
			newest = j.Started
		}
	}
	newest = newest.Add(time.Millisecond) // the ledger's precision
	return func() time.Time {
		if now := time.Now(); now.After(newest) {
			return now
		}
		return newest
	}, nil
}

// machine loads the definition, and returns the tasks that it calls.
func (r *runner) machine() (*asl.Machine, map[string]asl.Task, error) {
	handlers := r.engine.Handlers()
	functions := map[string]engine.Handler{}
	for _, class := range classes {
		functions[functionARN(class)] = r.function(class, handlers[engine.StageOf(class)])
	}
	tasks := map[string]asl.Task{
		"arn:local:states:::lambda:invoke": asl.LambdaInvoke(func(ctx context.Context, name string, payload json.RawMessage) (json.RawMessage, error) {
			run, ok := functions[name]
			if !ok {
				return nil, fault.New(fault.Internal, "there is no function %q", name)
			}
			return run(ctx, payload)
		}),
		"arn:local:states:::batch:submitJob.sync": r.batch(r.attempts(handlers)),
	}
	definition, err := Definition()
	if err != nil {
		return nil, nil, err
	}
	machine, err := asl.Load(definition)
	return machine, tasks, fault.Wrap(fault.Internal, err, "state machine")
}

// function is what stands for the Lambda function of a class.
func (r *runner) function(class work.Class, handle engine.Handler) engine.Handler {
	switch {
	case class == work.ClassAnalyse && !r.opts.IgnoreSpace:
		return r.checked(handle)
	case class == work.ClassAnalyse, class == work.ClassFinish:
		return handle // they need the disk, hardly a core
	case class == work.ClassMerge: // hardly a core either, but a request may have twenty outputs, each with a muxer
		return r.withSlot(handle)
	case r.opts.Limit > 0:
		return r.withSlot(func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Limit, fault.New(fault.OutOfTime, "the worker's time is over"))
			defer cancel()
			return handle(ctx, input)
		})
	}
	return r.withTwins(handle)
}

// slots returns the machine's slots.
func (r *runner) slots() slots {
	return slots{
		folder: r.home.slots, count: cmp.Or(r.opts.Jobs, runtime.NumCPU()), memory: process.MachineMemory(),
	}
}

// withSlot runs a stage when the machine has room for its unit: see slots.
func (r *runner) withSlot(handle engine.Handler) engine.Handler {
	s := r.slots()
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		needs, err := r.needs(ctx, input)
		if err != nil {
			return nil, err
		}
		release, err := s.takeFor(ctx, needs)
		if err != nil {
			return nil, err
		}
		defer release()
		return handle(ctx, input)
	}
}

// needs returns the needs of the unit that is the input of a stage; none where there is no such unit, which the stage will
// report.
func (r *runner) needs(ctx context.Context, input json.RawMessage) (work.Needs, error) {
	var in engine.RunInput
	if err := json.Unmarshal(input, &in); err != nil || in.Unit == "" {
		return work.Needs{}, nil //nolint:nilerr // the stage says what is wrong with its input
	}
	u, err := r.ledger.Unit(ctx, in.Job, in.Unit)
	if errors.Is(err, ledger.ErrNotFound) {
		return work.Needs{}, nil
	}
	if err != nil {
		return work.Needs{}, err
	}
	return engine.NeedsOf(u)
}

// items opens what a Distributed Map reads.
func (r *runner) items(ctx context.Context, source asl.ItemSource) (io.ReadCloser, error) {
	if source.Bucket != bucket {
		return nil, fault.New(fault.Internal, "a Map reads its items from bucket %q", source.Bucket)
	}
	return r.pieces.Open(ctx, source.Key, 0, -1)
}

// history passes on what the machine itself reports: which state it will try again.
func (r *runner) history(e asl.Event) {
	if r.opts.Execution.Observe != nil {
		r.opts.Execution.Observe(e)
	}
	if e.Type != asl.TaskScheduled || e.Attempt == 0 {
		return
	}
	r.emit(Event{Event: engine.Event{Type: Retried, Attempt: e.Attempt}, State: e.State})
}

// fail calls Finish as EventBridge would on AWS, and returns the error to report.
func (r *runner) fail(ctx context.Context, err error) error {
	in := engine.FinishInput{Execution: r.id, Status: "FAILED", Error: string(fault.KindOf(err)), Cause: err.Error()}
	if ctx.Err() != nil { // what broke off then is no reason
		in.Status, in.Error = aborted, ""
	}
	// The machine's words about its states are for its history; a person wants the error that left the stage.
	var f *fault.Error
	if errors.As(err, &f) {
		err = f
		in.Cause = err.Error()
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, ferr := r.engine.Finish(last, in); ferr != nil {
		err = errors.Join(err, ferr)
	}
	return err
}

func (r *runner) emit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countTwin(e.Event)
	if e.Type == engine.Done {
		kind, _, _ := strings.Cut(e.Unit, "/")
		r.ran[kind]++
	}
	if r.opts.Observe != nil {
		e.Time = time.Now()
		r.opts.Observe(e)
	}
}
