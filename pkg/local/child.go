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
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/stage"
)

// Batch does the task that Run, in the process that started this one, has for it, and returns the exit code of this
// process: it is what the command of Options.Batch does. It reads the environment, as a Batch job's container does, and
// writes to out, the standard output, which nothing else may write to. An interrupt, SIGTERM or the end of ctx stops it
// in order, and leaves its work recorded as Transient.
func Batch(ctx context.Context, out io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := &messages{out: out}
	var result json.RawMessage
	task, place, err := told(os.Getenv)
	if err == nil {
		result, err = work(ctx, task, place, w)
	}
	if err != nil {
		w.tell(line{Failure: failureOf(err)})
	} else {
		w.tell(line{Output: result})
	}
	return stage.ExitCode(fault.KindOf(err))
}

// ForBatch says whether this process was started to call Batch.
func ForBatch() bool { return os.Getenv(workerVariable) != "" }

// told is what the environment says.
func told(getenv func(string) string) (task stage.Task, place workplace, err error) {
	if task, err = stage.ParseTask(getenv(stage.TaskVariable)); err != nil {
		return task, place, err
	}
	err = json.Unmarshal([]byte(getenv(workerVariable)), &place)
	return task, place, fault.Wrap(fault.Internal, err, workerVariable)
}

// work runs a stage once. The lock of the request and the slot of the machine are held by who waits for it.
func work(ctx context.Context, task stage.Task, place workplace, w *messages) (out json.RawMessage, err error) {
	ctx, stop := stoppable(ctx)
	defer stop()
	if !place.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, place.Deadline, fault.New(fault.OutOfTime, "the Batch job's time is over"))
		defer cancel()
	}
	var log *slog.Logger
	if place.Log {
		log = slog.New(slog.NewJSONHandler(recordWriter{w.tell}, nil))
	}
	defer func() {
		if p := recover(); p != nil {
			if log != nil {
				log.ErrorContext(ctx, "panic", "stage", task.Stage, "stack", string(debug.Stack()))
			}
			err = fault.New(fault.Internal, "stage %s: panic: %v", task.Stage, p)
		}
	}()
	pieces, err := dir.New(filepath.Join(place.Scratch, "pieces"))
	if err != nil {
		return nil, err
	}
	l, err := sqlite.Open(ctx, ledgerPath(place.Scratch))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	worker := &stage.Worker{
		Ledger: l, Scratch: pieces, Items: pieces, Bucket: bucket, Resolve: resolve, Tools: place.Tools, Temp: place.Temp,
		Owner: fmt.Sprintf("%s/process/%d", place.Owner, os.Getpid()), AudioPartLength: place.AudioPartLength, Log: log,
		Observe: func(e stage.Event) { w.tell(line{Event: &e}) },
	}
	handle, ok := worker.Handlers()[task.Stage]
	if !ok {
		return nil, fault.New(fault.Internal, "there is no stage %q", task.Stage)
	}
	return handle(ctx, task.Input)
}

// stoppable returns a context that ends when parent does, and says that the work may go on another time.
func stoppable(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	forget := context.AfterFunc(parent, func() { cancel(fault.Wrap(fault.Transient, context.Cause(parent), "told to stop")) })
	return ctx, func() { forget(); cancel(nil) }
}

// messages writes lines. Stages tell their events from several goroutines.
type messages struct {
	mu  sync.Mutex
	out io.Writer
}

func (m *messages) tell(l line) {
	data, err := json.Marshal(l)
	if err != nil {
		data, _ = json.Marshal(line{Failure: failureOf(fault.Wrap(fault.Internal, err, "message to the job"))})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.out.Write(append(data, '\n')) // who read it is gone, and this process goes with it
}
