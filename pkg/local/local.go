// Package local runs a job in this process: the definition that AWS runs, interpreted by pkg/asl, with the stages
// called directly, a folder as scratch and a SQLite file as ledger.
//
//	report, err := local.Run(ctx, request, local.Options{Scratch: dir, Tools: tools, Observe: draw})
//
// A segment on the Batch route is a process of its own, of the same program, where Options.Batch says how to start it:
//
//	if local.ForBatch() {
//		os.Exit(local.Batch(ctx, os.Stdout))
//	}
//
// It finds its task in the same variable and answers with the same exit codes as the container on AWS. It is started again
// as the job definition says, ends in order when Run's context ends, and dies with the process that runs the job.
package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/stage"
	"github.com/mapreel/mapreel/statemachine"
)

// Options say where and how a job runs here. Scratch and Tools are required.
type Options struct {
	Scratch string       // folder for pieces and the ledger; made where it is missing
	Tools   ffmpeg.Tools // of ffmpeg.Find
	Jobs    int          // segments encoded at once; 0: one a core
	Keep    bool         // keep the pieces after the job is done
	// AudioPartLength is about how long the pieces of a long sound are; 0: plan.AudioPartLength. It must be the same when a job
	// is continued.
	AudioPartLength time.Duration
	// Limit is how long a worker of a segment may take where it stands for a Lambda function, as the time-out of one would
	// have it; 0: what the state machine allows. Waiting for a core does not count.
	Limit time.Duration
	// Batch are the arguments with which this very program calls the function Batch. With them, each attempt at a segment
	// that takes the Batch route is a process of its own, as it is a container of its own on AWS: a crash there, or the
	// kernel's want of memory, ends that attempt alone. Without, it runs in this process, as all the rest does: for
	// programs that have no such command.
	Batch []string
	// IgnoreSpace starts a job also where it will probably find too little room.
	IgnoreSpace bool
	Disk        func(folder string) (Disk, error) // what is free; nil: as the system says

	Log     *slog.Logger // may be nil
	Observe func(Event)  // called from one goroutine at a time; may be nil
}

// Event is what happens in a run: what a stage tells, and what the machine does with it.
type Event struct {
	stage.Event
	Time  time.Time `json:"time"`
	State string    `json:"state,omitempty"` // the state of the machine, for "retried"
}

// Retried is the type of an Event that says that a state failed and is tried again: State, Attempt.
const Retried stage.EventType = "retried"

// Report says what a run made and what it took.
type Report struct {
	film.Result
	Elapsed time.Duration
	CPU     time.Duration // of this process and its children
	Encoded int           // segments that this run encoded; the others were done before
	Source  int64         // bytes
}

// Status is a job as the ledger shows it.
type Status struct {
	Job      string    `json:"job"`
	State    string    `json:"state"` // running, interrupted, failed or done
	Source   string    `json:"source"`
	Outputs  []string  `json:"outputs"`
	Segments int       `json:"segments"`
	Done     int       `json:"done"`
	Running  int       `json:"running"`
	Updated  time.Time `json:"updated"`
	Error    string    `json:"error,omitempty"`
}

// Run does req on this machine, or as much of it as an earlier run left undone. Cancelling ctx stops every process it
// started and keeps what is finished. Errors carry a kind of package fault.
func Run(ctx context.Context, req film.Request, opts Options) (Report, error) {
	if problems := req.Check(); len(problems) > 0 {
		return Report{}, fault.Wrap(fault.Invalid, problems, "invalid request")
	}
	if _, err := os.Stat(req.Source); err != nil {
		return Report{}, readable(err, req.Source)
	}
	if err := prepare(req.Destination); err != nil {
		return Report{}, err
	}
	began, cpu := time.Now(), cpuTime()
	r, err := open(ctx, req, opts)
	if err != nil {
		return Report{}, err
	}
	report, err := r.run(ctx, req)
	err = errors.Join(err, r.close())
	report.Elapsed, report.CPU = time.Since(began), cpuTime()-cpu
	return report, err
}

// readable says what is wrong with a source that cannot even be looked at.
func readable(err error, path string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fault.WithHint(fault.Wrap(fault.KindOf(err), err, "cannot read "+path), "check the path of the source")
}

// runner is one run of one request.
type runner struct {
	opts   Options
	name   string // of the execution
	ledger *sqlite.Ledger
	lock   *os.File
	worker *stage.Worker
	pieces *dir.Store

	mu      sync.Mutex // guards calls of opts.Observe, and what is counted from them
	encoded int
}

