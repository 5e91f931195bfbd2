// Package process runs a program to its end: in a process group of its own, within limits, stopped cleanly when its context ends,
// with the end of what it wrote in the error.
//
//	usage, err := process.Run(ctx, "/usr/bin/ffmpeg", args, process.Options{Dir: dir})
package process

import (
	"cmp"
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
	// defaultGrace is how long an interrupted program may take to close its files before it is
	// killed.
	defaultGrace = 5 * time.Second
	// drainTime bounds the wait for output after the process has ended, in case another process
	// holds a pipe open.
	drainTime = 5 * time.Second
	// stderrTail is how much of the end of standard error is kept: some 100 lines, more than any
	// failure writes.
	stderrTail = 16 << 10
)

// Options configures Run. Limits is required. Without more, Run runs the program in the current
// directory and discards its output.
type Options struct {
	Name string   // in errors; "": that of the program's file
	Dir  string   // working directory
	Env  []string // "name=value", added to the variables that every program gets
	// Stdout receives descriptor 1, and Pipe descriptor 3, on other goroutines than Run's caller. If a
	// Write fails, the program is stopped and Run returns that error.
	Stdout, Pipe io.Writer
	// Stderr receives descriptor 2, in addition to the tail that Run keeps for its error.
	Stderr io.Writer
	Limits Limits        // required: a zero field is refused
	Grace  time.Duration // from interrupt to kill; 0 = 5 s
	// WatchInterval is the longest time between two looks at what the program uses. It grows to that from 100 ms; 0 = it does not grow.
	WatchInterval time.Duration
	// Namespaces has the kernel hide other processes from the program, and with NoNetwork the network.
	Namespaces Namespaces
	// Explain finds in the end of standard error why the program failed: the line that says it, and
	// the kind and hint of the error. nil: the last line, of kind Internal.
	Explain func(stderr string) (line string, kind fault.Kind, hint string)
	// Redact removes secrets from what WithRecord records of the program; nil: it is given none.
	Redact func(string) string
}

// Usage is what a finished program consumed.
type Usage struct {
	CPU    time.Duration // user and system time
	Wall   time.Duration
	MaxRSS int64 // bytes; the largest resident set
}

// Run runs a program to its end, without standard input and in its own process group. Its
// environment is PATH, HOME, TMPDIR, the variables that the loader and the GPU driver need, and
// options.Env. It inherits descriptors 0 to 3 only, and none that this process inherited. On Linux
// the kernel kills it when this process dies for any reason, and enforces options.Limits.
//
// A failing exit is an error of a fault kind. It has the line of output that explains the failure,
// and an ExitError in its chain. When ctx ends, the group is interrupted and, after Grace, killed;
// the error then has context.Cause(ctx) in its chain, and that error's kind. Usage is filled in
// either case, once the program has started.
func Run(ctx context.Context, program string, args []string, options Options) (usage Usage, err error) {
	name := cmp.Or(options.Name, filepath.Base(program))
	if err := context.Cause(ctx); err != nil {
		return Usage{}, fault.Wrap(fault.KindOf(err), err, "start "+name)
	}
	if err := options.Limits.check(name); err != nil {
		return Usage{}, err
	}
	if rehearsed(ctx, program, args, options.Dir) {
		return Usage{}, ErrRehearsed
	}
	options.Limits = options.Limits.WithInherited()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	cmd := exec.Command(program, args...) //nolint:noctx // the context ends the whole group, below, not only the leader
	cmd.Dir = options.Dir
	cmd.Env = append(environment(), options.Env...)
	cmd.SysProcAttr = processAttributes()
	options.Namespaces.set(cmd.SysProcAttr)
	cmd.WaitDelay = drainTime
	errs := &Tail{}
	cmd.Stderr = errs
	defer func() { record(ctx, name, args, options, errs.String(), usage, err) }()
	if options.Stderr != nil {
		cmd.Stderr = io.MultiWriter(errs, stopOnError{options.Stderr, stop})
	}
	if options.Stdout != nil {
		cmd.Stdout = stopOnError{options.Stdout, stop}
	}

	pipe, err := openSidePipe(options.Pipe, stop)
	if err != nil {
		return Usage{}, fault.Wrap(fault.Transient, err, "start "+name)
	}
	defer pipe.close()
	cmd.ExtraFiles = pipe.childEnd()

	// The kernel sends Pdeathsig when the thread that forked ends, even if its process lives on. A
	// locked thread lives until we unlock it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started := time.Now()
	if options.Dir != "" { // fork would report a missing folder as a missing program
		if _, err := os.Stat(options.Dir); err != nil {
			return Usage{}, fault.Wrap(fault.KindOf(err), err, "start "+name+" in its folder")
		}
	}
	closeInheritedOnExec()
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
	watcher.Go(func() { enforce(name, cmd.Process.Pid, options, stop, done) })
	waitErr := cmd.Wait()
	close(done)
	watcher.Wait()
	pipe.drain()

	usage = usageOf(cmd.ProcessState)
	usage.Wall = time.Since(started)
	count(ctx, usage.CPU, 0)
	cause := context.Cause(ctx)
	var excess *Excess
	switch {
	case errors.As(cause, &excess): // killing it leaves nothing else to say
		return usage, cause
	case cause != nil && (waitErr != nil || pipe.failed()):
		return usage, stopped(name, cause, waitErr)
	}
	return usage, failure(name, waitErr, errs.String(), options, usage)
}

