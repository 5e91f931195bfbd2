// Package stage holds the steps of the state machine. Each is written once and run by a Lambda function, by a Batch job
// or in this process: a method of Worker that takes JSON and gives JSON.
//
//	worker := &stage.Worker{Ledger: l, Scratch: pieces, Items: pieces, Resolve: open, Tools: tools, Temp: dir}
//	out, err := worker.Handlers()["encode"](ctx, []byte(`{"job":"…","segment":12}`))
//
// A stage may be killed at any instruction and run again, and may run twice at once. It writes under names that no other
// attempt uses, and only the ledger's first Complete makes a result count. An error that leaves a stage carries a kind
// of package fault.
package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// Worker is what the stages work with. Ledger, Scratch, Items, Resolve, Tools and Temp are required. It may be used by
// several goroutines at once.
type Worker struct {
	Ledger  ledger.Ledger
	Scratch blob.Store // pieces between the stages
	Items   blob.Store // holds the array that the Distributed Map reads: the scratch bucket, also where Scratch is EFS
	Bucket  string     // name of Items in the Map's ItemReader

	// Resolve finds the store and the key of a source, or of an output that will be there.
	Resolve func(ctx context.Context, url string) (blob.Store, string, error)

	Tools ffmpeg.Tools
	Temp  string // folder for working files; each attempt makes its own below it and removes it

	// AudioPartLength is about how long the pieces of a long sound are; 0: plan.AudioPartLength.
	AudioPartLength time.Duration

	Owner   string       // who this worker is, for the ledger
	Keep    bool         // keep the pieces of a job that is done
	Observe func(Event)  // may be nil
	Log     *slog.Logger // may be nil
}

// Handler runs a stage: input and output are JSON.
type Handler func(ctx context.Context, input json.RawMessage) (json.RawMessage, error)

// Handlers returns every stage under its name in the state machine's definition.
func (w *Worker) Handlers() map[string]Handler {
	return map[string]Handler{
		"analyse": handler(w, "analyse", w.Analyse),
		"split":   handler(w, "split", w.Split),
		"encode":  handler(w, "encode", w.Encode),
		"audio":   handler(w, "audio", w.Audio),
		"merge":   handler(w, "merge", w.Merge),
		"finish":  handler(w, "finish", w.Finish),
	}
}

// None is the output of a stage that has nothing to tell: {}.
type None struct{}

func handler[In, Out any](w *Worker, name string, run func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		log := w.logger().With("stage", name)
		var in In
		dec := json.NewDecoder(bytes.NewReader(input))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "input of stage "+name)
		}
		began := time.Now()
		log.InfoContext(ctx, "stage started", "input", string(input))
		out, err := run(ctx, in)
		if err != nil {
			err = settle(ctx, err)
			log.ErrorContext(ctx, "stage failed", "elapsed", time.Since(began), "kind", fault.KindOf(err), "error", err)
			return nil, err
		}
		log.InfoContext(ctx, "stage done", "elapsed", time.Since(began))
		data, err := json.Marshal(out)
		return data, fault.Wrap(fault.Internal, err, "output of stage "+name)
	}
}

// settle gives an error that leaves a stage its kind. Work that was cancelled has no fault of its own: the cause speaks.
func settle(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	if _, outermost := err.(*fault.Error); outermost { //nolint:errorlint // what is wrapped does not count here
		return err
	}
	return &fault.Error{Kind: fault.KindOf(err), Err: err}
}

func (w *Worker) logger() *slog.Logger {
	if w.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return w.Log
}

func (w *Worker) tell(e Event) {
	if w.Observe != nil {
		w.Observe(e)
	}
}

// load reads a job's plan from the ledger.
func (w *Worker) load(ctx context.Context, id string) (film.Job, error) {
	record, err := w.Ledger.Job(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return film.Job{}, fault.New(fault.NotFound, "job %s is not in the ledger; it may have expired", id)
	}
	if err != nil {
		return film.Job{}, err
	}
	var j film.Job
	if err := json.Unmarshal(record.Doc, &j); err != nil {
		return film.Job{}, fault.Wrap(fault.Corrupt, err, "record of job "+id)
	}
	return j, nil
}

// leaseOf is by when an attempt is surely over: the deadline of its context, or a day where it has none.
func leaseOf(ctx context.Context) time.Time {
	if t, ok := ctx.Deadline(); ok {
		return t
	}
	return time.Now().Add(24 * time.Hour)
}

// recordTime is how long after the end of its context an attempt tries to record what came of it.
const recordTime = 5 * time.Second

// outlast returns a context that ends recordTime after ctx does.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() { time.AfterFunc(recordTime, cancel) })
	return last, func() { forget(); cancel() }
}

