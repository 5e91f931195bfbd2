// Package fault defines the kinds of error that leave a stage.
//
// A kind is API: Step Functions' Retry and Catch match it by name, the command line turns it into an exit code,
// and a user reads it in the console. Inside a stage errors are ordinary; where one leaves, it carries exactly one kind:
//
//	return fault.Wrap(fault.Corrupt, err, "index of "+name)
//
// KindOf tells what kind that is; the outermost counts.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"syscall"
)

// Kind names what went wrong, as far as the caller's next step depends on it.
type Kind string

const (
	Invalid     Kind = "Invalid"     // the request is wrong; only its author can mend it
	NotFound    Kind = "NotFound"    // the source, or a piece that should exist, is not there
	Unsupported Kind = "Unsupported" // the request and source are sound, but mapreel or its ffmpeg cannot do it
	Corrupt     Kind = "Corrupt"     // bytes contradict what they claim to be, or the result contradicts the plan
	OutOfTime   Kind = "OutOfTime"   // the worker will not make its deadline; a larger worker may
	OutOfSpace  Kind = "OutOfSpace"  // disk or memory is full; a larger worker may do it, or the same one later
	Transient   Kind = "Transient"   // the same call may succeed when tried again
	Internal    Kind = "Internal"    // a defect of mapreel
)

// Kinds lists every kind, in the order of their declaration.
func Kinds() []Kind {
	return []Kind{Invalid, NotFound, Unsupported, Corrupt, OutOfTime, OutOfSpace, Transient, Internal}
}

// Error is an error with a kind and, where we know one, a hint for the person who reads it.
type Error struct {
	Kind Kind
	What string // what was attempted on what, or what is wrong; lower case; may be empty where Err says it all
	Hint string // what to do about it; may be empty
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil && e.What == "":
		return string(e.Kind)
	case e.Err == nil:
		return e.What
	case e.What == "":
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// ErrorName is the error name that Step Functions and pkg/asl see.
func (e *Error) ErrorName() string { return string(e.Kind) }

// New returns an error of kind k whose text is formatted as by fmt.Sprintf. To keep a cause, use Wrap.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, What: fmt.Sprintf(format, args...)}
}

// Wrap gives err the kind k, whatever kind it had, and says what was attempted. A nil err stays nil. Where the kind
// should stay, fmt.Errorf with %w keeps it.
func Wrap(k Kind, err error, what string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, What: what, Err: err}
}

// WithHint adds advice to err, keeping its kind and text. A nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Hint: hint, Err: err}
}

// KindOf returns the kind of err: that of the first Error in its tree, from the outside in and through joined errors in
// their order, or of the first error of the operating system or of a context that has an obvious kind. Everything else
// is Internal. A nil error has the empty kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	kind := Internal
	for e := range tree(err) {
		if k := own(e); k != "" {
			kind = k
			break
		}
	}
	return kind
}

// own is the kind that e has by itself, whatever it wraps; empty where it has none.
func own(e error) Kind {
	if f, ok := e.(*Error); ok { //nolint:errorlint // tree visits every link
		return f.Kind
	}
	if len(wrapped(e)) > 0 {
		return ""
	}
	for _, known := range obvious {
		if errors.Is(e, known.err) {
			return known.kind
		}
	}
	return ""
}

// obvious are the errors whose kind needs no context: what a caller can do about them is the same wherever they occur.
var obvious = []struct {
	err  error
	kind Kind
}{
	{fs.ErrNotExist, NotFound},
	{fs.ErrPermission, Invalid}, // no retry and no larger worker mends it, only whoever chose the place
	{syscall.EROFS, Invalid},
	{syscall.ENOSPC, OutOfSpace},
	{syscall.EDQUOT, OutOfSpace},
	{syscall.EFBIG, OutOfSpace}, // a limit on the size of files
	{syscall.ENOMEM, OutOfSpace},
	{context.DeadlineExceeded, OutOfTime},
	{context.Canceled, Transient},
	{os.ErrDeadlineExceeded, Transient}, // of a connection or file, not of the work
	{syscall.EAGAIN, Transient},
	{syscall.EIO, Transient},
	{syscall.EMFILE, Transient},
	{syscall.ENFILE, Transient},
	{syscall.ESTALE, Transient}, // EFS, when its connection was lost
	{syscall.ETIMEDOUT, Transient},
	{syscall.ECONNREFUSED, Transient},
	{syscall.ECONNRESET, Transient},
}

// HintOf returns the first hint in err's tree, in the order of KindOf, or "".
func HintOf(err error) string {
	for e := range tree(err) {
		if f, ok := e.(*Error); ok && f.Hint != "" { //nolint:errorlint // tree visits every link
			return f.Hint
		}
	}
	return ""
}

// tree yields err and all that it wraps, each error before what it wraps.
func tree(err error) iter.Seq[error] {
	var visit func(e error, yield func(error) bool) bool
	visit = func(e error, yield func(error) bool) bool {
		if e == nil {
			return true
		}
		if !yield(e) {
			return false
		}
		for _, inner := range wrapped(e) {
			if !visit(inner, yield) {
				return false
			}
		}
		return true
	}
	return func(yield func(error) bool) { visit(err, yield) }
}

// wrapped lists what e itself wraps.
func wrapped(e error) []error {
	switch e := e.(type) { //nolint:errorlint // one link at a time
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return []error{inner}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}