// enforce stops the program when it exceeds a limit that the kernel does not enforce.
func enforce(name string, pid int, o Options, stop context.CancelCauseFunc, done <-chan struct{}) {
	l := o.Limits
	interval := watchInterval
	look := time.NewTimer(interval)
	defer look.Stop()
	if l.Processes <= 0 && l.Written <= 0 {
		look.Stop() // there is nothing to look at
	}
	end := make(<-chan time.Time) // never
	if l.Wall > 0 {
		timer := time.NewTimer(l.Wall)
		defer timer.Stop()
		end = timer.C
	}
	for {
		select {
		case <-done:
			return
		case <-end:
			stop(l.Exceeded(name, Wall, nil))
			return
		case <-look.C:
			if r, ok := exceeded(pid, l); ok {
				stop(l.Exceeded(name, r, nil))
				return
			}
			interval = nextInterval(interval, o.WatchInterval)
			look.Reset(interval)
		}
	}
}

// nextInterval returns the time from one look at what a program uses to the next, of which most is the longest.
func nextInterval(interval, most time.Duration) time.Duration {
	return max(min(interval+watchInterval/10, most), watchInterval)
}

// endWithContext interrupts the group when ctx ends, and kills it if it has not ended after grace. A
// program that exceeds a limit is killed at once: what it would write in its grace adds to the excess.
func endWithContext(ctx context.Context, group int, grace time.Duration, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	var excess *Excess
	if errors.As(context.Cause(ctx), &excess) {
		_ = syscall.Kill(-group, syscall.SIGKILL)
		return
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	_ = syscall.Kill(-group, syscall.SIGINT) // fails only if the group has ended already
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// stopped returns the error of a program that its context ended.
func stopped(name string, cause, waitErr error) error {
	if waitErr != nil {
		cause = errors.Join(cause, waitErr)
	}
	return &fault.Error{Kind: fault.KindOf(cause), What: name + " was stopped", Err: cause}
}

// startKind returns the kind of an error of fork or exec.
func startKind(err error) fault.Kind {
	switch {
	case errors.Is(err, syscall.ENOMEM):
		return fault.OutOfSpace
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fault.Transient
	}
	return fault.Unsupported
}

// environment returns the variables that every program gets: those with which it finds its
// libraries and its GPU. It leaves out what would change a tool's behaviour (proxies, forced
// colours, report files) and credentials.
func environment() []string {
	var env []string
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