// unit is the frame of every stage that makes one thing: it begins an attempt, lets work do it in a folder of its own,
// and records the outcome. Where the unit is done already it tells so and makes nothing. Where another attempt was
// first, discard removes what this one made.
func (w *Worker) unit(ctx context.Context, jobID, id string, work func(u ledger.Unit, dir string) (facts any, told Event, err error),
	discard func(u ledger.Unit),
) error {
	if err := ctx.Err(); err != nil {
		return settle(ctx, err)
	}
	// A worker that is stopped before it has the ledger's answer would not know that it has begun, and leave an attempt
	// that seems to run on.
	first, cancel := outlast(ctx)
	u, err := w.Ledger.Begin(first, jobID, id, w.Owner, leaseOf(ctx))
	cancel()
	if errors.Is(err, ledger.ErrNotFound) {
		return fault.New(fault.NotFound, "%s of job %s is not in the ledger; it may have expired", id, jobID)
	}
	if err != nil {
		return err
	}
	if u.State == ledger.Done {
		w.tell(Event{Type: Skipped, Job: jobID, Unit: id})
		return nil
	}
	w.tell(Event{Type: Started, Job: jobID, Unit: id, Attempt: u.Attempt})
	facts, told, err := w.attempt(u, work)
	// The outcome is recorded also where ctx is over: that is when it matters.
	if err != nil {
		err = settle(ctx, poison(err, u.Attempt))
		w.tell(Event{Type: Broken, Job: jobID, Unit: id, Attempt: u.Attempt, Error: err.Error()})
		// A ledger that cannot be reached now must not hide what went wrong.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
		defer cancel()
		failure := ledger.Failure{Kind: string(fault.KindOf(err)), Message: message(err)}
		if lerr := w.Ledger.Fail(last, jobID, id, u.Attempt, failure); lerr != nil && !errors.Is(lerr, ledger.ErrConflict) {
			w.logger().WarnContext(ctx, "failure not recorded", "job", jobID, "unit", id, "error", lerr)
		}
		return err
	}
	data, err := json.Marshal(facts)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "facts of "+id)
	}
	last, cancel := outlast(ctx)
	defer cancel()
	err = w.Ledger.Complete(last, jobID, id, u.Attempt, data)
	if errors.Is(err, ledger.ErrConflict) {
		// It is done already: by another attempt, or by this one, where the answer was lost and a client asked again.
		won, err := w.Ledger.Unit(last, jobID, id)
		switch {
		case err != nil: // what may be the result must not be removed
			w.logger().WarnContext(ctx, "superfluous pieces kept", "job", jobID, "unit", id, "error", err)
		case won.Attempt != u.Attempt:
			discard(u)
		}
		w.tell(Event{Type: Skipped, Job: jobID, Unit: id, Attempt: u.Attempt})
		return nil
	}
	if err != nil {
		return err
	}
	told.Job, told.Unit, told.Attempt = jobID, id, u.Attempt
	w.tell(told)
	return nil
}

// crashes is how many attempts at a unit an encoder may crash in until that is no accident any more. Fewer than the state
// machine's retries of what is Transient, which wait ever longer.
const crashes = 3

// poison makes every third crash of a unit's encoder final. The attempts go on counting when the job is run again, so that
// then, too, it is tried before it is given up.
func poison(err error, attempt int) error {
	var exit *ffmpeg.ExitError
	if !errors.As(err, &exit) || !exit.Crashed() || attempt%crashes != 0 || fault.KindOf(err) != fault.Transient {
		return err
	}
	return &fault.Error{
		Kind: fault.Unsupported, Err: err,
		Hint: "ffmpeg crashes there each time: try another release of ffmpeg, codec or preset. What is encoded is kept; the same request does the rest",
	}
}

// lastLines is how many of the lines that a program wrote last are recorded with its failure.
const lastLines = 5

// message is the text of an error as it is recorded: with the last lines of the program that failed.
func message(err error) string {
	var exit *ffmpeg.ExitError
	if !errors.As(err, &exit) {
		return err.Error()
	}
	return strings.Join(append([]string{err.Error()}, exit.LastLines(lastLines)...), "\n")
}

func (w *Worker) attempt(u ledger.Unit, work func(ledger.Unit, string) (any, Event, error)) (any, Event, error) {
	dir, err := os.MkdirTemp(w.Temp, "mapreel-"+u.Job+"-")
	if err != nil {
		return nil, Event{}, fmt.Errorf("working folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is removed with Temp
	return work(u, dir)
}

// reader gives random access to an object of known size through ranged reads of its store. It reads ahead a little,
// because parsers of indexes ask for a few bytes at a time, and counts what it asked for.
type reader struct {
	ctx   context.Context //nolint:containedctx // io.ReaderAt has no room for one; a reader lives within one call
	store blob.Store
	key   string
	size  int64
	ahead int64
	off   int64
	buf   []byte
	total int64
}

// readAhead is enough for several small boxes of a moov in one read, and little against a file or a network round trip.
const readAhead = 16 << 10

func newReader(ctx context.Context, store blob.Store, key string, size int64) *reader {
	return &reader{ctx: ctx, store: store, key: key, size: size, ahead: readAhead}
}

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	end := off + int64(len(p))
	if off < r.off || end > r.off+int64(len(r.buf)) {
		want := min(max(int64(len(p)), r.ahead), r.size-off)
		body, err := r.store.Open(r.ctx, r.key, off, want)
		if err != nil {
			return 0, err
		}
		defer body.Close()
		if want > r.ahead { // large: straight to the caller
			n, err := io.ReadFull(body, p[:want])
			r.total += int64(n)
			if errors.Is(err, io.ErrUnexpectedEOF) || (err == nil && n < len(p)) {
				err = io.EOF
			}
			return n, err
		}
		buf := make([]byte, want)
		n, err := io.ReadFull(body, buf)
		r.total += int64(n)
		r.off, r.buf = off, buf[:n]
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return 0, err
		}
	}
	n := copy(p, r.buf[off-r.off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
