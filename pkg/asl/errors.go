package asl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The error names of Step Functions that an execution here can meet, or that a retrier or catcher may name.
const (
	StatesAll                             = "States.ALL"
	StatesDataLimitExceeded               = "States.DataLimitExceeded"
	StatesExceedToleratedFailureThreshold = "States.ExceedToleratedFailureThreshold"
	StatesItemReaderFailed                = "States.ItemReaderFailed"
	StatesNoChoiceMatched                 = "States.NoChoiceMatched"
	StatesQueryEvaluationError            = "States.QueryEvaluationError"
	StatesRuntime                         = "States.Runtime"
	StatesTaskFailed                      = "States.TaskFailed"
	StatesTimeout                         = "States.Timeout"
)

// reservedErrors are the names beginning with "States." that a definition may use.
var reservedErrors = []string{
	StatesAll, StatesDataLimitExceeded, StatesExceedToleratedFailureThreshold, StatesItemReaderFailed,
	StatesNoChoiceMatched, StatesQueryEvaluationError, StatesRuntime, StatesTaskFailed, StatesTimeout,
	"States.BranchFailed", "States.HeartbeatTimeout", "States.Http.Socket", "States.Permissions",
	"States.ResultWriterFailed",
}

const (
	// maxPayload is Step Functions' limit on the input, result and output of a state, and on what one Assign sets.
	maxPayload = 256 << 10
	// maxVariables is Step Functions' limit on all variables of an execution.
	maxVariables = 10 << 20
	// maxCause and maxErrorName are Step Functions' limits in characters; longer ones are cut.
	maxCause     = 32768
	maxErrorName = 256
)

// Error is the failure of a state, and of the execution when nothing caught it.
type Error struct {
	Name  string // what Retry and Catch match
	Cause string // for people
	State string // the innermost state that failed; "" when the execution failed as a whole
	Err   error  // what the task or reader returned, or the failure behind this one; may be nil

	location string // JSON Pointer of the expression that failed
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

// ErrorName returns Name, so that a task that runs a machine of its own fails with that machine's error.
func (e *Error) ErrorName() string { return e.Name }

// output is what $states.errorOutput shows.
func (e *Error) output() json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"Error":`)
	_ = appendString(&b, e.Name) // a string always encodes
	b.WriteString(`,"Cause":`)
	_ = appendString(&b, e.Cause)
	b.WriteByte('}')
	return b.Bytes()
}

// taskError gives an error of a task the name and cause that Retry and Catch see.
func taskError(err error) *Error {
	var named interface{ ErrorName() string }
	name := ""
	if errors.As(err, &named) {
		name = named.ErrorName()
	}
	if name == "" {
		name = StatesTaskFailed
	}
	return &Error{Name: cut(name, maxErrorName), Cause: cut(err.Error(), maxCause), Err: err}
}

// asError finds the *Error in err, which every failure of a state has.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Name: StatesRuntime, Cause: err.Error(), Err: err}
}

func tooLarge(what string, size, limit int) *Error {
	return &Error{
		Name:  StatesDataLimitExceeded,
		Cause: fmt.Sprintf("%s %d bytes; the limit is %d", what, size, limit),
	}
}

// matches reports whether a list of error names covers name. The wildcards leave out what Step Functions leaves out:
// States.ALL does not cover States.DataLimitExceeded, States.TaskFailed does not cover States.Timeout either, and
// nothing covers States.Runtime.
func matches(names []string, name string) bool {
	if name == StatesRuntime {
		return false
	}
	return slices.ContainsFunc(names, func(n string) bool {
		switch n {
		case name:
			return true
		case StatesAll:
			return name != StatesDataLimitExceeded
		case StatesTaskFailed:
			return name != StatesDataLimitExceeded && name != StatesTimeout
		}
		return false
	})
}

// cut shortens s to at most limit bytes, between characters.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
