package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// defaultGrace is how long an interrupted ffmpeg may take to close its files before it is killed.
	defaultGrace = 5 * time.Second
	// drainTime bounds the wait for output that outlives the process (a pipe that something else still holds open).
	drainTime = 5 * time.Second
	// stderrTail is how much of the end of standard error is kept: some 100 lines, more than any failure writes.
	stderrTail = 16 << 10
)

// RunOptions is how a program runs. The zero value runs it in the current directory and drops what it prints.
type RunOptions struct {
	Dir string   // working directory
	Env []string // "name=value", beside what every program gets
	// OnProgress gets each report of `-progress pipe:1`, from another goroutine than Run's caller, one at a time.
	// Run returns after the last call.
	OnProgress func(Progress)
	Stdout     io.Writer // what the program writes to descriptor 1; not used where OnProgress is set
	// Pipe gets what the program writes to descriptor 3: the FrameLog of VideoArgs, the SourceChunkLog of SplitArgs.
	// An error from it stops the program and is what Run returns.
	Pipe io.Writer
	// Stderr gets what the program writes to descriptor 2, beside what Run keeps of it for its error.
	Stderr io.Writer
	Limits Limits
	Grace  time.Duration // from interrupt to kill; 0 = 5 s
}

// Usage is what a finished program consumed.
type Usage struct {
	CPU    time.Duration // user and system time
	Wall   time.Duration
	MaxRSS int64 // bytes; the largest resident set
}

// Run runs a program to its end, without standard input, in a process group of its own, with PATH, HOME, TMPDIR and
// what the loader and the GPU driver need as its whole environment, and options.Env. It inherits descriptors 0 to 3 and no other, also none
// that this process was started with. On Linux the kernel kills it when this process dies, however that happens, and
// holds it to options.Limits.
//
// A failing exit is an error of a fault kind, with the program's own telling line and an ExitError in its chain. When
// ctx ends, the group is interrupted, given Grace, then killed, and the error holds context.Cause(ctx) and its kind.
// Usage is filled in either case, once the program has started.
func Run(ctx context.Context, program string, args []string, options RunOptions) (Usage, error) {
	name := filepath.Base(program)
	if err := context.Cause(ctx); err != nil {
		return Usage{}, fault.Wrap(fault.KindOf(err), err, "start "+name)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	cmd := exec.Command(program, args...) //nolint:noctx // the context ends the whole group, below, not only the leader
	cmd.Dir = options.Dir
	cmd.Env = append(environment(), options.Env...)
	cmd.SysProcAttr = processAttributes()
	cmd.WaitDelay = drainTime
	errs := &tail{limit: stderrTail}
	cmd.Stderr = errs
	if options.Stderr != nil {
		cmd.Stderr = io.MultiWriter(errs, stopOnError{options.Stderr, stop})
	}
	switch {
	case options.OnProgress != nil:
		cmd.Stdout = newProgressParser(options.OnProgress)
	case options.Stdout != nil:
		cmd.Stdout = stopOnError{options.Stdout, stop}
	}

	pipe, err := openSidePipe(options.Pipe, stop)
	if err != nil {
		return Usage{}, fault.Wrap(fault.Transient, err, "start "+name)
	}
	defer pipe.close()
	cmd.ExtraFiles = pipe.childEnd()

	// Pdeathsig fires when the thread that forked ends, not the process. A locked thread lives until we unlock it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started := time.Now()
	if options.Dir != "" { // or else fork would say that the program is not there
		if _, err := os.Stat(options.Dir); err != nil {
			return Usage{}, fault.Wrap(fault.KindOf(err), err, "start "+name+" in its folder")
		}
	}
	keepDescriptors()
	if err := cmd.Start(); err != nil {
		return Usage{}, fault.Wrap(startKind(err), err, "start "+program)
	}
	pipe.start()
	if err := limit(cmd.Process.Pid, options.Limits); err != nil {
		stop(fmt.Errorf("limit %s: %w", name, err))
	}

	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() { endWithContext(ctx, cmd.Process.Pid, options.Grace, done) })
	waitErr := cmd.Wait()
	close(done)
	watcher.Wait()
	pipe.drain()

	usage := usageOf(cmd.ProcessState)
	usage.Wall = time.Since(started)
	if cause := context.Cause(ctx); cause != nil && (waitErr != nil || pipe.failed()) {
		return usage, stopped(name, cause, waitErr)
	}
	return usage, failure(name, waitErr, errs.String())
}

