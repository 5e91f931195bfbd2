package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/mapreel/mapreel/pkg/history"
)

// call makes a request by hand and returns the status and the body.
func (s *service) call(operation, body string, headers ...string) (int, map[string]any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AWSStepFunctions."+operation)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/x-amz-json-1.0" || answer.Header.Get("X-Amzn-Requestid") == "" {
		s.t.Errorf("the answer has the Content-Type %q and the request ID %q", got, answer.Header.Get("X-Amzn-Requestid"))
	}
	return answer.StatusCode, fields
}

func TestWrongRequestsGetTheErrorsOfAWS(t *testing.T) {
	t.Parallel()
	s := newService(t)
	const machine, execution = `"stateMachineArn":"` + history.MachineARN + `"`, `"executionArn":"arn:aws:states:local:000000000000:execution:mapreel:none"`
	for _, c := range []struct{ operation, body, want, message string }{
		{"StartExecution", `{}`, "ValidationException", "at 'stateMachineArn' failed to satisfy constraint: Member must not be null"},
		{"StartExecution", `{"stateMachineArn":"x"}`, "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: x'"},
		{"StartExecution", `{` + execution + `,"stateMachineArn":"arn:aws:states:local:000000000000:execution:mapreel:x"}`, "InvalidArn", "Resource type not valid"},
		{"StartExecution", `{"stateMachineArn":"arn:aws:states:us-east-1:1:stateMachine:other"}`, "StateMachineDoesNotExist", "State Machine Does Not Exist: 'arn:aws:states:us-east-1:1:stateMachine:other'"},
		{"StartExecution", `{` + machine + `,"name":""}`, "ValidationException", "greater than or equal to 1"},
		{"StartExecution", `{` + machine + `,"name":"` + strings.Repeat("x", 81) + `"}`, "ValidationException", "less than or equal to 80"},
		{"StartExecution", `{` + machine + `,"name":"a b"}`, "InvalidName", "Invalid Name: 'a b'"},
		{"StartExecution", `{` + machine + `,"name":"a/b"}`, "InvalidName", "Invalid Name: 'a/b'"},
		{"StartExecution", `{` + machine + `,"name":"a\u0007"}`, "InvalidName", "Invalid Name"},
		{"StartExecution", `{` + machine + `,"input":"{"}`, "InvalidExecutionInput", "Invalid State Machine Execution Input"},
		{"StartExecution", `{` + machine + `,"input":"` + strings.Repeat("1", 256<<10+1) + `"}`, "ValidationException", "less than or equal to 262144"},
		{"StartExecution", `{`, "SerializationException", "JSON"},
		{"StartExecution", strings.Repeat(" ", 3<<20), "ValidationException", "too long"},
		{"DescribeExecution", `{` + execution + `}`, "ExecutionDoesNotExist", "Execution Does Not Exist: 'arn:aws:states:local:000000000000:execution:mapreel:none'"},
		{"DescribeExecution", `{"executionArn":""}`, "ValidationException", "greater than or equal to 1"},
		{"StopExecution", `{` + execution + `}`, "ExecutionDoesNotExist", ""},
		{"RedriveExecution", `{` + execution + `}`, "ExecutionDoesNotExist", ""},
		{"GetExecutionHistory", `{` + execution + `}`, "ExecutionDoesNotExist", ""},
		{"ListMapRuns", `{` + execution + `}`, "ExecutionDoesNotExist", ""},
		{"DescribeStateMachineForExecution", `{` + execution + `}`, "ExecutionDoesNotExist", ""},
		{"DescribeMapRun", `{"mapRunArn":"arn:aws:states:local:000000000000:mapRun:mapreel/units:none"}`, "ResourceNotFound", ""},
		{"DescribeMapRun", `{"mapRunArn":"arn:aws:s3:::x"}`, "InvalidArn", ""},
		{"ListExecutions", `{}`, "ValidationException", "Must provide a state machine ARN or a map run ARN"},
		{"ListExecutions", `{` + machine + `,"maxResults":1001}`, "ValidationException", "between 0 and 1000"},
		{"ListExecutions", `{` + machine + `,"statusFilter":"GONE"}`, "ValidationException", "enum"},
		{"ListExecutions", `{` + machine + `,"redriveFilter":"GONE"}`, "ValidationException", "enum"},
		{"ListExecutions", `{` + machine + `,"nextToken":"YQ"}`, "InvalidToken", ""},
		{"DescribeStateMachine", `{"stateMachineArn":"arn:aws:states:local:0:stateMachine:x"}`, "StateMachineDoesNotExist", ""},
		{"ListTagsForResource", `{"resourceArn":"arn:aws:states:local:0:stateMachine:x"}`, "ResourceNotFound", ""},
		{"CreateStateMachine", `{}`, "UnknownOperationException", "does not support the operation CreateStateMachine"},
		{"SendTaskSuccess", `{}`, "UnknownOperationException", "SendTaskSuccess"},
	} {
		status, answer := s.call(c.operation, c.body)
		message, _ := answer["message"].(string)
		if status != http.StatusBadRequest || answer["__type"] != "com.amazonaws.states#"+c.want || !strings.Contains(message, c.message) {
			t.Errorf("%s %.100s: got %d %v, want %s: %s", c.operation, c.body, status, answer, c.want, c.message)
		}
	}
	// The SDK finds the types.
	_, err := s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Definition: aws.String("{}"), Name: aws.String("x"), RoleArn: aws.String("x")})
	if code(err) != "UnknownOperationException" {
		t.Errorf("CreateStateMachine: %v", err)
	}
	// A page of another site can send a form or text, but not this type without being asked first.
	if status, answer := s.call("ListStateMachines", `{}`, "Content-Type", "text/plain"); status != http.StatusBadRequest {
		t.Errorf("with another Content-Type: %d %v", status, answer)
	}
}

