package lambdafn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
)

// TryAgain is the exit code of a Batch job that failed with kind Transient: EX_TEMPFAIL of sysexits.h. The job definition
// starts such a job again, and none that ends with another code.
const TryAgain = 75

// exitCodes are what a Batch job ends with: the numbers of sysexits.h where it has one that fits. All but TryAgain are
// for who reads the list of jobs.
var exitCodes = map[fault.Kind]int{
	fault.Invalid:     64, // EX_USAGE
	fault.Corrupt:     65, // EX_DATAERR
	fault.NotFound:    66, // EX_NOINPUT
	fault.Unsupported: 69, // EX_UNAVAILABLE
	fault.Internal:    70, // EX_SOFTWARE
	fault.OutOfSpace:  74, // EX_IOERR
	fault.Transient:   TryAgain,
	fault.OutOfTime:   79,
}

// task is what MAPREEL_TASK holds.
type task struct {
	Stage string          `json:"stage"`
	Input json.RawMessage `json:"input"`
}

// batch runs a Batch job's task and returns the process's exit code. SIGTERM, which is all the notice that the end of a
// Spot instance or of a job gives, stops the work and leaves it recorded as Transient.
func (p *program) batch(ctx context.Context, text string) int {
	ctx, stop := untilSignal(ctx)
	defer stop()
	log := p.log
	owner := fmt.Sprintf("process/%d", os.Getpid())
	if id := os.Getenv("AWS_BATCH_JOB_ID"); id != "" {
		owner = "batch/" + id + "/" + os.Getenv("AWS_BATCH_JOB_ATTEMPT")
		log = log.With("request", id)
	}
	var t task
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	err := fault.Wrap(fault.Internal, dec.Decode(&t), "MAPREEL_TASK")
	if err == nil {
		_, err = p.run(ctx, log, t.Stage, owner, t.Input)
	}
	if err == nil {
		return 0
	}
	kind := fault.KindOf(err)
	log.ErrorContext(ctx, "task failed", "stage", t.Stage, "kind", kind, "error", message(err))
	return exitCodes[kind]
}

// untilSignal returns a context that ends when the process is told to.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		defer close(done)
		select {
		case s := <-signals:
			cancel(fault.New(fault.Transient, "told to stop (%v): the instance is taken back, or the job was ended", s))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}
