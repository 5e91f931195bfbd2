package history

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/mapreel/mapreel/pkg/asl"
)

// object is the value of a details field.
type object map[string]any

// detailsOf returns the details of an event as GetExecutionHistory returns them: an object with one field, or none.
func detailsOf(e asl.Event) json.RawMessage {
	field, value := fieldOf(e)
	if field == "" {
		return json.RawMessage("{}")
	}
	text, err := json.Marshal(object{field: value})
	if err != nil { // strings, numbers and maps of them always encode
		return json.RawMessage("{}")
	}
	return text
}

// fieldOf returns the name of the details field of an event's type, and its value; "" where the type has none.
func fieldOf(e asl.Event) (string, object) {
	t := string(e.Type)
	switch {
	case strings.HasSuffix(t, "StateEntered"):
		return "stateEnteredEventDetails", object{"name": e.State}.text("input", e.Input)
	case strings.HasSuffix(t, "StateExited"):
		return "stateExitedEventDetails", exited(e)
	case strings.HasPrefix(t, "Task"):
		return taskField(e)
	case strings.HasPrefix(t, "MapIteration"):
		return camel(t), object{"name": e.State, "index": e.Index}
	}
	switch e.Type {
	case asl.ExecutionStarted:
		return camel(t), object{"roleArn": RoleARN}.text("input", e.Input)
	case asl.ExecutionSucceeded:
		return camel(t), object{}.text("output", e.Output)
	case asl.ExecutionFailed, asl.ExecutionTimedOut, asl.ExecutionAborted, asl.MapRunFailed:
		return camel(t), object{}.failure(e.Error, e.Cause)
	case asl.MapStateStarted:
		return camel(t), object{"length": e.Length}
	case asl.MapRunStarted:
		return camel(t), object{"mapRunArn": e.MapRun}
	case asl.EvaluationFailed:
		o := object{"state": e.State}.failure(e.Error, e.Cause)
		if e.Location != "" {
			o["location"] = e.Location
		}
		return camel(t), o
	}
	return "", nil
}

// camel returns the name of the details field that is named after a type of event.
func camel(eventType string) string {
	return strings.ToLower(eventType[:1]) + eventType[1:] + "EventDetails"
}

// text adds a JSON text and the fact that it is whole.
func (o object) text(name string, value json.RawMessage) object {
	o[name], o[name+"Details"] = string(value), object{"truncated": false}
	return o
}

// failure adds an error and its cause, as far as there are any.
func (o object) failure(name, cause string) object {
	if name != "" {
		o["error"] = name
	}
	if name != "" && name != asl.StatesTimeout || cause != "" { // a time-out has no cause
		o["cause"] = cause
	}
	return o
}

func exited(e asl.Event) object {
	o := object{"name": e.State}.text("output", e.Output)
	if len(e.Variables) > 0 {
		variables := make(map[string]string, len(e.Variables))
		for name, value := range e.Variables {
			variables[name] = string(value)
		}
		o["assignedVariables"], o["assignedVariablesDetails"] = variables, object{"truncated": false}
	}
	return o
}

// taskField returns the details of a Task's event.
func taskField(e asl.Event) (string, object) {
	kind, action := resource(e.Resource)
	o := object{"resourceType": kind, "resource": action}
	switch e.Type {
	case asl.TaskScheduled:
		o["region"], o["parameters"] = region, string(e.Input)
		for name, seconds := range map[string]int{"timeoutInSeconds": e.Timeout, "heartbeatInSeconds": e.Heartbeat} {
			if seconds > 0 {
				o[name] = seconds
			}
		}
		if e.RoleARN != "" {
			o["taskCredentials"] = object{"roleArn": e.RoleARN}
		}
	case asl.TaskSucceeded:
		o.text("output", e.Output)
	case asl.TaskFailed, asl.TaskTimedOut:
		o.failure(e.Error, e.Cause)
	case asl.TaskStarted:
	default: // TaskStateAborted
		return "", nil
	}
	return camel(string(e.Type)), o
}

// integration matches the Resource of a Task that calls a service: arn:PARTITION:states:::lambda:invoke.
var integration = regexp.MustCompile(`^arn:[^:]+:states:[^:]*:[^:]*:(.+):([^:]+)$`)

// resource splits a Resource into what Step Functions calls the type of the resource, and the resource.
func resource(arn string) (kind, action string) {
	m := integration.FindStringSubmatch(arn)
	if m == nil {
		return "", arn
	}
	return m[1], m[2]
}

func startedDetails(input json.RawMessage) json.RawMessage {
	return detailsOf(asl.Event{Type: asl.ExecutionStarted, Input: input})
}

func failedDetails(name, cause string) json.RawMessage {
	return detailsOf(asl.Event{Type: asl.ExecutionFailed, Error: name, Cause: cause})
}

func abortedDetails(name, cause string) json.RawMessage {
	return detailsOf(asl.Event{Type: asl.ExecutionAborted, Error: name, Cause: cause})
}

func redrivenDetails(count int) json.RawMessage {
	text, _ := json.Marshal(object{"executionRedrivenEventDetails": object{"redriveCount": count}}) // a number encodes
	return text
}

// WithoutData returns an event's details without inputs, outputs, parameters and variables.
func WithoutData(details json.RawMessage) json.RawMessage {
	var fields map[string]map[string]json.RawMessage
	if json.Unmarshal(details, &fields) != nil {
		return details
	}
	for _, value := range fields {
		for _, name := range []string{"input", "output", "parameters", "assignedVariables"} {
			delete(value, name)
			delete(value, name+"Details")
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return details
	}
	return text
}
