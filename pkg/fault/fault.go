// Package fault defines the kinds of error that leave a stage.
//
// A kind is API: Step Functions' Retry and Catch match it by name, the command line turns it into an exit code,
// and a user reads it in the console. Inside a stage errors are ordinary; where one leaves, it carries exactly one kind:
//
//	return fault.Wrap(fault.Corrupt, err, "index of "+name)
package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	What string // what was attempted on what, or what is wrong; lower case
	Hint string // what to do about it; may be empty
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string {
	switch {
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

// New returns an error of kind k.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, What: fmt.Sprintf(format, args...)}
}

// Wrap gives err the kind k and says what was attempted. A nil err stays nil.
func Wrap(k Kind, err error, what string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, What: what, Err: err}
}

// WithHint adds advice to err, keeping its kind. A nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Hint: hint, Err: err}
}

// KindOf returns the outermost kind in err's chain. Errors of the operating system that have an obvious kind get it;
// everything else is Internal. A nil error has the empty kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, fs.ErrNotExist):
		return NotFound
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return OutOfSpace
	case errors.Is(err, context.DeadlineExceeded):
		return OutOfTime
	case errors.Is(err, context.Canceled):
		return Transient
	}
	return Internal
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		if e, ok := err.(*Error); ok && e.Hint != "" { //nolint:errorlint // walks the chain itself, link by link
			return e.Hint
		}
		err = errors.Unwrap(err)
	}
	return ""
}
