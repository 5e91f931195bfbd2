// Package fault defines the kinds of error that leave a stage.
//
// A kind is API: Step Functions' Retry and Catch match it by name, the command line turns it into
// an exit code, and users read it in the console. Inside a stage errors are ordinary. An error that
// leaves a stage carries exactly one kind:
//
//	return fault.Wrap(fault.Corrupt, err, "index of "+name)
//
// KindOf returns the kind of an error. If several errors in a chain have one, the outermost counts.
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

// Kind classifies an error by what the caller can do about it.
type Kind string

const (
	Invalid     Kind = "Invalid"     // the request is wrong; only its author can correct it
	NotFound    Kind = "NotFound"    // the source, or an artifact that should exist, does not exist
	Unsupported Kind = "Unsupported" // the request and source are valid, but mapreel or its ffmpeg cannot do it
	Corrupt     Kind = "Corrupt"     // data does not match its format or its description, or the result does not match the plan
	OutOfTime   Kind = "OutOfTime"   // the worker cannot meet its deadline; a larger worker may
	OutOfSpace  Kind = "OutOfSpace"  // disk or memory is full; a larger worker may succeed, or the same one later
	Transient   Kind = "Transient"   // the same call may succeed on a retry
	OverBudget  Kind = "OverBudget"  // the job would cost more than its author allows; raising the budget continues it
	Internal    Kind = "Internal"    // a defect of mapreel
)

// Kinds returns every kind, in the order of declaration.
func Kinds() []Kind {
	return []Kind{Invalid, NotFound, Unsupported, Corrupt, OutOfTime, OutOfSpace, Transient, OverBudget, Internal}
}

// Error is an error with a kind and, if one is known, a hint for the user.
type Error struct {
	Kind Kind
	What string // the operation and its object, or what is wrong; lower case; may be empty if Err is enough
	Hint string // what the user can do about it; may be empty
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

// ErrorName returns the error name that Step Functions and pkg/asl see.
func (e *Error) ErrorName() string { return string(e.Kind) }

// New returns an error of kind k whose text is formatted as by fmt.Sprintf. Use Wrap to keep a
// cause.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, What: fmt.Sprintf(format, args...)}
}

// Wrap returns err with kind k, whatever kind it had, and with what was attempted. A nil err stays
// nil. To keep the kind of err, use fmt.Errorf with %w instead.
func Wrap(k Kind, err error, what string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, What: what, Err: err}
}

// WithHint adds a hint to err and keeps its kind and text. A nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Hint: hint, Err: err}
}

// ContextError describes the end of ctx: ctx.Err(), which tells a deadline from a cancellation, and
// the context's cause if that is a different error. It returns nil if ctx has not ended.
func ContextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != err { //nolint:errorlint // the same value, not the same kind
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// KindOf returns the kind of the first error in err's tree that has one. The tree is searched from
// the outside in, and through joined errors in their order. An Error has a kind; so do some errors
// of the operating system and of contexts, see wellKnown. Everything else is Internal. A nil error
// has the empty kind.
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

// own returns the kind of e itself, regardless of what it wraps, or "" if it has none.
func own(e error) Kind {
	if f, ok := e.(*Error); ok { //nolint:errorlint // tree visits every link
		return f.Kind
	}
	if len(wrapped(e)) > 0 {
		return ""
	}
	for _, known := range wellKnown {
		if errors.Is(e, known.err) {
			return known.kind
		}
	}
	return ""
}

// wellKnown lists the errors whose kind does not depend on where they occur: what a caller can do
// about them is always the same.
var wellKnown = []struct {
	err  error
	kind Kind
}{
	{fs.ErrNotExist, NotFound},
	{fs.ErrPermission, Invalid}, // neither a retry nor a larger worker helps; the user must choose another place
	{syscall.EROFS, Invalid},
	{syscall.ENOSPC, OutOfSpace},
	{syscall.EDQUOT, OutOfSpace},
	{syscall.EFBIG, OutOfSpace}, // a limit on the size of files
	{syscall.ENOMEM, OutOfSpace},
	{context.DeadlineExceeded, OutOfTime},
	{context.Canceled, Transient},
	{os.ErrDeadlineExceeded, Transient}, // the deadline of a connection or file, not of the work
	{syscall.EAGAIN, Transient},
	{syscall.EIO, Transient},
	{syscall.EMFILE, Transient},
	{syscall.ENFILE, Transient},
	{syscall.ESTALE, Transient}, // EFS, after it lost its connection
	{syscall.ETIMEDOUT, Transient},
	{syscall.ECONNREFUSED, Transient},
	{syscall.ECONNRESET, Transient},
}

// HintOf returns the first hint in err's tree, searched in the order of KindOf, or "".
func HintOf(err error) string {
	for e := range tree(err) {
		if f, ok := e.(*Error); ok && f.Hint != "" { //nolint:errorlint // tree visits every link
			return f.Hint
		}
	}
	return ""
}

// tree yields err and every error that it wraps, each before those that it wraps itself.
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

// wrapped returns the errors that e wraps directly.
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