// open takes hold of the scratch folder: the ledger, the store of pieces, and the lock that keeps a second run of the
// same request out.
func open(ctx context.Context, req film.Request, opts Options) (_ *runner, err error) {
	r := &runner{opts: opts, name: fmt.Sprintf("local-%d-%d", os.Getpid(), time.Now().UnixNano())}
	if opts.Scratch, err = filepath.Abs(opts.Scratch); err == nil {
		err = os.MkdirAll(opts.Scratch, 0o755)
	}
	if err != nil {
		return nil, fault.WithHint(fault.Wrap(fault.KindOf(err), err, "scratch folder"), "choose another with --scratch")
	}
	r.opts.Scratch = opts.Scratch
	if r.lock, err = lock(opts.Scratch, req); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	// What a killed run of this request left half-made is of no use: only what the ledger knows counts.
	temp := r.lock.Name() + ".tmp"
	if err = os.RemoveAll(temp); err == nil {
		err = os.Mkdir(temp, 0o755)
	}
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	if r.pieces, err = dir.New(filepath.Join(opts.Scratch, "pieces")); err != nil {
		return nil, err
	}
	if r.ledger, err = sqlite.Open(ctx, ledgerPath(opts.Scratch)); err != nil {
		return nil, err
	}
	if _, err = (garbage{opts.Scratch, r.ledger, r.pieces, time.Now()}).remove(ctx); err != nil {
		return nil, err
	}
	r.worker = &stage.Worker{
		Ledger: r.ledger, Scratch: r.pieces, Items: r.pieces, Bucket: bucket, Resolve: resolve, Tools: opts.Tools,
		Temp: temp, Owner: r.name, Keep: opts.Keep, AudioPartLength: opts.AudioPartLength, Log: opts.Log,
		Observe: func(e stage.Event) { r.tell(Event{Event: e}) },
	}
	return r, nil
}

func (r *runner) close() error {
	var errs []error
	if r.ledger != nil {
		errs = append(errs, r.ledger.Close())
	}
	if r.lock != nil {
		errs = append(errs, os.RemoveAll(r.lock.Name()+".tmp"), os.Remove(r.lock.Name()), r.lock.Close())
	}
	return errors.Join(errs...)
}

// bucket is the name under which the Map's ItemReader finds the store of pieces here.
const bucket = "scratch"

func ledgerPath(scratch string) string { return filepath.Join(scratch, "ledger.db") }

// lock keeps two processes from working on the same request at once: both would be right, but each would do all the
// work. The kernel lets go of it however this process ends.
func lock(scratch string, req film.Request) (*os.File, error) {
	req.Compute.Concurrency, req.Retention = 0, film.Retention{}
	data, err := json.Marshal(req)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "naming the lock")
	}
	locks := filepath.Join(scratch, "locks")
	if err := os.MkdirAll(locks, 0o755); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "scratch folder")
	}
	sum := sha256.Sum256(data)
	path := filepath.Join(locks, hex.EncodeToString(sum[:10]))
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "lock in the scratch folder")
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			return nil, fault.WithHint(fault.New(fault.Transient, "another process is working on this very request"),
				"wait for it, or watch it with: mapreel jobs")
		}
		// Who had the lock before removed its file on leaving: what was locked must be what others will find.
		mine, err := f.Stat()
		found, ferr := os.Stat(path)
		if err == nil && ferr == nil && os.SameFile(mine, found) {
			return f, nil
		}
		f.Close()
	}
}

func (r *runner) run(ctx context.Context, req film.Request) (Report, error) {
	req.Compute.Concurrency = cmp.Or(r.opts.Jobs, runtime.NumCPU())
	input, err := json.Marshal(req)
	if err != nil {
		return Report{}, fault.Wrap(fault.Internal, err, "request")
	}
	machine, tasks, err := r.machine()
	if err != nil {
		return Report{}, err
	}
	now, err := clock(ctx, r.ledger)
	if err != nil {
		return Report{}, err
	}
	out, err := machine.Run(ctx, asl.Execution{
		ID: r.name, Name: r.name, Input: input, Tasks: tasks, Items: r.items, Observe: r.history, Now: now,
	})
	if err != nil {
		return Report{}, r.fail(ctx, err)
	}
	report := Report{Encoded: r.encoded}
	if err := json.Unmarshal(out, &report.Result); err != nil {
		return report, fault.Wrap(fault.Internal, err, "output of the state machine")
	}
	if info, err := os.Stat(req.Source); err == nil {
		report.Source = info.Size()
	}
	return report, nil
}

// clock tells the time, but none before the newest start in the ledger: to the ledger a run that seems to have started
// before the last one is one that was given up, and a computer's clock may be set back between the two.
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

