package definition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mapreel/mapreel/pkg/asl/definition"
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

func TestLoadRefusesAndNamesThePath(t *testing.T) {
	reader := func(arguments, config string) string {
		return `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": ` + arguments + `, "ReaderConfig": ` + config + `}`
	}
	tests := []struct {
		name, definition string
		path, message    string // of one of the problems; message is a part of it
	}{
		{"text", "hello", "", "not JSON: line 1, column 1"},
		{"trailing text", "{}\n{}", "", "not JSON: line 2, column 1"},
		{"array", "[]", "", "must be an object, not an array"},
		{"no start", `{"QueryLanguage": "JSONata", "States": {"A": {"Type": "Succeed"}}}`, "", "StartAt is missing"},
		{"unknown start", `{"QueryLanguage": "JSONata", "StartAt": "B", "States": {"A": {"Type": "Succeed"}}}`, "/StartAt", `no state "B"`},
		{"no states", `{"QueryLanguage": "JSONata", "StartAt": "A"}`, "", "States is missing"},
		{"empty states", machine(``), "/States", "must not be empty"},
		{"JSONPath by default", `{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}`, "/States/A", "JSONPath is not supported"},
		{"JSONPath", `{"QueryLanguage": "JSONPath", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}`, "/States/A", "JSONPath is not supported"},
		{"JSONPath in a state", machine(`"A": {"Type": "Succeed", "QueryLanguage": "JSONPath"}`), "/States/A/QueryLanguage", "JSONPath is not supported"},
		{"unknown query language", machine(`"A": {"Type": "Succeed", "QueryLanguage": "SQL"}`), "/States/A/QueryLanguage", "unknown query language"},
		{"unknown machine field", `{"QueryLanguage": "JSONata", "StartAt": "A", "Stats": 1, "States": {"A": {"Type": "Succeed"}}}`, "/Stats", "unknown field"},
		{"machine timeout expression", `{"QueryLanguage": "JSONata", "StartAt": "A", "TimeoutSeconds": "{% 1 %}", "States": {"A": {"Type": "Succeed"}}}`, "/TimeoutSeconds", "must be an integer"},
		{"version", `{"Version": "2", "QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}`, "/Version", "unknown version"},
		{"repeated state", machine(`"A": {"Type": "Succeed"}, "A": {"Type": "Succeed"}`), "/States/A", "appears twice"},
		{"name of an inner state", inMap("", `"B": {"Type": "Pass", "Next": "A"}, "A": {"Type": "Succeed"}`, ""), "/States/A/ItemProcessor/States/A", "already used by /States/A"},
		{"long name", machine(`"A": {"Type": "Pass", "Next": "` + strings.Repeat("é", 81) + `"}, "` + strings.Repeat("é", 81) + `": {"Type": "Succeed"}`), "/States/" + strings.Repeat("é", 81), "1 to 80 characters, not 81"},
		{"no type", machine(`"A": {"End": true}`), "/States/A", "Type is missing"},
		{"unknown type", machine(`"A": {"Type": "Loop"}`), "/States/A/Type", `unknown state type "Loop"`},
		{"state is no object", machine(`"A": 1`), "/States/A", "must be an object, not a number"},
		{"path with slash", machine(`"A": {"Type": "Pass", "Next": "a/~b"}, "a/~b": {"Type": "Succeed", "X": 1}`), "/States/a~1~0b/X", "unknown field"},
		{"neither Next nor End", machine(`"A": {"Type": "Pass"}`), "/States/A", "needs Next or End"},
		{"both Next and End", machine(`"A": {"Type": "Pass", "Next": "A", "End": true}`), "/States/A/End", "not both"},
		{"End false", machine(`"A": {"Type": "Pass", "End": false}`), "/States/A/End", "must be true"},
		{"missing target", machine(`"A": {"Type": "Pass", "Next": "Z"}`), "/States/A/Next", `no state "Z"`},
		{"target in another scope", inMap("", `"B": {"Type": "Pass", "Next": "A"}`, ""), "/States/A/ItemProcessor/States/B/Next", `no state "A"`},
		{"missing target of a rule", machine(`"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "Z"}], "Default": "B"}, "B": {"Type": "Succeed"}`), "/States/A/Choices/0/Next", `no state "Z"`},
		{"missing default", machine(`"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "B"}], "Default": "Z"}, "B": {"Type": "Succeed"}`), "/States/A/Default", `no state "Z"`},
		{"missing target of a catcher", machine(`"A": {"Type": "Task", "Resource": "r", "Catch": [{"ErrorEquals": ["X"], "Next": "Z"}], "End": true}`), "/States/A/Catch/0/Next", `no state "Z"`},
		{"unreachable", machine(`"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}`), "/States/B", `cannot be reached from "A"`},
		{"no end", machine(`"A": {"Type": "Pass", "Next": "A"}`), "/States", "no state ends the machine"},
		{"InputPath", machine(`"A": {"Type": "Pass", "InputPath": "$.a", "End": true}`), "/States/A/InputPath", "field of JSONPath"},
		{"ResultPath", machine(`"A": {"Type": "Task", "Resource": "r", "ResultPath": null, "End": true}`), "/States/A/ResultPath", "field of JSONPath"},
		{"Result", machine(`"A": {"Type": "Pass", "Result": 1, "End": true}`), "/States/A/Result", "field of JSONPath"},
		{"unknown field", machine(`"A": {"Type": "Pass", "Otput": 1, "End": true}`), "/States/A/Otput", "unknown field"},
		{"field of another type", machine(`"A": {"Type": "Succeed", "Assign": {"x": 1}}`), "/States/A/Assign", "unknown field"},
		{"comment", machine(`"A": {"Type": "Succeed", "Comment": 1}`), "/States/A/Comment", "must be a string"},
		{"task token", machine(`"A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": true}`), "/States/A/Resource", "task tokens"},
		{"activity", machine(`"A": {"Type": "Task", "Resource": "arn:aws:states:us-east-1:1:activity:x", "End": true}`), "/States/A/Resource", "activities"},
		{"no resource", machine(`"A": {"Type": "Task", "End": true}`), "/States/A", "Resource is missing"},
		{"resource expression", machine(`"A": {"Type": "Task", "Resource": "{% $states.input.r %}", "End": true}`), "/States/A/Resource", "must be constant"},
		{"timeout zero", machine(`"A": {"Type": "Task", "Resource": "r", "TimeoutSeconds": 0, "End": true}`), "/States/A/TimeoutSeconds", "must be an integer from 1"},
		{"timeout fraction", machine(`"A": {"Type": "Task", "Resource": "r", "TimeoutSeconds": 1.5, "End": true}`), "/States/A/TimeoutSeconds", "must be an integer from 1"},
		{"timeout text", machine(`"A": {"Type": "Task", "Resource": "r", "TimeoutSeconds": "5", "End": true}`), "/States/A/TimeoutSeconds", "or an expression"},
		{"wait for nothing", machine(`"A": {"Type": "Wait", "End": true}`), "/States/A", "either Seconds or Timestamp"},
		{"wait for both", machine(`"A": {"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": true}`), "/States/A", "either Seconds or Timestamp"},
		{"wait until no time", machine(`"A": {"Type": "Wait", "Timestamp": "tomorrow", "End": true}`), "/States/A/Timestamp", "RFC 3339"},
		{"no choices", machine(`"A": {"Type": "Choice", "Choices": [], "Default": "B"}, "B": {"Type": "Succeed"}`), "/States/A/Choices", "must not be empty"},
		{"condition text", machine(`"A": {"Type": "Choice", "Choices": [{"Condition": "true", "Next": "B"}]}, "B": {"Type": "Succeed"}`), "/States/A/Choices/0/Condition", "an expression or a boolean"},
		{"JSONPath rule", machine(`"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "Next": "B"}]}, "B": {"Type": "Succeed"}`), "/States/A/Choices/0/Variable", "field of JSONPath"},
		{"fail error", machine(`"A": {"Type": "Fail", "Error": 5}`), "/States/A/Error", "must be a string"},
		{"branches", machine(`"A": {"Type": "Parallel", "Branches": [], "End": true}`), "/States/A/Branches", "must not be empty"},
		{"branch field", machine(`"A": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {` + succeedB + `}, "TimeoutSeconds": 1}], "End": true}`), "/States/A/Branches/0/TimeoutSeconds", "unknown field"},

		{"no processor", machine(`"A": {"Type": "Map", "End": true}`), "/States/A", "ItemProcessor is missing"},
		{"Iterator", machine(`"A": {"Type": "Map", "Iterator": {}, "End": true}`), "/States/A/Iterator", "field of JSONPath"},
		{"items object", inMap("", succeedB, `, "Items": {"a": 1}`), "/States/A/Items", "must be an array or an expression"},
		{"items text", inMap("", succeedB, `, "Items": "abc"`), "/States/A/Items", "must be an array or an expression"},
		{"mode", inMap(`"ProcessorConfig": {"Mode": "FAST"},`, succeedB, ""), "/States/A/ItemProcessor/ProcessorConfig/Mode", "INLINE or DISTRIBUTED"},
		{"execution type missing", inMap(`"ProcessorConfig": {"Mode": "DISTRIBUTED"},`, succeedB, ""), "/States/A/ItemProcessor/ProcessorConfig", "ExecutionType is missing"},
		{"execution type", inMap(`"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "FAST"},`, succeedB, ""), "/States/A/ItemProcessor/ProcessorConfig/ExecutionType", "STANDARD or EXPRESS"},
		{"execution type inline", inMap(`"ProcessorConfig": {"Mode": "INLINE", "ExecutionType": "STANDARD"},`, succeedB, ""), "/States/A/ItemProcessor/ProcessorConfig/ExecutionType", "only a DISTRIBUTED"},
		{"reader inline", inMap("", succeedB, reader(`{"Bucket": "b", "Key": "k"}`, `{"InputType": "JSON"}`)), "/States/A/ItemReader", "only a DISTRIBUTED"},
		{"tolerance range", inMap(distributed, succeedB, `, "ToleratedFailurePercentage": 101`), "/States/A/ToleratedFailurePercentage", "a number from 0 to 100"},
		{"concurrency", inMap("", succeedB, `, "MaxConcurrency": -1`), "/States/A/MaxConcurrency", "an integer from 0"},
		{"label", inMap(distributed, succeedB, `, "Label": "a b"`), "/States/A/Label", "without spaces"},
		{"reader and items", inMap(distributed, succeedB, `, "Items": []`+reader(`{"Bucket": "b", "Key": "k"}`, `{"InputType": "JSON"}`)), "/States/A/ItemReader", "not both"},
		{"reader resource", inMap(distributed, succeedB, `, "ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`), "/States/A/ItemReader/Resource", "only arn:aws:states:::s3:getObject"},
		{"reader key", inMap(distributed, succeedB, reader(`{"Bucket": "b"}`, `{"InputType": "JSON"}`)), "/States/A/ItemReader/Arguments", "Key is missing"},
		{"reader type", inMap(distributed, succeedB, reader(`{"Bucket": "b", "Key": "k"}`, `{"InputType": "CSV"}`)), "/States/A/ItemReader/ReaderConfig/InputType", "only JSON"},
		{"reader config", inMap(distributed, succeedB, `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}}`), "/States/A/ItemReader", "ReaderConfig is missing"},
		{"batcher", inMap(distributed, succeedB, `, "ItemBatcher": {}`), "/States/A/ItemBatcher", "needs MaxItemsPerBatch or MaxInputBytesPerBatch"},
		{"batch of none", inMap(distributed, succeedB, `, "ItemBatcher": {"MaxItemsPerBatch": 0}`), "/States/A/ItemBatcher/MaxItemsPerBatch", "an integer from 1"},
		{"batch bytes", inMap(distributed, succeedB, `, "ItemBatcher": {"MaxInputBytesPerBatch": 262145}`), "/States/A/ItemBatcher/MaxInputBytesPerBatch", "from 1 to 262144"},
		{"batch input", inMap(distributed, succeedB, `, "ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": [1]}`), "/States/A/ItemBatcher/BatchInput", "an object or an expression"},
		{"batcher inline", inMap("", succeedB, `, "ItemBatcher": {"MaxItemsPerBatch": 1}`), "/States/A/ItemBatcher", "only a DISTRIBUTED"},
		{"A1: empty label", inMap(distributed, succeedB, `, "Label": ""`), "/States/A/Label", "1 to 40 characters"},
		{"heartbeat not below timeout", machine(`"A": {"Type": "Task", "Resource": "r", "TimeoutSeconds": 5, "HeartbeatSeconds": 5, "End": true}`), "/States/A/HeartbeatSeconds", "less than TimeoutSeconds"},
		{"credentials without a role", machine(`"A": {"Type": "Task", "Resource": "r", "Credentials": {}, "End": true}`), "/States/A/Credentials", "RoleArn is missing"},
		{"A2: unknown action", machine(`"A": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:noSuchAction", "End": true}`), "/States/A/Resource", `dynamodb has no action "noSuchAction"`},
		{"A2: unknown action with a suffix", machine(`"A": {"Type": "Task", "Resource": "arn:aws-cn:states:::batch:submitJobs.sync", "End": true}`), "/States/A/Resource", `batch has no action "submitJobs"`},
		{"result writer", inMap(distributed, succeedB, `, "ResultWriter": {}`), "/States/A/ResultWriter", "not supported"},

		{"States.ALL with another name", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["States.ALL", "X"]}], "End": true}`), "/States/A/Retry/0/ErrorEquals", "must be the only name"},
		{"States.ALL not last", machine(`"A": {"Type": "Task", "Resource": "r", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "A"}, {"ErrorEquals": ["X"], "Next": "A"}], "End": true}`), "/States/A/Catch/0/ErrorEquals", "last entry"},
		{"reserved name", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["States.Oops"]}], "End": true}`), "/States/A/Retry/0/ErrorEquals/0", "unknown error name States.Oops"},
		{"no error names", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": []}], "End": true}`), "/States/A/Retry/0/ErrorEquals", "must not be empty"},
		{"backoff", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["X"], "BackoffRate": 0.5}], "End": true}`), "/States/A/Retry/0/BackoffRate", "a number from 1"},
		{"cap below interval", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["X"], "IntervalSeconds": 5, "MaxDelaySeconds": 5}], "End": true}`), "/States/A/Retry/0/MaxDelaySeconds", "greater than IntervalSeconds"},
		{"jitter", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["X"], "JitterStrategy": "HALF"}], "End": true}`), "/States/A/Retry/0/JitterStrategy", "FULL or NONE"},
		{"retry expression", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["X"], "MaxAttempts": "{% 1 %}"}], "End": true}`), "/States/A/Retry/0/MaxAttempts", "must be an integer"},
		{"retry of a Pass", machine(`"A": {"Type": "Pass", "Retry": [], "End": true}`), "/States/A/Retry", "unknown field"},

		{"not JSONata", machine(`"A": {"Type": "Pass", "Output": ["{% 1 + %}"], "End": true}`), "/States/A/Output/0", "not JSONata"},
		{"unclosed expression", machine(`"A": {"Type": "Pass", "Output": "{% 1 ", "End": true}`), "/States/A/Output", "begins with {% and ends with %}"},
		{"space after expression", machine(`"A": {"Type": "Pass", "Output": "{% 1 %} ", "End": true}`), "/States/A/Output", "begins with {% and ends with %}"},
		{"empty expression", machine(`"A": {"Type": "Pass", "Output": "{%%}", "End": true}`), "/States/A/Output", "the expression is empty"},
		{"eval", machine(`"A": {"Type": "Pass", "Output": "{% $eval('1') %}", "End": true}`), "/States/A/Output", "$eval is not available"},
		{"dollar", machine(`"A": {"Type": "Pass", "Output": "{% $.x %}", "End": true}`), "/States/A/Output", "$ at the top level"},
		{"two dollars", machine(`"A": {"Type": "Pass", "Output": "{% [$$] %}", "End": true}`), "/States/A/Output", "$$ refers to nothing"},
		{"bare name", machine(`"A": {"Type": "Pass", "Output": "{% input.x %}", "End": true}`), "/States/A/Output", `"input" at the top level`},
		{"result in arguments", machine(`"A": {"Type": "Task", "Resource": "r", "Arguments": "{% $states.result %}", "End": true}`), "/States/A/Arguments", "$states.result does not exist in this field"},
		{"result of a Pass", machine(`"A": {"Type": "Pass", "Output": "{% $states.result %}", "End": true}`), "/States/A/Output", "$states.result does not exist in this field"},
		{"result in a catcher", machine(`"A": {"Type": "Task", "Resource": "r", "Catch": [{"ErrorEquals": ["X"], "Next": "A", "Output": "{% $states.result %}"}], "End": true}`), "/States/A/Catch/0/Output", "$states.result does not exist in this field"},
		{"error outside a catcher", machine(`"A": {"Type": "Task", "Resource": "r", "Output": "{% $states.errorOutput %}", "End": true}`), "/States/A/Output", "$states.errorOutput does not exist in this field"},
		{"member of states", machine(`"A": {"Type": "Pass", "Output": "{% $states.inputs %}", "End": true}`), "/States/A/Output", "$states.inputs does not exist"},
		{"context", machine(`"A": {"Type": "Pass", "Output": "{% $states.context.Task.Token %}", "End": true}`), "/States/A/Output", "$states.context.Task is not supported"},
		{"map outside a map", machine(`"A": {"Type": "Pass", "Output": "{% $states.context.Map.Item.Index %}", "End": true}`), "/States/A/Output", "only in an ItemSelector"},
		{"map in a child execution", inMap(distributed, `"B": {"Type": "Pass", "Output": "{% $states.context.Map.Item.Index %}", "End": true}`, ""), "/States/A/ItemProcessor/States/B/Output", "only in an ItemSelector"},

		{"variable in a child execution", machine(`"A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"}, "M": {"Type": "Map", "ItemProcessor": {` + distributed + `"StartAt": "B", "States": {"B": {"Type": "Succeed", "Output": "{% $x %}"}}}, "End": true}`), "/States/M/ItemProcessor/States/B/Output", "whose child executions cannot read it"},
		{"outer variable assigned within", machine(`"A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"}, "M": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"x": 2}, "End": true}}}, "End": true}`), "/States/M/ItemProcessor/States/B/Assign/x", "belongs to an outer scope"},
		{"assign states", machine(`"A": {"Type": "Pass", "Assign": {"states": 1}, "End": true}`), "/States/A/Assign/states", "reserved"},
		{"variable name", machine(`"A": {"Type": "Pass", "Assign": {"1x": 1}, "End": true}`), "/States/A/Assign/1x", "is not a variable name"},
		{"assign list", machine(`"A": {"Type": "Pass", "Assign": [1], "End": true}`), "/States/A/Assign", "must be an object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := definition.Load([]byte(test.definition))
			var refused *definition.LoadError
			if !errors.As(err, &refused) {
				t.Fatalf("Load returned %v, want a *LoadError", err)
			}
			for _, p := range refused.Problems {
				if p.Path == test.path && strings.Contains(p.Message, test.message) {
					return
				}
			}
			t.Errorf("got %v\nwant a problem at %q with %q", err, test.path, test.message)
		})
	}
}

