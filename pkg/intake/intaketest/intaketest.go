// Package intaketest is Step Functions' side of package intake, for tests: a server that starts, describes and stops executions,
// which end when a test says so.
package intaketest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// MachineARN is the state machine of every execution.
const MachineARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:mapreel"

// States is a server that speaks Step Functions' protocol.
type States struct {
	Client *sfn.Client
	URL    string

	mu         sync.Mutex
	executions map[string]map[string]any // by ARN, as DescribeExecution returns them
	fail       string                    // error code of every answer; "" for none
	calls      []string
}

// Start starts a server without executions, until the test ends.
func Start(t *testing.T) *States {
	t.Helper()
	s := &States{executions: map[string]map[string]any{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	s.Client = sfn.New(sfn.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	return s
}

// ServeHTTP answers a call.
func (s *States) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in struct{ StateMachineArn, ExecutionArn, Name, Input, Error, Cause string }
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.calls = append(s.calls, action)
	refuse := func(code string) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.swf.service.v2.model#%s","message":"no"}`, code)
	}
	reply := func(v map[string]any) { _ = json.NewEncoder(w).Encode(v) }
	now := float64(time.Now().UnixMilli()) / 1000
	if s.fail != "" {
		refuse(s.fail)
		return
	}
	switch action {
	case "StartExecution":
		arn := strings.Replace(in.StateMachineArn, ":stateMachine:", ":execution:", 1) + ":" + in.Name
		known := s.executions[arn]
		if known != nil && (known["status"] != "RUNNING" || known["input"] != in.Input) { // API reference, StartExecution
			refuse("ExecutionAlreadyExists")
			return
		}
		if known == nil {
			known = map[string]any{
				"executionArn": arn, "stateMachineArn": in.StateMachineArn, "name": in.Name, "status": "RUNNING", "startDate": now, "input": in.Input,
			}
			s.executions[arn] = known
		}
		reply(map[string]any{"executionArn": arn, "startDate": known["startDate"]})
	case "DescribeExecution":
		known := s.executions[in.ExecutionArn]
		if known == nil {
			refuse("ExecutionDoesNotExist")
			return
		}
		reply(known)
	case "StopExecution":
		known := s.executions[in.ExecutionArn]
		if known == nil {
			refuse("ExecutionDoesNotExist")
			return
		}
		known["status"], known["stopDate"], known["error"], known["cause"] = "ABORTED", now, in.Error, in.Cause
		reply(map[string]any{"stopDate": now})
	case "ListMapRuns":
		reply(map[string]any{"mapRuns": []any{}})
	default:
		refuse("UnknownOperationException")
	}
}

// Fail makes every call fail with an error code.
func (s *States) Fail(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = code
}

// Calls returns the operations that were called, in order.
func (s *States) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// End ends an execution with a status. fields are others of DescribeExecution, such as its output.
func (s *States) End(name, status string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.executions[ExecutionARN(name)]
	known["status"], known["stopDate"] = status, known["startDate"].(float64)+90
	for field, v := range fields {
		known[field] = v
	}
}

// Started returns the inputs of the executions, by name.
func (s *States) Started() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := map[string]string{}
	for _, x := range s.executions {
		list[x["name"].(string)] = x["input"].(string)
	}
	return list
}

// ExecutionARN returns the ARN of an execution.
func ExecutionARN(name string) string {
	return strings.Replace(MachineARN, ":stateMachine:", ":execution:", 1) + ":" + name
}