// endWithContext interrupts the group when ctx ends, and kills it when that was not enough.
func endWithContext(ctx context.Context, group int, grace time.Duration, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	_ = syscall.Kill(-group, syscall.SIGINT) // fails only when the group is gone already
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// stopped is the error of a program that was ended by its context.
func stopped(name string, cause, waitErr error) error {
	if waitErr != nil {
		cause = errors.Join(cause, waitErr)
	}
	return &fault.Error{Kind: fault.KindOf(cause), What: name + " was stopped", Err: cause}
}

// startKind is the kind of an error of fork or exec.
func startKind(err error) fault.Kind {
	switch {
	case errors.Is(err, syscall.ENOMEM):
		return fault.OutOfSpace
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fault.Transient
	}
	return fault.Unsupported
}

// environment is all that a program sees: what it needs to find its libraries and its GPU, and nothing that changes
// what ffmpeg does (proxies, forced colours, report files) or that it should not know (credentials).
func environment() []string {
	env := []string{"SVT_LOG=1"} // SVT-AV1 writes errors only; its banner would fill the tail of standard error
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR",
		"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// sidePipe carries the program's descriptor 3 to a writer. The zero value carries nothing.
type sidePipe struct {
	to    io.Writer
	stop  context.CancelCauseFunc
	r, w  *os.File
	group sync.WaitGroup
	err   error
}

func openSidePipe(to io.Writer, stop context.CancelCauseFunc) (*sidePipe, error) {
	p := &sidePipe{to: to, stop: stop}
	if to == nil {
		return p, nil
	}
	var err error
	p.r, p.w, err = os.Pipe()
	return p, err
}

func (p *sidePipe) childEnd() []*os.File {
	if p.w == nil {
		return nil
	}
	return []*os.File{p.w}
}

// start begins to read. The child holds the only write end from here on, so its exit ends the stream.
func (p *sidePipe) start() {
	if p.to == nil {
		return
	}
	_ = p.w.Close()
	p.group.Go(func() {
		if _, err := io.Copy(p.to, p.r); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.err = err
			p.stop(err)
		}
	})
}

// drain waits until everything was read.
func (p *sidePipe) drain() {
	if p.to == nil {
		return
	}
	_ = p.r.SetReadDeadline(time.Now().Add(drainTime))
	p.group.Wait()
}

func (p *sidePipe) failed() bool { return p.err != nil }

func (p *sidePipe) close() {
	if p.to == nil {
		return
	}
	_ = p.w.Close() // closed already unless the start failed
	_ = p.r.Close()
}

// stopOnError passes writes on and stops the program with the first error.
type stopOnError struct {
	to   io.Writer
	stop context.CancelCauseFunc
}

func (s stopOnError) Write(data []byte) (int, error) {
	n, err := s.to.Write(data)
	if err != nil {
		s.stop(err)
	}
	return n, err
}

// tail is an io.Writer that keeps the last limit bytes.
type tail struct {
	limit int
	data  []byte
}

func (t *tail) Write(data []byte) (int, error) {
	t.data = append(t.data, data...)
	if excess := len(t.data) - t.limit; excess > 0 {
		t.data = append(t.data[:0], t.data[excess:]...)
	}
	return len(data), nil
}

func (t *tail) String() string { return string(t.data) }

// limitedBuffer is an io.Writer that refuses to hold more than limit bytes.
type limitedBuffer struct {
	limit int
	data  []byte
}

func (b *limitedBuffer) Write(data []byte) (int, error) {
	if len(b.data)+len(data) > b.limit {
		return 0, fault.New(fault.Corrupt, "more than %d bytes of description", b.limit)
	}
	b.data = append(b.data, data...)
	return len(data), nil
}

func (b *limitedBuffer) Bytes() []byte { return b.data }
