package lambdafn

import (
	"encoding/json"
	"testing"

	"github.com/mapreel/mapreel/pkg/engine"
)

// The events are those of the Developer Guide ("Step Functions event schema"), with other values.
func TestTheEventOfAFailureIsTheInputOfFinish(t *testing.T) {
	const head = `{"version":"0","id":"1","detail-type":"Step Functions Execution Status Change","source":"aws.states","detail":{"executionArn":"e",
		"stateMachineArn":"m","name":"n","startDate":1551225271984,"stopDate":1551225271990,"input":"{\"source\": \"s3://b/in/a.mkv\"}",
		"inputDetails":{"included":true},"output":null,"outputDetails":null,`
	for event, want := range map[string]engine.FinishInput{
		head + `"status":"ABORTED","error":null,"cause":null}}`: {Execution: "e", Status: "ABORTED"},
		head + `"status":"TIMED_OUT"}}`:                         {Execution: "e", Status: "TIMED_OUT"},
		head + `"status":"FAILED","error":"NotFound","cause":"{\"errorMessage\":\"no \\\"film\\\"\\n\"}"}}`: {
			Execution: "e", Status: "FAILED", Error: "NotFound", Cause: "{\"errorMessage\":\"no \\\"film\\\"\\n\"}",
		},
		`{"job":"j","execution":"e"}`: {Job: "j", Execution: "e"}, // from the definition
	} {
		input, err := stageInput(engine.StageFinish, json.RawMessage(event))
		var got engine.FinishInput
		if err == nil {
			err = json.Unmarshal(input, &got)
		}
		if err != nil || got != want {
			t.Errorf("%s\nis %s: %+v, %v; want %+v", event, input, got, err, want)
		}
	}
	const request = `{"request":{},"source":"aws.states"}`
	if input, err := stageInput(engine.StageAnalyse, json.RawMessage(request)); err != nil || string(input) != request {
		t.Errorf("the input of another stage becomes %s, %v", input, err)
	}
}
