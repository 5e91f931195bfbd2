package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/process"
)

// workerVariable is the environment variable that holds the workplace of a Batch job's process, as JSON. It has the part that
// the names of table and bucket have on AWS.
const workerVariable = "MAPREEL_WORKER"

// workplace is what the process of a Batch job works with: all but the task itself.
type workplace struct {
	Scratch  string          `json:"scratch"`
	Temp     string          `json:"temp"`
	Worker   string          `json:"worker"`
	Setup    json.RawMessage `json:"setup,omitempty"` // Options.Setup
	Deadline time.Time       `json:"deadline,omitzero"`
	Source   string          `json:"source"`
	Log      bool            `json:"log,omitempty"`    // whether its log is read
	Kept     []string        `json:"kept,omitempty"`   // outputs that are not to be replaced
	Roots    []string        `json:"roots,omitempty"`  // Options.Roots
	Places   origin.Settings `json:"places,omitzero"`  // Options.Places
	Memory   int64           `json:"memory,omitempty"` // bytes that the unit may hold; 0: unknown
}

// stopTime is how long a process may take to stop cleanly: five seconds for its tools to stop, five to be killed and
// drained, five to record the outcome, and some to spare.
const stopTime = 20 * time.Second

// namesBuckets reports whether a request names something in S3.
func namesBuckets(request []byte) bool {
	var tree any
	if json.Unmarshal(request, &tree) != nil {
		return false
	}
	text, err := json.Marshal(tree) // without the escapes that the request may have
	return err == nil && bytes.Contains(text, []byte(`"s3://`))
}

// process does a task in a process of its own: this program, which calls Batch there. It dies with this one.
func (r *runner) process(ctx context.Context, task engine.Task) (json.RawMessage, error) {
	temp, err := os.MkdirTemp(r.engine.Temp, "batch-")
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "working folder of a Batch job")
	}
	defer func() { _ = os.RemoveAll(temp) }() // what stays is removed with the folder above it
	place := workplace{
		Scratch: r.opts.Scratch, Temp: temp, Worker: r.engine.Worker, Setup: r.opts.Setup, Log: r.opts.Log != nil,
		Source: r.files.source, Kept: r.files.kept, Roots: r.files.roots, Places: r.files.places.Settings(),
	}
	place.Deadline, _ = ctx.Deadline()
	needs, err := r.needs(ctx, task.Input)
	if err != nil {
		return nil, err
	}
	place.Memory = r.slots().memoryOf(needs)
	var env []string
	if r.files.buckets { // nothing else needs the credentials
		env = origin.Environment()
	}
	for name, value := range map[string]any{engine.TaskVariable: task, workerVariable: place} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, name)
		}
		env = append(env, name+"="+string(text))
	}
	program, err := self()
	if err != nil {
		return nil, err
	}
	var last message      // the output of the stage, or its failure
	var open engine.Event // the attempt at a unit that began and did not end
	out := &messageReader{handle: func(m message) error {
		switch {
		case m.Event != nil:
			switch m.Event.Type {
			case engine.Started:
				open = *m.Event
			case engine.Done, engine.Skipped, engine.Failed:
				open = engine.Event{}
			}
			r.emit(Event{Event: *m.Event})
		case m.Log != nil && r.opts.Log != nil:
			return replay(ctx, r.opts.Log, m.Log)
		default:
			last = m
		}
		return nil
	}}
	_, err = process.Run(ctx, program, r.opts.Batch, process.Options{
		Env: env, Stdout: out, Grace: stopTime,
		Limits: process.Unlimited(), //nolint:forbidigo // it is this program, and gives limits to those that it starts
	})
	switch {
	case err == nil && last.Output != nil:
		return last.Output, nil
	case last.Failure != nil:
		err = last.Failure.err()
	default:
		err = exitError(err, open.Unit)
	}
	if cause := context.Cause(ctx); cause != nil { // it was told to stop, whatever it reports
		err = &fault.Error{Kind: fault.KindOf(cause), What: "the process of a Batch job was stopped", Err: errors.Join(cause, err)}
	}
	r.recordLoss(ctx, open, err)
	return nil, err
}

// exitError is the error of a process that ended without reporting a result. Work that a signal ended may succeed another time;
// so may work whose exit code says so.
func exitError(err error, unit string) error {
	what := cmp.Or(unit, "a Batch job")
	var exit *process.ExitError
	switch {
	case err == nil:
		return fault.New(fault.Internal, "the process of %s ended without a result", what)
	case !errors.As(err, &exit):
		return fmt.Errorf("the process of %s: %w", what, err)
	case exit.Signal != 0:
		return fault.WithHint(fault.New(fault.Transient, "the process of %s was ended by a signal (%v)", what, exit.Signal),
			"unless somebody killed it, the machine ran out of memory: run fewer units at once. Finished units are kept, and the same request continues")
	case exit.Code == engine.TryAgain:
		return fault.New(fault.Transient, "the process of %s asks to be started again", what)
	}
	return fault.Wrap(fault.Internal, exit, "the process of "+what)
}

// recordLoss records for a process that is gone that its attempt at a unit failed.
func (r *runner) recordLoss(ctx context.Context, open engine.Event, err error) {
	if open.Unit == "" {
		return
	}
	r.emit(Event{Event: engine.Event{Type: engine.Failed, Job: open.Job, Unit: open.Unit, Attempt: open.Attempt, Error: err.Error()}})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	failure := ledger.Failure{Kind: string(fault.KindOf(err)), Message: err.Error()}
	lerr := r.ledger.Fail(last, open.Job, open.Unit, open.Attempt, failure)
	if lerr != nil && !errors.Is(lerr, ledger.ErrConflict) && r.opts.Log != nil { // the next attempt takes it over all the same
		r.opts.Log.WarnContext(ctx, "failure not recorded", "job", open.Job, "unit", open.Unit, "error", lerr)
	}
}

// self returns a path of this program: the one under which it was started, unless another program lies there by now.
func self() (string, error) {
	const running = "/proc/self/exe" // Linux
	path, err := os.Executable()
	if now, rerr := os.Stat(running); rerr == nil {
		if found, ferr := os.Stat(path); err != nil || ferr != nil || !os.SameFile(now, found) {
			path, err = running, nil
		}
	}
	return path, fault.Wrap(fault.Internal, err, "find this program")
}
