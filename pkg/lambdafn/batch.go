package lambdafn

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
)

// batch runs a Batch job's task and returns the process's exit code. SIGTERM, which is the only notice of the end of a Spot
// instance or of a job, stops the work and leaves it recorded as Transient.
func (p *program) batch(ctx context.Context, text string) int {
	ctx, stop := untilSignal(ctx)
	defer stop()
	log := p.log
	by := worker{name: fmt.Sprintf("process/%d", os.Getpid()), place: price.OnBatch, began: time.Now(), host: findHost(ctx)}
	if id := os.Getenv("AWS_BATCH_JOB_ID"); id != "" {
		by.name = "batch/" + id + "/" + os.Getenv("AWS_BATCH_JOB_ATTEMPT")
		log = log.With("request", id)
	}
	t, err := engine.ParseTask(text)
	if err == nil {
		_, err = p.run(ctx, log, by, t.Stage, t.Input)
	}
	if err == nil {
		return 0
	}
	kind := fault.KindOf(err)
	log.ErrorContext(ctx, "task failed", "stage", t.Stage, "kind", kind, "error", message(err))
	return engine.ExitCode(kind)
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