// machine is the definition with this process's tasks in its placeholders.
func (r *runner) machine() (*asl.Machine, map[string]asl.Task, error) {
	values := map[string]string{
		"Partition": "local", "BatchQueue": "local", "BatchJobDefinition": "local", "GpuQueue": "local", "GpuJobDefinition": "local",
	}
	handlers := r.worker.Handlers()
	tasks := map[string]asl.Task{"arn:local:states:::batch:submitJob.sync": r.batch(r.attempts(maps.Clone(handlers)))}
	if !r.opts.IgnoreSpace {
		handlers["analyse"] = r.checked(handlers["analyse"])
	}
	encode := handlers["encode"]
	handlers["encode"] = r.inTurn(encode)
	if r.opts.Limit > 0 {
		handlers["encode"] = r.inTurn(func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Limit, fault.New(fault.OutOfTime, "the worker's time is over"))
			defer cancel()
			return encode(ctx, input)
		})
	}
	for _, name := range statemachine.Tasks() {
		arn := "arn:local:lambda:::function:" + name
		values[statemachine.Placeholder(name)] = arn
		handle := handlers[name]
		tasks[arn] = func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) { return handle(ctx, in.Arguments) }
	}
	definition, err := statemachine.Substitute(values)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "state machine")
	}
	machine, err := asl.Load(definition)
	return machine, tasks, fault.Wrap(fault.Internal, err, "state machine")
}

// inTurn runs a stage when a slot of the machine is free: see slots.
func (r *runner) inTurn(handle stage.Handler) stage.Handler {
	s := slots{folder: filepath.Join(r.opts.Scratch, "slots"), count: cmp.Or(r.opts.Jobs, runtime.NumCPU())}
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		release, err := s.take(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
		return handle(ctx, input)
	}
}

// items opens what a Distributed Map reads.
func (r *runner) items(ctx context.Context, source asl.ItemSource) (io.ReadCloser, error) {
	if source.Bucket != bucket {
		return nil, fault.New(fault.Internal, "a Map reads its items from bucket %q", source.Bucket)
	}
	return r.pieces.Open(ctx, source.Key, 0, -1)
}

// history passes on what the machine itself has to tell: what it will try again.
func (r *runner) history(e asl.Event) {
	if e.Type != asl.TaskScheduled || e.Attempt == 0 {
		return
	}
	r.tell(Event{Event: stage.Event{Type: Retried, Attempt: e.Attempt}, State: e.State})
}

// fail tells Finish what EventBridge would tell it on AWS, and passes err on.
func (r *runner) fail(ctx context.Context, err error) error {
	in := film.FinishInput{Execution: r.name, Status: "FAILED", Error: string(fault.KindOf(err)), Cause: err.Error()}
	if ctx.Err() != nil {
		in.Status = "ABORTED"
	}
	// The machine's words about its states are for its history; a person wants what left the stage.
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
	if _, ferr := r.worker.Finish(last, in); ferr != nil {
		err = errors.Join(err, ferr)
	}
	return err
}

func (r *runner) tell(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Type == stage.Finished && strings.HasPrefix(e.Unit, "video/") {
		r.encoded++
	}
	if r.opts.Observe != nil {
		e.Time = time.Now()
		r.opts.Observe(e)
	}
}

// Jobs lists the jobs in the ledger of a scratch folder, newest first, also while other processes run some.
func Jobs(ctx context.Context, scratch string) ([]Status, error) {
	if _, err := os.Stat(ledgerPath(scratch)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	l, err := sqlite.Open(ctx, ledgerPath(scratch))
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // nothing was written
	var list []Status
	for record, err := range l.Jobs(ctx) {
		if err != nil {
			return nil, err
		}
		s, err := status(ctx, l, record)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// interrupted is the state of a job whose process ended without a word. The same command continues it.
const interrupted = "interrupted"

// alive says whether the process of an execution is still there.
func alive(execution string) bool {
	var pid int
	var began int64
	if _, err := fmt.Sscanf(execution, "local-%d-%d", &pid, &began); err != nil {
		return true // not ours to judge
	}
	return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

func status(ctx context.Context, l ledger.Ledger, record ledger.Job) (Status, error) {
	var j film.Job
	if err := json.Unmarshal(record.Doc, &j); err != nil {
		return Status{}, fault.Wrap(fault.Corrupt, err, "record of job "+record.ID)
	}
	s := Status{Job: j.ID, State: string(record.State), Source: j.Source.URL, Segments: j.Segments, Updated: record.Updated}
	for _, out := range j.Outputs {
		s.Outputs = append(s.Outputs, filepath.Join(j.Request.Destination, out.File))
	}
	if record.State == ledger.JobRunning && !alive(record.Execution) {
		s.State = interrupted
	}
	if record.Failure != nil {
		s.Error = record.Failure.Message
	}
	for u, err := range l.Units(ctx, j.ID, "") {
		if err != nil {
			return s, err
		}
		if u.Updated.After(s.Updated) {
			s.Updated = u.Updated
		}
		if !strings.HasPrefix(u.ID, "video/") {
			continue
		}
		switch u.State {
		case ledger.Done:
			s.Done++
		case ledger.Running:
			s.Running++
		}
	}
	return s, nil
}
