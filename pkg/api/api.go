// Package api is the Step Functions API (AWS JSON 1.0) over the executions of one machine.
//
//	http.Handle("POST /{$}", &api.Server{Store: store, Executions: queue, Definition: definition})
//
// The AWS command line and SDKs work against it with an endpoint of their own: aws stepfunctions --endpoint-url
// http://127.0.0.1:8083. There is one state machine, and nothing creates, changes or deletes it. Operations that have no meaning
// here are refused by name. docs/serve.md lists what differs from AWS.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
	"github.com/mapreel/mapreel/pkg/history"
)

// Executions starts, stops and redrives executions; package queue does.
type Executions interface {
	Start(ctx context.Context, name string, input json.RawMessage) (history.Execution, error)
	Stop(ctx context.Context, arn, name, cause string) (time.Time, error)
	Redrive(ctx context.Context, arn string) (history.Execution, error)
	// Refuses returns why a request must not be done here; nil if it may be.
	Refuses(request json.RawMessage) error
}

// Server answers the API's requests.
type Server struct {
	Store      *history.Store
	Executions Executions
	Definition []byte       // of the state machine
	Log        *slog.Logger // may be nil
}

// contentType is that of the protocol.
const contentType = "application/x-amz-json-1.0"

// maxBody bounds a request in bytes: the longest is an input of 256 KiB, whose characters may be escaped, or a definition of 1 MB.
const maxBody = 2 << 20

// operation handles one operation. input is a JSON object.
type operation func(s *Server, ctx context.Context, input []byte) (any, error)

// operations are those of the API that have a meaning here.
var operations = map[string]operation{
	"StartExecution":                   handle((*Server).startExecution),
	"DescribeExecution":                handle((*Server).describeExecution),
	"ListExecutions":                   handle((*Server).listExecutions),
	"StopExecution":                    handle((*Server).stopExecution),
	"RedriveExecution":                 handle((*Server).redriveExecution),
	"GetExecutionHistory":              handle((*Server).getExecutionHistory),
	"ListMapRuns":                      handle((*Server).listMapRuns),
	"DescribeMapRun":                   handle((*Server).describeMapRun),
	"ListStateMachines":                handle((*Server).listStateMachines),
	"DescribeStateMachine":             handle((*Server).describeStateMachine),
	"DescribeStateMachineForExecution": handle((*Server).describeStateMachineForExecution),
	"ValidateStateMachineDefinition":   handle((*Server).validateStateMachineDefinition),
	"ListTagsForResource":              handle((*Server).listTagsForResource),
}

// handle makes an operation of a method. Fields that it does not know are ignored, as AWS does.
func handle[In, Out any](do func(*Server, context.Context, In) (Out, error)) operation {
	return func(s *Server, ctx context.Context, input []byte) (any, error) {
		var in In
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, &Error{"SerializationException", "the request is no JSON of the operation's form: " + err.Error()}
		}
		return do(s, ctx, in)
	}
}

// Error is an error as AWS reports it.
type Error struct{ Type, Message string }

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := s.serve(w, r)
	status := http.StatusOK
	if err != nil {
		status, out = s.failure(r.Context(), r.Header.Get("X-Amz-Target"), err)
	}
	body, err := json.Marshal(out)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalFailure"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", jsonata.UUID())
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	service, name, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !ok || service != "AWSStepFunctions" {
		return nil, &Error{"UnknownOperationException", "the header X-Amz-Target must name an operation: AWSStepFunctions.StartExecution"}
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != contentType {
		return nil, &Error{"SerializationException", "the Content-Type must be " + contentType}
	}
	do, ok := operations[name]
	if !ok {
		return nil, &Error{
			"UnknownOperationException", "mapreel serve does not support the operation " + name + "; it supports " +
				strings.Join(slices.Sorted(maps.Keys(operations)), ", "),
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, &Error{"ValidationException", "the request is too long"}
		}
		return nil, &Error{"SerializationException", "the request could not be read: " + err.Error()}
	}
	return do(s, r.Context(), body)
}

// failure returns the status and the body of an error.
func (s *Server) failure(ctx context.Context, target string, err error) (int, any) {
	var e *Error
	if errors.As(err, &e) {
		return http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.states#" + e.Type, "message": e.Message}
	}
	if s.Log != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "request failed", "target", target, "error", err)
	}
	return http.StatusInternalServerError, map[string]string{"__type": "InternalFailure", "message": err.Error()}
}
