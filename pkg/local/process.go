package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/stage"
)

// workerVariable is the environment variable that holds the workplace of a Batch job's process, as JSON: here it says
// what the table's and the bucket's names say on AWS.
const workerVariable = "MAPREEL_WORKER"

// workplace is what the process of a Batch job works with: all but the task itself.
type workplace struct {
	Scratch         string        `json:"scratch"`
	Temp            string        `json:"temp"`
	Owner           string        `json:"owner"`
	Tools           ffmpeg.Tools  `json:"tools"`
	AudioPartLength time.Duration `json:"audioPartLength,omitempty"`
	Deadline        time.Time     `json:"deadline,omitzero"`
	Log             bool          `json:"log,omitempty"` // whether anybody reads its log
}

// patience is how long a process may take to end in order, once it was told to: ffmpeg's five seconds to stop, five to be
// killed and drained, five to record the outcome.
const patience = 20 * time.Second

// process does a task in a process of its own: this very program, which calls Batch there. It dies with this one.
func (r *runner) process(ctx context.Context, task stage.Task) (json.RawMessage, error) {
	temp, err := os.MkdirTemp(r.worker.Temp, "batch-")
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "working folder of a Batch job")
	}
	defer func() { _ = os.RemoveAll(temp) }() // what stays is removed with the folder above it
	place := workplace{
		Scratch: r.opts.Scratch, Temp: temp, Owner: r.worker.Owner,
		Tools: r.worker.Tools, AudioPartLength: r.worker.AudioPartLength, Log: r.opts.Log != nil,
	}
	place.Deadline, _ = ctx.Deadline()
	var env []string
	for name, value := range map[string]any{stage.TaskVariable: task, workerVariable: place} {
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
	var last line        // what the process had to say in the end
	var open stage.Event // the attempt at a unit that began and did not end
	out := &lineReader{take: func(l line) error {
		switch {
		case l.Event != nil:
			switch l.Event.Type {
			case stage.Started:
				open = *l.Event
			case stage.Finished, stage.Skipped, stage.Broken:
				open = stage.Event{}
			}
			r.tell(Event{Event: *l.Event})
		case l.Log != nil && r.opts.Log != nil:
			return replay(ctx, r.opts.Log, l.Log)
		default:
			last = l
		}
		return nil
	}}
	_, err = ffmpeg.Run(ctx, program, r.opts.Batch, ffmpeg.RunOptions{Env: env, Stdout: out, Grace: patience})
	switch {
	case err == nil && last.Output != nil:
		return last.Output, nil
	case last.Failure != nil:
		err = last.Failure.err()
	default:
		err = ended(err, open.Unit)
	}
	if cause := context.Cause(ctx); cause != nil { // it was told to stop, whatever it says of that
		err = &fault.Error{Kind: fault.KindOf(cause), What: "the process of a Batch job was stopped", Err: errors.Join(cause, err)}
	}
	r.bury(ctx, open, err)
	return nil, err
}

// ended is the error of a process that ended without a word. What a signal ended may succeed another time; so may what
// says so by its exit code.
func ended(err error, unit string) error {
	what, segment := cmp.Or(unit, "a Batch job"), 0
	if _, err := fmt.Sscanf(unit, "video/%d", &segment); err == nil {
		what = fmt.Sprintf("segment %d", segment) // as a stage calls it
	}
	var exit *ffmpeg.ExitError
	switch {
	case err == nil:
		return fault.New(fault.Internal, "the process of %s ended without a result", what)
	case !errors.As(err, &exit):
		return fmt.Errorf("the process of %s: %w", what, err)
	case exit.Signal != 0:
		return fault.WithHint(fault.New(fault.Transient, "the process of %s was ended by a signal (%v)", what, exit.Signal),
			"if nobody killed it, the machine ran out of memory: do less at once. What is finished is kept, and the same request continues")
	case exit.Code == stage.TryAgain:
		return fault.New(fault.Transient, "the process of %s asks to be started again", what)
	}
	return fault.Wrap(fault.Internal, exit, "the process of "+what)
}

// bury records what a process that is gone could not: that its attempt at a unit failed.
func (r *runner) bury(ctx context.Context, open stage.Event, err error) {
	if open.Unit == "" {
		return
	}
	r.tell(Event{Event: stage.Event{Type: stage.Broken, Job: open.Job, Unit: open.Unit, Attempt: open.Attempt, Error: err.Error()}})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	failure := ledger.Failure{Kind: string(fault.KindOf(err)), Message: err.Error()}
	lerr := r.ledger.Fail(last, open.Job, open.Unit, open.Attempt, failure)
	if lerr != nil && !errors.Is(lerr, ledger.ErrConflict) && r.opts.Log != nil { // the next attempt takes it over all the same
		r.opts.Log.WarnContext(ctx, "failure not recorded", "job", open.Job, "unit", open.Unit, "error", lerr)
	}
}

// self is a path of this very program: that under which it was started, unless another one lies there by now.
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
