package engine

import (
	"bytes"
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/fault"
)

// TaskVariable is the environment variable that tells a Batch job what to do: a Task as JSON.
const TaskVariable = "MAPREEL_TASK"

// Task is what a Batch job does: it runs a stage once.
type Task struct {
	Stage string          `json:"stage"`
	Input json.RawMessage `json:"input"`
}

// ParseTask reads what stands in TaskVariable. What it cannot read is of kind Internal: the definition wrote it.
func ParseTask(text string) (Task, error) {
	var t Task
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	return t, fault.Wrap(fault.Internal, dec.Decode(&t), TaskVariable)
}

// BatchAttempts is how often a Batch job is started at most, where its instance was taken back or it ended with TryAgain.
const BatchAttempts = 3

// TryAgain is the exit code of a Batch job that failed with kind Transient: EX_TEMPFAIL of sysexits.h. Such a job is
// started again, and none that ends with another code.
const TryAgain = 75

// exitCodes are what a Batch job ends with: the numbers of sysexits.h where it has one that fits. All but TryAgain are
// for who reads the list of jobs.
var exitCodes = map[fault.Kind]int{
	fault.Invalid:     64, // EX_USAGE
	fault.Corrupt:     65, // EX_DATAERR
	fault.NotFound:    66, // EX_NOINPUT
	fault.Unsupported: 69, // EX_UNAVAILABLE
	fault.Internal:    70, // EX_SOFTWARE
	fault.OutOfSpace:  74, // EX_IOERR
	fault.Transient:   TryAgain,
	fault.OutOfTime:   79,
	fault.OverBudget:  80,
}

// ExitCode is what the process of a Batch job ends with after an error of kind k.
func ExitCode(k fault.Kind) int { return exitCodes[k] }