// inBranch wraps a DISTRIBUTED Map M in a branch of a Parallel. The variable outer belongs to the
// machine, own to the branch.
func inBranch(fields, child string) string {
	return machine(`"A": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "P"},
		"P": {"Type": "Parallel", "Branches": [{"StartAt": "O", "States": {
			"O": {"Type": "Pass", "Assign": {"own": 1}, "Next": "M"},
			"M": {"Type": "Map", "ItemProcessor": {` + distributed + `"StartAt": "B", "States": {"B": {"Type": "Succeed"` + child + `}}}` + fields + `, "End": true}}}], "End": true}`)
}

// TestADistributedMapReadsNoVariableOfAnOuterScope follows AWS's Developer Guide, "Passing data
// with variables": "Distributed Map states cannot currently reference variables in outer scopes". A
// variable of the Map's own scope is allowed: LocalStack recorded Maps on AWS whose MaxItems,
// ItemBatcher, ItemSelector and ToleratedFailureCount read one.
func TestADistributedMapReadsNoVariableOfAnOuterScope(t *testing.T) {
	const mapPath = "/States/P/Branches/0/States/M"
	reader := `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON", "MaxItems": %s}, "Arguments": {"Bucket": "b", "Key": %s}}`
	tests := []struct{ name, fields, path string }{
		{"Items", `, "Items": "{% [$VAR] %}"`, "/Items"},
		{"ItemReader", strings.Replace(strings.Replace(reader, "%s", "1", 1), "%s", `"{% $VAR %}"`, 1), "/ItemReader/Arguments/Key"},
		{"MaxItems", strings.Replace(strings.Replace(reader, "%s", `"{% $VAR %}"`, 1), "%s", `"k"`, 1), "/ItemReader/ReaderConfig/MaxItems"},
		{"ItemSelector", `, "ItemSelector": {"v": "{% $VAR %}"}`, "/ItemSelector/v"},
		{"MaxConcurrency", `, "MaxConcurrency": "{% $VAR %}"`, "/MaxConcurrency"},
		{"ToleratedFailureCount", `, "ToleratedFailureCount": "{% $VAR %}"`, "/ToleratedFailureCount"},
		{"ToleratedFailurePercentage", `, "ToleratedFailurePercentage": "{% $VAR %}"`, "/ToleratedFailurePercentage"},
		{"MaxItemsPerBatch", `, "ItemBatcher": {"MaxItemsPerBatch": "{% $VAR %}"}`, "/ItemBatcher/MaxItemsPerBatch"},
		{"BatchInput", `, "ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": {"v": "{% $VAR %}"}}`, "/ItemBatcher/BatchInput/v"},
	}
	for _, test := range tests {
		expectProblem(t, test.name, inBranch(strings.ReplaceAll(test.fields, "$VAR", "$outer"), ""), mapPath+test.path, "variable $outer belongs to an outer scope: a DISTRIBUTED Map cannot read it")
		if _, err := definition.Load([]byte(inBranch(strings.ReplaceAll(test.fields, "$VAR", "$own"), ""))); err != nil {
			t.Errorf("%s with a variable of its own scope: %v", test.name, err)
		}
	}
	for _, name := range []string{"outer", "own"} {
		expectProblem(t, "child", inBranch("", `, "Output": "{% $`+name+` %}"`), mapPath+"/ItemProcessor/States/B/Output", "variable $"+name+" belongs to a scope outside the DISTRIBUTED Map")
	}
	inline := strings.Replace(inBranch(`, "MaxConcurrency": "{% $outer %}"`, `, "Output": "{% $outer + $own %}"`), distributed, "", 1)
	if _, err := definition.Load([]byte(inline)); err != nil {
		t.Errorf("an INLINE Map: %v", err)
	}
}

