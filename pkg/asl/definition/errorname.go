package definition

import "slices"

// The error names that Step Functions reserves.
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

// reservedErrors are the names with the prefix "States." that a definition may use.
var reservedErrors = []string{
	StatesAll, StatesDataLimitExceeded, StatesExceedToleratedFailureThreshold, StatesItemReaderFailed,
	StatesNoChoiceMatched, StatesQueryEvaluationError, StatesRuntime, StatesTaskFailed, StatesTimeout,
	"States.BranchFailed", "States.HeartbeatTimeout", "States.Http.Socket", "States.Permissions",
	"States.ResultWriterFailed",
}

// Match reports whether the list covers an error name. The wildcards exclude what Step Functions
// documents that they exclude: States.ALL does not cover States.DataLimitExceeded,
// States.TaskFailed additionally does not cover States.Timeout, and nothing covers States.Runtime.
func (n ErrorNames) Match(name string) bool {
	if name == StatesRuntime {
		return false
	}
	return slices.ContainsFunc(n.Names, func(listed string) bool {
		switch listed {
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

// HasAll reports whether the list is the wildcard States.ALL.
func (n ErrorNames) HasAll() bool { return slices.Contains(n.Names, StatesAll) }
