package asl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

const (
	// maxPayload is Step Functions' limit in bytes on the input, result and output of a state, and
	// on the variables that one Assign sets.
	maxPayload = 256 << 10
	// maxVariables is Step Functions' limit in bytes on all variables of an execution.
	maxVariables = 10 << 20
	// maxCause and maxErrorName are Step Functions' limits in characters. Longer texts are
	// truncated.
	maxCause     = 32768
	maxErrorName = 256
)

// Error is the failure of a state, and of the execution if nothing caught it.
type Error struct {
	Name  string // matched by Retry and Catch
	Cause string // for people
	State string // the innermost state that failed; "" if the execution failed as a whole
	Err   error  // what the task or reader returned, or the failure behind this one; may be nil

	evaluation bool   // an expression failed, and no EvaluationFailed event reports it yet
	location   string // JSON Pointer to that expression; "" if a value without an expression was of the wrong type
	internal   bool   // raised by the interpreter: the cause gets Step Functions' introduction
	oversized  bool   // a task's result exceeded the payload limit
	ended      bool   // the attempt of a Map or Parallel began, so that its failure is an event
}

func (e *Error) Error() string {
	s := e.Name
	if e.State != "" {
		s = fmt.Sprintf("state %q: %s", e.State, e.Name)
	}
	if e.Cause == "" {
		return s
	}
	return s + ": " + e.Cause
}

func (e *Error) Unwrap() error { return e.Err }

// ErrorName returns Name, so that a task that runs a machine of its own fails with the error of
// that machine.
func (e *Error) ErrorName() string { return e.Name }

// output returns the value of $states.errorOutput.
func (e *Error) output() json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"Error":`)
	_ = jsonata.AppendString(&b, e.Name) // a string always encodes
	b.WriteString(`,"Cause":`)
	_ = jsonata.AppendString(&b, e.Cause)
	b.WriteByte('}')
	return b.Bytes()
}

// caughtBy reports whether a catcher handles the error. Contrary to the documentation, States.ALL
// catches States.DataLimitExceeded if it is a task's result that was too large. That was recorded
// for Catch alone, so retriers do not do it.
func (e *Error) caughtBy(names definition.ErrorNames) bool {
	return names.Match(e.Name) || e.oversized && names.HasAll()
}

// taskError returns the name and cause that Retry and Catch see for an error of a task.
func taskError(err error) *Error {
	var named interface{ ErrorName() string }
	name := ""
	if errors.As(err, &named) {
		name = named.ErrorName()
	}
	if name == "" {
		name = StatesTaskFailed
	}
	return &Error{Name: truncate(name, maxErrorName), Cause: truncate(err.Error(), maxCause), Err: err}
}

// asError returns the *Error in err. Every failure of a state has one, or is a failed evaluation.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var failed *definition.EvaluationError
	if errors.As(err, &failed) {
		return &Error{
			Name: StatesQueryEvaluationError, Cause: truncate(failed.Reason, maxCause), Err: failed.Err,
			evaluation: true, internal: true, location: failed.Path,
		}
	}
	return &Error{Name: StatesRuntime, Cause: err.Error(), Err: err, internal: true}
}

// limitError reports a payload above its limit. what ends in a verb.
func limitError(what string, size, limit int) *Error {
	return &Error{
		Name:  StatesDataLimitExceeded,
		Cause: fmt.Sprintf("%s %d bytes; the limit is %d", what, size, limit),
	}
}

// checkPayload checks the size of a state's input, result or output. what ends in a verb.
func checkPayload(what string, p json.RawMessage) error {
	if len(p) > maxPayload {
		return limitError(what, len(p), maxPayload)
	}
	return nil
}

// truncate shortens s to at most limit bytes, between characters.
func truncate(s string, limit int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
