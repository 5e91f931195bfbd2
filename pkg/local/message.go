package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// message is what the process of a Batch job writes on its standard output, as JSON, one per line: events and log records while
// it works, at last the output of its stage or its failure.
type message struct {
	Event   *engine.Event   `json:"event,omitempty"`
	Log     json.RawMessage `json:"log,omitempty"` // as slog.JSONHandler writes it
	Output  json.RawMessage `json:"output,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
}

// failure is an error on its way from one process to another: the kind, which Retry and Catch match, and all that a person sees.
type failure struct {
	Kind    fault.Kind         `json:"kind"`
	Message string             `json:"message"`
	Hint    string             `json:"hint,omitempty"`
	Exit    *process.ExitError `json:"exit,omitempty"` // of the program that failed
}

func failureOf(err error) *failure {
	f := &failure{Kind: fault.KindOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
	errors.As(err, &f.Exit)
	return f
}

func (f *failure) err() error {
	return &fault.Error{Kind: f.Kind, Hint: f.Hint, Err: &reported{f.Message, f.Exit}}
}

// reported is an error of another process.
type reported struct {
	text string
	exit *process.ExitError
}

func (e *reported) Error() string { return e.text }

func (e *reported) Unwrap() error {
	if e.exit == nil {
		return nil
	}
	return e.exit
}

// maxLine bounds a line in bytes. The longest holds the end of a program's output, 16 KiB, each byte of which may take six.
const maxLine = 1 << 20

// messageReader is an io.Writer that passes each line written to it to handle. An unfinished last line is dropped: its writer was
// killed while writing it.
type messageReader struct {
	handle func(message) error
	part   []byte
}

func (r *messageReader) Write(data []byte) (int, error) {
	r.part = append(r.part, data...)
	for {
		text, rest, whole := bytes.Cut(r.part, []byte("\n"))
		if !whole {
			break
		}
		var m message
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&m); err != nil {
			return 0, fault.Wrap(fault.Internal, err, "message of a Batch job's process")
		}
		if err := r.handle(m); err != nil {
			return 0, err
		}
		r.part = rest
	}
	if len(r.part) > maxLine {
		return 0, fault.New(fault.Internal, "message of a Batch job's process: a line of more than %d bytes", maxLine)
	}
	return len(data), nil
}

// recordWriter makes messages of the records that a slog.JSONHandler writes.
type recordWriter struct{ write func(message) }

func (w recordWriter) Write(record []byte) (int, error) {
	w.write(message{Log: bytes.Clone(record)})
	return len(record), nil
}

// replay logs a record of another process.
func replay(ctx context.Context, log *slog.Logger, record json.RawMessage) error {
	var known struct {
		Time  time.Time
		Level slog.Level
		Msg   string
	}
	var fields map[string]any
	if err := errors.Join(json.Unmarshal(record, &known), json.Unmarshal(record, &fields)); err != nil {
		return fault.Wrap(fault.Internal, err, "log of a Batch job's process")
	}
	if !log.Enabled(ctx, known.Level) {
		return nil
	}
	for _, name := range []string{slog.TimeKey, slog.LevelKey, slog.MessageKey} {
		delete(fields, name)
	}
	r := slog.NewRecord(known.Time, known.Level, known.Msg, 0)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		r.AddAttrs(slog.Any(name, fields[name]))
	}
	_ = log.Handler().Handle(ctx, r) // as a Logger does
	return nil
}
