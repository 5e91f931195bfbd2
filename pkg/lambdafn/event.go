package lambdafn

import (
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
)

// statusChange is the event of an execution whose status changed, as EventBridge passes it on. Fields that do not apply are null.
type statusChange struct {
	Source string `json:"source"`
	Detail struct {
		Execution string `json:"executionArn"`
		Status    string `json:"status"`
		Error     string `json:"error"`
		Cause     string `json:"cause"`
	} `json:"detail"`
}

// stageInput returns the input of a stage that an event holds. The event of a failed execution comes whole: an input template would
// paste the cause unescaped, and a cause with quotes would break the JSON. Everything else is the input of its stage already.
func stageInput(stage string, event json.RawMessage) (json.RawMessage, error) {
	if stage != engine.StageFinish {
		return event, nil
	}
	var e statusChange
	if err := json.Unmarshal(event, &e); err != nil || e.Source != "aws.states" {
		return event, nil //nolint:nilerr // the stage itself says what is wrong with its input
	}
	input, err := json.Marshal(engine.FinishInput{
		Execution: e.Detail.Execution, Status: e.Detail.Status, Error: e.Detail.Error, Cause: e.Detail.Cause,
	})
	return input, fault.Wrap(fault.Internal, err, "event of a failed execution")
}
