package client

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// eventText returns what an event says besides its type: the state, or an error and its cause.
func eventText(e types.HistoryEvent) string {
	switch {
	case e.StateEnteredEventDetails != nil:
		return aws.ToString(e.StateEnteredEventDetails.Name)
	case e.StateExitedEventDetails != nil:
		return aws.ToString(e.StateExitedEventDetails.Name)
	case e.ExecutionFailedEventDetails != nil:
		return reason(e.ExecutionFailedEventDetails.Error, e.ExecutionFailedEventDetails.Cause)
	case e.ExecutionAbortedEventDetails != nil:
		return reason(e.ExecutionAbortedEventDetails.Error, e.ExecutionAbortedEventDetails.Cause)
	case e.ExecutionTimedOutEventDetails != nil:
		return reason(e.ExecutionTimedOutEventDetails.Error, e.ExecutionTimedOutEventDetails.Cause)
	case e.TaskFailedEventDetails != nil:
		return reason(e.TaskFailedEventDetails.Error, e.TaskFailedEventDetails.Cause)
	case e.TaskTimedOutEventDetails != nil:
		return reason(e.TaskTimedOutEventDetails.Error, e.TaskTimedOutEventDetails.Cause)
	case e.TaskSubmitFailedEventDetails != nil:
		return reason(e.TaskSubmitFailedEventDetails.Error, e.TaskSubmitFailedEventDetails.Cause)
	case e.TaskStartFailedEventDetails != nil:
		return reason(e.TaskStartFailedEventDetails.Error, e.TaskStartFailedEventDetails.Cause)
	case e.MapRunFailedEventDetails != nil:
		return reason(e.MapRunFailedEventDetails.Error, e.MapRunFailedEventDetails.Cause)
	case e.MapRunStartedEventDetails != nil:
		return aws.ToString(e.MapRunStartedEventDetails.MapRunArn)
	case e.MapIterationStartedEventDetails != nil:
		return aws.ToString(e.MapIterationStartedEventDetails.Name)
	case e.EvaluationFailedEventDetails != nil:
		return reason(e.EvaluationFailedEventDetails.Error, e.EvaluationFailedEventDetails.Cause)
	}
	return ""
}

// reason joins an error and its cause.
func reason(name, cause *string) string {
	return strings.TrimSuffix(strings.TrimPrefix(aws.ToString(name)+": "+aws.ToString(cause), ": "), ": ")
}
