package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/work"
)

// MakeRegistry makes the registry of a process from Options.Setup.
type MakeRegistry func(setup json.RawMessage) (work.Registry, error)

// Batch does the task that Run, in the process that started this one, has for it, and returns the exit code of this process: it
// is what the command of Options.Batch calls. It reads the environment, as a Batch job's container does, and writes to out,
// the standard output, which nothing else may write to. An interrupt, SIGTERM or the end of ctx stops it cleanly, and leaves
// its work recorded as Transient.
func Batch(ctx context.Context, out io.Writer, registry MakeRegistry) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := &messageWriter{out: out}
	var result json.RawMessage
	task, place, err := readEnvironment(os.Getenv)
	if err == nil {
		result, err = runTask(ctx, task, place, registry, w)
	}
	if err != nil {
		w.write(message{Failure: failureOf(err)})
	} else {
		w.write(message{Output: result})
	}
	return engine.ExitCode(fault.KindOf(err))
}

// IsBatchProcess reports whether this process was started to call Batch.
func IsBatchProcess() bool { return os.Getenv(workerVariable) != "" }

// readEnvironment reads the task and the workplace from the environment.
func readEnvironment(getenv func(string) string) (task engine.Task, place workplace, err error) {
	if task, err = engine.ParseTask(getenv(engine.TaskVariable)); err != nil {
		return task, place, err
	}
	err = json.Unmarshal([]byte(getenv(workerVariable)), &place)
	return task, place, fault.Wrap(fault.Internal, err, workerVariable)
}

// runTask runs a stage once. The process that waits for it holds the lock of the request and the slot of the machine.
func runTask(
	ctx context.Context, task engine.Task, place workplace, registry MakeRegistry, w *messageWriter,
) (out json.RawMessage, err error) {
	ctx, stop := stoppable(ctx)
	defer stop()
	if !place.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, place.Deadline, fault.New(fault.OutOfTime, "the Batch job's time is over"))
		defer cancel()
	}
	var log *slog.Logger
	if place.Log {
		log = slog.New(slog.NewJSONHandler(recordWriter{w.write}, nil))
	}
	defer func() {
		if p := recover(); p != nil {
			if log != nil {
				log.ErrorContext(ctx, "panic", "stage", task.Stage, "stack", string(debug.Stack()))
			}
			err = fault.New(fault.Internal, "stage %s: panic: %v", task.Stage, p)
		}
	}()
	home, err := makeScratch(place.Scratch)
	if err != nil {
		return nil, err
	}
	pieces, err := home.store()
	if err != nil {
		return nil, err
	}
	l, err := home.ledger(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	known, err := registry(place.Setup)
	if err != nil {
		return nil, err
	}
	places := origin.New(place.Places)
	defer places.Close() //nolint:errcheck // nothing is written there
	f := files{source: place.Source, kept: place.Kept, roots: place.Roots, places: places}
	e := &engine.Engine{
		Registry: known, Ledger: l, Scratch: pieces, Items: pieces, Bucket: bucket, Resolve: f.resolve, Temp: place.Temp,
		Worker: fmt.Sprintf("%s/process/%d", place.Worker, os.Getpid()), Log: log,
		Observe: func(e engine.Event) { w.write(message{Event: &e}) },
		Meter:   meter,
		Record:  home.record,
		Memory:  func(work.Needs) int64 { return place.Memory },
	}
	handle, ok := e.Handlers()[task.Stage]
	if !ok {
		return nil, fault.New(fault.Internal, "there is no stage %q", task.Stage)
	}
	return handle(ctx, task.Input)
}

// stoppable returns a context that ends when parent does, with a cause of kind Transient: the work may be tried again.
func stoppable(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { cancel(fault.Wrap(fault.Transient, context.Cause(parent), "told to stop")) })
	return ctx, func() { stop(); cancel(nil) }
}

// messageWriter writes messages, one per line. Stages emit events from several goroutines.
type messageWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *messageWriter) write(m message) {
	data, err := json.Marshal(m)
	if err != nil {
		data, _ = json.Marshal(message{Failure: failureOf(fault.Wrap(fault.Internal, err, "message to the job"))})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.out.Write(append(data, '\n')) // without a reader this process is about to end
}