func TestSourcesStayBelowTheRoots(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for i, input := range []string{
		`{"source":"/etc/passwd","destination":"` + s.root + `","checksums":{"seconds":1}}`,
		`{"source":"` + s.root + `/../in.wav","destination":"` + s.root + `","checksums":{"seconds":1}}`,
		`{"source":"` + s.root + `/in.wav","destination":"/tmp","checksums":{"seconds":1}}`,
	} {
		x := s.await(s.begin(fmt.Sprint("film-", i), &input), types.ExecutionStatusFailed)
		if aws.ToString(x.Error) != "Invalid" || !strings.Contains(aws.ToString(x.Cause), "outside of the folders") {
			t.Errorf("%s: failed with %s: %s", input, aws.ToString(x.Error), aws.ToString(x.Cause))
		}
	}
}

func TestTheStateMachineIsDescribed(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := t.Context()
	list, err := s.ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
	if err != nil || len(list.StateMachines) != 1 || *list.StateMachines[0].StateMachineArn != history.MachineARN {
		t.Fatal(list, err)
	}
	m, err := s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: list.StateMachines[0].StateMachineArn})
	if err != nil || m.Status != types.StateMachineStatusActive || m.Type != types.StateMachineTypeStandard || aws.ToString(m.RoleArn) == "" ||
		m.CreationDate.IsZero() {
		t.Fatalf("%+v, %v", m, err)
	}
	v, err := s.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{Definition: m.Definition})
	if err != nil || v.Result != types.ValidateStateMachineDefinitionResultCodeOk || len(v.Diagnostics) != 0 {
		t.Errorf("its definition: %+v, %v", v, err)
	}
	v, err = s.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{
		Definition: aws.String(`{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Task","Next":"B"}}}`), MaxResults: 1,
	})
	if err != nil || v.Result != types.ValidateStateMachineDefinitionResultCodeFail || len(v.Diagnostics) != 1 || !aws.ToBool(v.Truncated) ||
		v.Diagnostics[0].Severity != types.ValidateStateMachineDefinitionSeverityError || !strings.Contains(aws.ToString(v.Diagnostics[0].Location), "/States/A") {
		t.Errorf("a broken one: %+v, %v", v, err)
	}
	v, err = s.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{Definition: aws.String(`{"StartAt":`)})
	if err != nil || len(v.Diagnostics) != 1 || aws.ToString(v.Diagnostics[0].Code) != "INVALID_JSON_DESCRIPTION" {
		t.Errorf("one that is no JSON: %+v, %v", v, err)
	}
	tags, err := s.ListTagsForResource(ctx, &sfn.ListTagsForResourceInput{ResourceArn: m.StateMachineArn})
	if err != nil || len(tags.Tags) != 0 {
		t.Errorf("tags: %+v, %v", tags, err)
	}
}
