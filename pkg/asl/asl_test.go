package asl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/asl"
)

// machine wraps the states of a definition that starts at A.
func machine(states string) string {
	return `{"QueryLanguage": "JSONata", "StartAt": "A", "States": {` + states + `}}`
}

// inMap wraps the states of the processor of a Map, which start at B.
func inMap(config, states, rest string) string {
	return machine(`"A": {"Type": "Map", "ItemProcessor": {` + config + `"StartAt": "B", "States": {` + states + `}}` + rest + `, "End": true}`)
}

const (
	distributed = `"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},`
	succeedB    = `"B": {"Type": "Succeed"}`
)

func TestResourcesAreThoseOfAllTasks(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "arn:z", "Next": "M"}, "M": {"Type": "Map", "ItemProcessor": {`+distributed+`"StartAt": "B", "States": {
		"B": {"Type": "Task", "Resource": "arn:a", "Next": "C"}, "C": {"Type": "Task", "Resource": "arn:z", "End": true}}}, "End": true}`))
	if diff := cmp.Diff([]string{"arn:a", "arn:z"}, m.Resources()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	if n := len(m.States()); n != 4 {
		t.Errorf("the machine has %d states, want 4", n)
	}
	if w := load(t, machine(`"A": {"Type": "Succeed", "Output": "{% $x %}"}`)).Warnings(); len(w) != 1 {
		t.Errorf("got warnings %v, want one", w)
	}
	if _, err := asl.Load(nil); err == nil {
		t.Error("an empty definition was loaded")
	}
}