func expectProblem(t *testing.T, name, text, path, message string) {
	t.Helper()
	_, err := definition.Load([]byte(text))
	var refused *definition.LoadError
	if !errors.As(err, &refused) {
		t.Errorf("%s: Load returned %v, want a *LoadError", name, err)
		return
	}
	for _, p := range refused.Problems {
		if p.Path == path && strings.Contains(p.Message, message) {
			return
		}
	}
	t.Errorf("%s: got %v\nwant a problem at %q with %q", name, err, path, message)
}

// TestLoadWarnsOfUndefinedVariables covers R1: Step Functions runs such a definition and fails at
// the expression.
func TestLoadWarnsOfUndefinedVariables(t *testing.T) {
	tests := []struct{ name, text, path, variable string }{
		{"undefined variable", machine(`"A": {"Type": "Pass", "Output": "{% $x %}", "End": true}`), "/States/A/Output", "x"},
		{"undefined function", machine(`"A": {"Type": "Pass", "Output": "{% $sums([1]) %}", "End": true}`), "/States/A/Output", "sums"},
		{"variable of the same state", machine(`"A": {"Type": "Pass", "Assign": {"x": 1}, "Output": "{% $x %}", "End": true}`), "/States/A/Output", "x"},
		{"variable assigned later", machine(`"A": {"Type": "Pass", "Output": "{% $x %}", "Next": "B"}, "B": {"Type": "Pass", "Assign": {"x": 1}, "Next": "C"}, "C": {"Type": "Succeed"}`), "/States/A/Output", "x"},
		{"variable of another path", machine(`"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "B", "Assign": {"x": 1}}], "Default": "C"}, "B": {"Type": "Succeed", "Output": "{% $x %}"}, "C": {"Type": "Succeed", "Output": "{% $x %}"}`), "/States/C/Output", "x"},
		{"variable of an inner scope", machine(`"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"x": 1}, "End": true}}}, "Next": "C"}, "C": {"Type": "Succeed", "Output": "{% $x %}"}`), "/States/C/Output", "x"},
	}
	for _, test := range tests {
		m, err := definition.Load([]byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		want := []definition.Problem{{Path: test.path, Message: "variable $" + test.variable + " is undefined: no state assigns it before this one"}}
		if diff := cmp.Diff(want, m.Warnings); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestLoadAcceptsWhatStepFunctionsAccepts(t *testing.T) {
	tests := []struct{ name, text string }{
		{"R1: a branch assigns a variable that the Parallel's own Catch assigns", machine(`"A": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"v": 1}, "End": true}}}],
			"Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"v": 2}, "Next": "C"}], "Next": "C"}, "C": {"Type": "Succeed"}`)},
		{"R2: tolerated failures of an INLINE Map", inMap("", succeedB, `, "Items": [1], "ToleratedFailureCount": 1, "ToleratedFailurePercentage": 5`)},
		{"R3: a name that ends in .$", machine(`"A": {"Type": "Pass", "Output": {"k.$": "$"}, "End": true}`)},
		{"R4: JSONPath as the default that no state uses", `{"QueryLanguage": "JSONPath", "StartAt": "A", "States": {"A": {"Type": "Succeed", "QueryLanguage": "JSONata"}}}`},
		{"R5: heartbeat and credentials", machine(`"A": {"Type": "Task", "Resource": "r", "TimeoutSeconds": 10, "HeartbeatSeconds": "{% 5 %}", "Credentials": {"RoleArn": "{% $states.input.role %}"}, "End": true}`)},
		{"R5: batches", inMap(distributed, succeedB, `, "ItemBatcher": {"MaxItemsPerBatch": "{% 5 %}", "MaxInputBytesPerBatch": 1000, "BatchInput": {"a": 1}}`)},
		{"R6: empty Retry and Catch", machine(`"A": {"Type": "Task", "Resource": "r", "Retry": [], "Catch": [], "End": true}`)},
		{"R6: all items", inMap(distributed, succeedB, `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON", "MaxItems": 0}}`)},
		{"R6, D4: parts of the context", machine(`"A": {"Type": "Pass", "Output": "{% [$states.context.Execution.RoleArn, $states.context.Execution.RedriveCount, $states.context.StateMachine.Id, $states.context.StateMachine.Name] %}", "End": true}`)},
		{"A2: actions of optimized services", machine(`"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B"}, "B": {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "Next": "C"},
			"C": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Next": "D"}, "D": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:dynamodb:noSuchAction", "Next": "E"},
			"E": {"Type": "Task", "Resource": "arn:aws:states:::newservice:act", "End": true}`)},
	}
	for _, test := range tests {
		if _, err := definition.Load([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestLoadListsAllProblemsInOrderOfTheirPaths(t *testing.T) {
	_, err := definition.Load([]byte(machine(`
		"A": {"Type": "Task", "Resource": "r", "Retry": [{"ErrorEquals": ["X"], "MaxAttempts": -1}], "Next": "B"},
		"B": {"Type": "Pass", "Parameters": {}, "Output": "{% $ %}"}`)))
	var refused *definition.LoadError
	if !errors.As(err, &refused) {
		t.Fatalf("Load returned %v, want a *LoadError", err)
	}
	var paths []string
	for _, p := range refused.Problems {
		paths = append(paths, p.Path)
	}
	want := []string{"/States/A/Retry/0/MaxAttempts", "/States/B", "/States/B/Output", "/States/B/Parameters"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	for _, p := range want {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in the error's text:\n%v", p, err)
		}
	}
}

func TestLoadAcceptsValidExpressions(t *testing.T) {
	for _, source := range []string{
		`$states.input`,
		`$sum($states.input.list.n)`,
		`$states.input.list[n > 3].{'a': n, 'b': $}`,
		`($x := 2; $y := function($a, $b)<n-n:n> { $a * $b }; $y($x, 3))`,
		`$map($states.input.list, λ($v, $i) { $v & $i })`,
		`$states.input.list@$l.$states.input.other@$o[$l.id = $o.id].{'l': $l}`,
		`$states.input.list#$i[$i < 2]`,
		`$replace($states.input.text, /[$a]"x\/y/i, '$1')`,
		`$states.input.a / 2 / $states.input.b`,
		"$states.input.`a field $x`",
		`/* $unknown */ $states.input.a ? 'yes: $x' : "no"`,
		`$states.input ~> |$|{'a': 1}, 'b'|`,
		`$states.input.list^(>n, name)`,
		`$states.input.**.name`,
		`$states.context.Execution.Input.and.or`,
		`$not($states.input.a and $states.input.b or $states.input.c in [1..3])`,
		`$now() & $uuid() & $string($random(4)) & $hash('a', 'MD5')`,
		`[$partition([1..4], 2), $range(1, 9, 2), $parse('[1]')]`,
		`$states[input]`,
		`$lookup($states, 'input')`,
	} {
		text := machine(`"A": {"Type": "Pass", "Output": ` + quote(t, "{% "+source+" %}") + `, "End": true}`)
		if _, err := definition.Load([]byte(text)); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestLoadAcceptsVariablesThatSomePathAssigns(t *testing.T) {
	if _, err := definition.Load([]byte(machine(`
		"A": {"Type": "Task", "Resource": "r", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B", "Assign": {"e": 1}}], "Next": "B"},
		"B": {"Type": "Choice", "Choices": [{"Condition": "{% $exists($e) %}", "Next": "C"}], "Default": "D", "Assign": {"count": 1}},
		"D": {"Type": "Pass", "Assign": {"again": "{% $count %}"}, "Next": "B"},
		"C": {"Type": "Parallel", "Branches": [{"StartAt": "C1", "States": {"C1": {"Type": "Succeed", "Output": "{% [$e, $again] %}"}}}], "End": true}`))); err != nil {
		t.Error(err)
	}
}

func TestLoadAcceptsCommentsAndEveryField(t *testing.T) {
	m, err := definition.Load([]byte(`{"Comment": "c", "Version": "1.0", "QueryLanguage": "JSONata", "TimeoutSeconds": 100, "StartAt": "A", "States": {
		"A": {"Type": "Task", "Comment": "does", "QueryLanguage": "JSONata", "Resource": "arn:z", "Arguments": {"a": "{% $states.input.a %}"},
			"TimeoutSeconds": "{% $states.input.t %}", "Assign": {"v": 1}, "Output": {},
			"Retry": [{"Comment": "c", "ErrorEquals": ["X", "Y"], "IntervalSeconds": 1, "MaxAttempts": 0, "BackoffRate": 1.5, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"},
				{"ErrorEquals": ["States.ALL"]}],
			"Catch": [{"Comment": "c", "ErrorEquals": ["States.ALL"], "Next": "M", "Output": "{% $states.errorOutput %}", "Assign": {"w": 2}}], "Next": "M"},
		"M": {"Type": "Map", "Label": "each", "ItemReader": {"Resource": "arn:aws-cn:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "{% $v %}"}, "ReaderConfig": {"InputType": "JSON", "MaxItems": 5}},
			"MaxConcurrency": "{% $v %}", "ToleratedFailurePercentage": 0.5, "ToleratedFailureCount": "{% 1 %}", "ItemSelector": {"i": "{% $states.context.Map.Item.Value %}"},
			"ItemProcessor": {"Comment": "c", "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "B", "States": {
				"B": {"Type": "Task", "Resource": "arn:a", "End": true}}}, "Next": "C"},
		"C": {"Type": "Choice", "Choices": [{"Comment": "c", "Condition": true, "Next": "D"}], "Default": "E"},
		"D": {"Type": "Succeed"}, "E": {"Type": "Fail", "Error": "e", "Cause": "c"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range m.States {
		names = append(names, s.Name+" "+s.Type)
	}
	if diff := cmp.Diff([]string{"A Task", "M Map", "B Task", "C Choice", "D Succeed", "E Fail"}, names); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	want := definition.Description{
		Path: "/States/A", Name: "A", Type: "Task", Comment: "does", Resource: "arn:z", Next: []string{"M"},
		Retry: []definition.ErrorNames{
			{Path: "/States/A/Retry/0/ErrorEquals", Names: []string{"X", "Y"}},
			{Path: "/States/A/Retry/1/ErrorEquals", Names: []string{"States.ALL"}},
		},
		Catch: []definition.ErrorNames{{Path: "/States/A/Catch/0/ErrorEquals", Names: []string{"States.ALL"}}},
		Expressions: []definition.ExpressionText{
			{Path: "/States/A/Arguments/a", Source: "$states.input.a"},
			{Path: "/States/A/TimeoutSeconds", Source: "$states.input.t"},
			{Path: "/States/A/Catch/0/Output", Source: "$states.errorOutput"},
		},
	}
	if diff := cmp.Diff(want, m.States[0]); diff != "" {
		t.Errorf("first state (-want +got):\n%s", diff)
	}
	if m.States[2].Path != "/States/M/ItemProcessor/States/B" || !m.States[1].Distributed {
		t.Errorf("got %+v and %+v, want B in the processor of a distributed M", m.States[1], m.States[2])
	}
}

func TestLoadRefusesDefinitionsTooLargeOrTooDeep(t *testing.T) {
	for name, text := range map[string]string{
		"size":       machine(`"A": {"Type": "Pass", "Comment": "` + strings.Repeat("x", 1<<20) + `", "End": true}`),
		"depth":      machine(`"A": {"Type": "Pass", "Output": ` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `, "End": true}`),
		"brackets":   machine(`"A": {"Type": "Pass", "Output": "{% ` + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + ` %}", "End": true}`),
		"expression": machine(`"A": {"Type": "Pass", "Output": "{% 1` + strings.Repeat("+1", 16<<10) + ` %}", "End": true}`),
	} {
		var refused *definition.LoadError
		if _, err := definition.Load([]byte(text)); !errors.As(err, &refused) {
			t.Errorf("%s: Load returned %v, want a *LoadError", name, err)
		}
	}
}

// FuzzLoad checks that Load neither panics nor refuses a definition without a reason.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("../testdata/scenarios/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(txtar.Parse(text).Files[0].Data)
	}
	f.Add([]byte(machine(`"A": {"Type": "Pass", "Output": "{% $x ~> /a[/]b/ %}", "End": true}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := definition.Load(text)
		var refused *definition.LoadError
		switch {
		case err == nil && len(m.States) == 0:
			t.Error("a machine without states was loaded")
		case err != nil && (!errors.As(err, &refused) || len(refused.Problems) == 0):
			t.Errorf("Load returned %v, want a *LoadError with problems", err)
		}
		if again, err2 := definition.Load(bytes.Clone(text)); (err == nil) != (err2 == nil) || (m == nil) != (again == nil) {
			t.Errorf("Load returned %v, then %v", err, err2)
		}
	})
}

func quote(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
