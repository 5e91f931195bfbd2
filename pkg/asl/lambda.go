package asl

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// LambdaInvoke returns the task of the resource arn:aws:states:::lambda:invoke. It calls invoke
// with the FunctionName and Payload of the state's arguments, and returns the response of the
// Lambda API as Step Functions shows it: the function's result is its Payload. functionName
// includes the Qualifier, if there is one. The payload is {} if the arguments have none. Errors of
// invoke keep their names.
func LambdaInvoke(
	invoke func(ctx context.Context, functionName string, payload json.RawMessage) (json.RawMessage, error),
) Task {
	return func(ctx context.Context, in TaskInput) (json.RawMessage, error) {
		var arguments struct {
			FunctionName, Qualifier string
			Payload                 json.RawMessage
		}
		if err := json.Unmarshal(in.Arguments, &arguments); err != nil {
			return nil, parametersError(err.Error())
		}
		if arguments.FunctionName == "" {
			return nil, parametersError("The field 'FunctionName' is required but was missing")
		}
		name := arguments.FunctionName
		if arguments.Qualifier != "" {
			name += ":" + arguments.Qualifier
		}
		payload := arguments.Payload
		if payload == nil {
			payload = json.RawMessage("{}")
		}
		result, err := invoke(ctx, name, payload)
		if err != nil {
			return nil, err
		}
		if result == nil {
			result = json.RawMessage("null")
		}
		return lambdaResponse(name, result)
	}
}

// parametersError is Step Functions' failure of a task with invalid arguments, which nothing can
// catch.
func parametersError(reason string) *Error {
	return &Error{
		Name:  StatesRuntime,
		Cause: "The parameters could not be used to start the Task: [" + reason + "]",
	}
}

// numericVersion matches a function name with a version number.
var numericVersion = regexp.MustCompile(`:([0-9]+)$`)

// lambdaResponse returns the response of Lambda's Invoke API with the HTTP metadata that Step
// Functions adds.
func lambdaResponse(functionName string, payload json.RawMessage) (json.RawMessage, error) {
	version := "$LATEST"
	if m := numericVersion.FindStringSubmatch(functionName); m != nil {
		version = m[1]
	}
	request := jsonata.UUID()
	trace := strings.ReplaceAll(jsonata.UUID(), "-", "")
	headers := map[string]string{
		"Connection":                     "keep-alive",
		"Content-Length":                 strconv.Itoa(len(payload)),
		"Content-Type":                   "application/json",
		"Date":                           time.Now().UTC().Format(http.TimeFormat),
		"X-Amz-Executed-Version":         version,
		"X-Amzn-Trace-Id":                "Root=1-" + trace[:8] + "-" + trace[8:] + ";Sampled=0",
		"x-amzn-Remapped-Content-Length": "0",
		"x-amzn-RequestId":               request,
	}
	all := make(map[string][]string, len(headers))
	for name, value := range headers {
		all[name] = []string{value}
	}
	metadata, err := json.Marshal(map[string]any{"AllHttpHeaders": all, "HttpHeaders": headers, "HttpStatusCode": http.StatusOK})
	if err != nil {
		return nil, err
	}
	// Joined as text, so that the payload keeps its bytes.
	return []byte(`{"ExecutedVersion":"` + version + `","Payload":` + string(payload) + `,"SdkHttpMetadata":` + string(metadata) +
		`,"SdkResponseMetadata":{"RequestId":"` + request + `"},"StatusCode":200}`), nil
}
