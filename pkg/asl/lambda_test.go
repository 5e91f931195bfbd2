package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/asl"
)

const lambdaInvoke = "arn:aws:states:::lambda:invoke"

func lambdaTasks(invoke func(string, json.RawMessage) (json.RawMessage, error)) map[string]asl.Task {
	return map[string]asl.Task{lambdaInvoke: asl.LambdaInvoke(
		func(_ context.Context, name string, payload json.RawMessage) (json.RawMessage, error) {
			return invoke(name, payload)
		},
	)}
}

func TestLambdaInvokeReturnsTheResponseOfTheAPI(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "`+lambdaInvoke+`", "End": true,
		"Arguments": {"FunctionName": "{% $lookup({'encode': 'arn:encode', 'tool:captions': 'arn:captions:7'}, $states.input.class) %}", "Payload": {"segment": 5}}}`))
	out, err := m.Run(t.Context(), asl.Execution{
		Input: json.RawMessage(`{"class": "tool:captions"}`),
		Tasks: lambdaTasks(func(name string, payload json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{"name": "` + name + `", "payload": ` + string(payload) + `, "<n>": 12345678901234567890}`), nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ExecutedVersion string
		Payload         json.RawMessage
		SdkHttpMetadata struct {
			AllHttpHeaders map[string][]string
			HttpHeaders    map[string]string
			HttpStatusCode int
		}
		SdkResponseMetadata struct{ RequestId string }
		StatusCode          int
	}
	strict := json.NewDecoder(strings.NewReader(string(out)))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"arn:captions:7","payload":{"segment":5},"<n>":12345678901234567890}`; string(got.Payload) != want {
		t.Errorf("Payload is %s, want %s", got.Payload, want)
	}
	if got.ExecutedVersion != "7" || got.StatusCode != http.StatusOK || got.SdkHttpMetadata.HttpStatusCode != http.StatusOK {
		t.Errorf("got version %q and statuses %d, %d", got.ExecutedVersion, got.StatusCode, got.SdkHttpMetadata.HttpStatusCode)
	}
	headers := got.SdkHttpMetadata.HttpHeaders
	if headers["x-amzn-RequestId"] != got.SdkResponseMetadata.RequestId || headers["X-Amz-Executed-Version"] != "7" || len(headers) != 8 {
		t.Errorf("got headers %v", headers)
	}
	for name, value := range headers {
		if diff := cmp.Diff([]string{value}, got.SdkHttpMetadata.AllHttpHeaders[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLambdaInvokeReadsItsArguments(t *testing.T) {
	tests := []struct{ arguments, name, payload, version string }{
		{`{"FunctionName": "f"}`, "f", "{}", "$LATEST"},
		{`{"FunctionName": "f", "Payload": null}`, "f", "null", "$LATEST"},
		{`{"FunctionName": "f", "Payload": [1], "LogType": "None"}`, "f", "[1]", "$LATEST"},
		{`{"FunctionName": "f", "Qualifier": "12"}`, "f:12", "{}", "12"},
		{`{"FunctionName": "arn:f:live"}`, "arn:f:live", "{}", "$LATEST"},
	}
	for _, test := range tests {
		m := load(t, machine(`"A": {"Type": "Task", "Resource": "`+lambdaInvoke+`", "Arguments": `+test.arguments+`,
			"Output": "{% $states.result.ExecutedVersion %}", "End": true}`))
		out, err := m.Run(t.Context(), asl.Execution{Tasks: lambdaTasks(func(name string, payload json.RawMessage) (json.RawMessage, error) {
			if name != test.name || string(payload) != test.payload {
				t.Errorf("%s: called %s with %s", test.arguments, name, payload)
			}
			return nil, nil
		})})
		if err != nil || string(out) != `"`+test.version+`"` {
			t.Errorf("%s: got version %s, %v", test.arguments, out, err)
		}
	}
}

func TestLambdaInvokeKeepsTheNamesOfErrors(t *testing.T) {
	broken := errors.New("broken")
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "`+lambdaInvoke+`", "Arguments": {"FunctionName": "{% $states.input.name %}"},
		"Catch": [{"ErrorEquals": ["OutOfTime"], "Next": "B"}], "End": true}, "B": {"Type": "Succeed", "Output": "caught"}`))
	run := func(input string, failure error) (json.RawMessage, error) {
		return m.Run(t.Context(), asl.Execution{
			Input: json.RawMessage(input),
			Tasks: lambdaTasks(func(string, json.RawMessage) (json.RawMessage, error) { return nil, failure }),
		})
	}
	if out, err := run(`{"name": "f"}`, &namedError{"OutOfTime", "x"}); err != nil || string(out) != `"caught"` {
		t.Errorf("got %s, %v", out, err)
	}
	if _, err := run(`{"name": "f"}`, broken); !errors.Is(err, broken) || failure(t, err).Name != asl.StatesTaskFailed {
		t.Errorf("got %v, want the function's error", err)
	}
	for _, input := range []string{`{"name": ""}`, `{"name": 5}`} {
		if _, err := run(input, nil); failure(t, err).Name != asl.StatesRuntime {
			t.Errorf("%s: got %v, want States.Runtime", input, err)
		}
	}
}
