package asl

import (
	"context"
	"fmt"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

// tolerance limits the failed items of a DISTRIBUTED Map. Without it, none may fail.
type tolerance struct {
	count, percentage float64 // negative if not given
}

func newTolerance(ctx context.Context, m *definition.Map, d *data) (tolerance, error) {
	count, err := m.ToleratedFailureCount.Eval(ctx, d, -1)
	if err != nil {
		return tolerance{}, err
	}
	percentage, err := m.ToleratedFailurePercentage.Eval(ctx, d, -1)
	if err != nil {
		return tolerance{}, err
	}
	if count < 0 && percentage < 0 {
		count = 0
	}
	return tolerance{count, percentage}, nil
}

// exceeded reports whether too many items failed. A percentage can be exceeded once total is known,
// which is -1 before, or if none may fail.
func (t tolerance) exceeded(failed, total int) bool {
	switch {
	case failed == 0:
		return false
	case t.count >= 0 && float64(failed) > t.count:
		return true
	case t.percentage < 0:
		return false
	case total < 0:
		return t.percentage == 0
	}
	return float64(failed)*100 > t.percentage*float64(total)
}

// thresholdError returns the failure of a Map with more failed items than it tolerates.
func (a *mapAttempt) thresholdError() *Error {
	return &Error{
		Name: StatesExceedToleratedFailureThreshold,
		Cause: truncate(fmt.Sprintf("the tolerated failure threshold was exceeded: %d item(s) failed, the first with %s: %s",
			a.failed, a.first.Name, a.first.Cause), maxCause),
		Err: a.first,
	}
}
