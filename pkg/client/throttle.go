package client

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// sampledUnits is how many of the units that Step Functions runs are looked at for throttles: an answer for each is asked for.
const sampledUnits = 5

// throttled counts, among a few units of the newest map run, those that Lambda refused last because too many run; Step Functions tries
// them again. The ledger knows of none of them: they did not begin. A user who may not read histories sees none.
func (c *Client) throttled(ctx context.Context, execution string) (int, error) {
	runs, err := c.sfn.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: &execution, MaxResults: 1})
	if err != nil || len(runs.MapRuns) == 0 || runs.MapRuns[0].StopDate != nil {
		return 0, c.unlessDenied(err, "map runs of "+nameOf(execution))
	}
	children, err := c.sfn.ListExecutions(ctx, &sfn.ListExecutionsInput{
		MapRunArn: runs.MapRuns[0].MapRunArn, StatusFilter: types.ExecutionStatusRunning, MaxResults: sampledUnits,
	})
	if err != nil {
		return 0, c.unlessDenied(err, "children of "+nameOf(execution))
	}
	count := 0
	for _, child := range children.Executions {
		history, err := c.sfn.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: child.ExecutionArn, ReverseOrder: true, MaxResults: 1})
		if err != nil {
			return count, c.unlessDenied(err, "history of "+aws.ToString(child.Name))
		}
		if len(history.Events) > 0 && isThrottle(history.Events[0]) {
			count++
		}
	}
	return count, nil
}

// isThrottle reports whether an event is the failure of a task that Lambda refused because too many run.
func isThrottle(e types.HistoryEvent) bool {
	name := ""
	switch {
	case e.TaskFailedEventDetails != nil:
		name = aws.ToString(e.TaskFailedEventDetails.Error)
	case e.TaskSubmitFailedEventDetails != nil:
		name = aws.ToString(e.TaskSubmitFailedEventDetails.Error)
	case e.TaskStartFailedEventDetails != nil:
		name = aws.ToString(e.TaskStartFailedEventDetails.Error)
	}
	return strings.Contains(name, "TooManyRequests")
}

// unlessDenied returns the error of a call, or nil where the user may not make it.
func (c *Client) unlessDenied(err error, what string) error {
	if err == nil || hasCode(err, "AccessDeniedException") {
		return nil
	}
	return c.fail(err, what)
}
