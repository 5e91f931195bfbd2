package statemachine

import (
	"slices"
	"strings"
	"testing"
)

func TestDefinitionKeepsEveryRule(t *testing.T) {
	for _, finding := range lint(definition) {
		t.Error(finding)
	}
}

func TestLintFindsEachMistake(t *testing.T) {
	for _, m := range []struct{ mistake, old, new, want string }{
		{"not JSON", `"StartAt"`, `StartAt`, "invalid character"},
		{"JSONPath", `"QueryLanguage": "JSONata"`, `"QueryLanguage": "JSONPath"`, "QueryLanguage"},
		{"machine without a time limit", `"TimeoutSeconds": 172800,`, ``, ": no TimeoutSeconds"},
		{"task without a time limit", `"TimeoutSeconds": 960,`, ``, "Analyse the source: no TimeoutSeconds"},
		{"task that outlasts the machine", `"TimeoutSeconds": 86400`, `"TimeoutSeconds": 172800`, "not below the machine's"},
		{"state without a Comment", `"Comment": "Phases run in order`, `"Remark": "Phases run in order`, "no Comment"},
		{"name used twice", `"StartAt": "Where to merge?",
        "States": {

          "Where to merge?"`, `"StartAt": "Where to run?",
        "States": {

          "Where to run?"`, "the name is taken"},
		{"state that nothing leads to", `"Default": "Run on Lambda"`, `"Default": "Run on Batch"`, "cannot be reached"},
		{"Next to nowhere", `"Next": "Was it the last phase?"`, `"Next": "Cut"`, `leads to "Cut"`},
		{"default repeated", `"MaxAttempts": 6`, `"MaxAttempts": 3`, "MaxAttempts: repeats the default"},
		{"tolerance repeated", `"{% $states.input.phase.tolerated %}"`, `0`, "repeats the default"},
		{"mode repeated", `"MaxConcurrency": 40,
      "ItemProcessor": {`, `"MaxConcurrency": 40,
      "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"},`, "repeats the default"},
		{"no Retry", `"Retry"`, `"Rety"`, "no Retry"},
		{"no jitter", `, "JitterStrategy": "FULL"`, ``, "no jitter"},
		{"no cap", `"MaxDelaySeconds": 60, `, ``, "no cap of the delay"},
		{"retry of a bad request", `"Transient"`, `"Invalid"`, "retries Invalid"},
		{"retry of everything", `"Batch.BatchException", "Batch.AWSBatchException", "Batch.ServerException", "Batch.SdkClientException"`, `"States.ALL"`, "retries States.ALL"},
		{"one task retries less", `"Lambda.ServiceException", `, ``, "retry different errors"},
		{"misspelt error", `Sandbox.Timedout", "R`, `Sandbox.TimedOut", "R`, "Sandbox.TimedOut is not a known error"},
		{"States.ALL with others", `"OutOfTime", "OutOfSpace", "States.Timeout"`, `"OutOfTime", "States.ALL"`, "not alone and last"},
		{"Catch that ends in Fail", `"Type": "Task",
            "Resource": "arn:${Partition}:states:::batch`, `"Type": "Fail",
            "Resource": "arn:${Partition}:states:::batch`, "ends in the Fail state"},
		{"Parallel", `"Type": "Choice"`, `"Type": "Parallel"`, "is a Parallel"},
		{"variable that does not exist", `"{% $states.input.phase.last %}"`, `"{% $last %}"`, "reads the variable $last"},
		{"variable that is assigned", `"Output": "{% $states.result.Payload %}",`, `"Output": "{% $states.result.Payload %}", "Assign": {"next": "{% $states.result.Payload %}"},`, "assigns a variable"},
		{"variable that a Catch assigns", `"Output": "{% $merge([`, `"Assign": {"reason": "x"}, "Output": "{% $merge([`, "assigns a variable"},
		{"variable of outside in a Distributed Map", `"MaxConcurrency": "{% $states.input.concurrency %}"`, `"MaxConcurrency": "{% $concurrency %}"`, "a field of a Distributed Map reads $concurrency"},
		{"variable of outside in its ItemReader", `"Key": "{% $states.input.phase.key %}"`, `"Key": "{% $next.phase.key %}"`, "a field of a Distributed Map reads $next.phase.key"},
		{"variable of outside in its Output", `"Output": "{% $states.input %}",
      "Next": "Was it the last phase?"`, `"Output": "{% $next %}",
      "Next": "Was it the last phase?"`, "a field of a Distributed Map reads $next"},
		{"context in a Distributed Map", `"Key": "{% $states.input.phase.key %}"`, `"Key": "{% $states.context.Execution.Id %}"`, "a field of a Distributed Map reads $states.context"},
		{"variable of outside in a child", `"{% $states.input.route = 'batch' %}"`, `"{% $route = 'batch' %}"`, "Where to run?/Choices/0/Condition: reads the variable $route"},
		{"no such field of the input", `$states.input.phase.bucket`, `$states.input.phase.Bucket`, "the input has no phase.Bucket"},
		{"no such field of an item", `"unit": "{% $states.input.unit %}"`, `"unit": "{% $states.input.segment %}"`, "the input has no segment"},
		{"field of a request", `"request": "{% $states.input %}"`, `"request": "{% $states.input.source %}"`, "the input has no source"},
		{"field of the Map's input in a child", `$states.input.route = 'batch'`, `$states.input.concurrency = 'batch'`, "the input has no concurrency"},
		{"reason where nothing was caught", `"{% $states.input.route = 'batch' %}"`, `"{% $states.input.reason = 'batch' %}"`, "the input has no reason"},
		{"whole response of a function", `"Output": "{% $states.result.Payload %}"`, `"Output": "{% $states.result %}"`, "is not what the function returned"},
		{"result in Arguments", `"job": "{% $states.input.job %}"`, `"job": "{% $states.result.Payload.job %}"`, "$states.result does not exist here"},
		{"error outside a Catch", `"{% $states.input.phase.last %}"`, `"{% $states.errorOutput.Error %}"`, "$states.errorOutput does not exist here"},
		{"unknown function", `$replace($states.input.unit`, `$change($states.input.unit`, "unknown function $change"},
		{"no JSONata", `"{% $states.input.outputs %}"`, `"{% $states..(outputs %}"`, "/Items: "},
		{"half an expression", `"{% $states.input.outputs %}"`, `"{% $states.input.outputs }"`, "half an expression"},
		{"field that no function reads", `"unit": "{% $states.input.unit %}"`, `"segment": "{% $states.input.unit %}"`, "segment is not a field of engine.RunInput"},
		{"field that a function needs", `"execution": "{% $states.context.Execution.Id %}",`, ``, "lacks execution of engine.AnalyseInput"},
		{"function by name", `"FunctionName": "${Finish}"`, `"FunctionName": "finish"`, "none of the deployment's functions"},
		{"one function for all units", `$lookup(${Functions}, $states.input.class)`, `$lookup(${Functions}, 'encode')`, "none of the deployment's functions"},
		{"partition that is written out", `arn:${Partition}:states:::lambda:invoke`, `arn:aws:states:::lambda:invoke`, "in the deployment's partition"},
		{"other integration", `states:::lambda:invoke`, `states:::lambda:invoke.waitForTaskToken`, "is neither lambda:invoke nor"},
		{"list of results", `"Output": "{% $states.input %}",
      "Next": "Finish"`, `"Output": "{% $states.result %}",
      "Next": "Finish"`, "its Output is the list of results"},
		{"list of results by default", `"Output": "{% $states.input %}",
      "Next": "Finish"`, `"Next": "Finish"`, "its Output is the list of results"},
		{"child that returns its result", `"Output": {},
            "End": true`, `"End": true`, "the end of an item of a Map"},
		{"Label with a space", `"Label": "units"`, `"Label": "the units"`, "needs a Label"},
	} {
		t.Run(m.mistake, func(t *testing.T) {
			if !strings.Contains(definition, m.old) {
				t.Fatalf("the definition no longer contains %s", m.old)
			}
			got := lint(strings.Replace(definition, m.old, m.new, 1))
			if !slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, m.want) }) {
				t.Errorf("findings: %q, want one with %q", got, m.want)
			}
		})
	}
}
