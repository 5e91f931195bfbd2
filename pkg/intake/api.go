package intake

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// apiRequest is what API Gateway passes to a function (HTTP API, payload format 2.0). The names of its headers are in lower
// case.
type apiRequest struct {
	RouteKey       string            `json:"routeKey"` // "POST /jobs"
	Headers        map[string]string `json:"headers"`
	PathParameters map[string]string `json:"pathParameters"`
	Query          map[string]string `json:"queryStringParameters"`
	Body           string            `json:"body"`
	Base64         bool              `json:"isBase64Encoded"`
}

// apiResponse is what API Gateway expects.
type apiResponse struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// Routes of the API.
const (
	RouteSubmit = "POST /jobs"
	RouteStatus = "GET /jobs/{id}"
	RouteStop   = "DELETE /jobs/{id}"
)

// keyHeader names the execution. Without it a call that is repeated starts another.
const keyHeader = "idempotency-key"

// API answers a request to the API. It returns an error only where the event is not one.
func (s *Service) API(ctx context.Context, event json.RawMessage) (any, error) {
	var r apiRequest
	if err := json.Unmarshal(event, &r); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "event of API Gateway")
	}
	switch r.RouteKey {
	case RouteSubmit:
		return s.post(ctx, r), nil
	case RouteStatus, RouteStop:
		id := r.PathParameters["id"]
		if !names.MatchString(id) { // no execution can have it
			return failed(ErrUnknown), nil
		}
		if r.RouteKey == RouteStatus {
			return answer(http.StatusOK)(s.Status(ctx, id)), nil
		}
		return answer(http.StatusOK)(s.Stop(ctx, id, "stopped by DELETE /jobs/"+id)), nil
	}
	return failed(fault.New(fault.NotFound, "there is no route %q", r.RouteKey)), nil
}

func (s *Service) post(ctx context.Context, r apiRequest) apiResponse {
	body := []byte(r.Body)
	var err error
	if r.Base64 {
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return failed(fault.Wrap(fault.Invalid, err, "the body"))
		}
	}
	dry, err := dryRun(r.Query)
	if err != nil {
		return failed(err)
	}
	if dry {
		return s.estimate(ctx, body)
	}
	name, given := r.Headers[keyHeader]
	switch {
	case !given:
		name = "job-" + rand.Text()
	case !names.MatchString(name):
		return failed(fault.New(fault.Invalid, "the header Idempotency-Key is %q; give 1 to 80 letters, digits, hyphens and underscores", name))
	}
	response := answer(http.StatusAccepted)(s.Submit(ctx, name, body))
	if response.StatusCode == http.StatusAccepted {
		response.Headers["location"] = "/jobs/" + name
	}
	return response
}

// dryRunParameter asks POST /jobs for an estimate in the place of a job.
const dryRunParameter = "dryRun"

// dryRun reports whether a query asks for a dry run. A parameter that is misspelt must not start a job.
func dryRun(query map[string]string) (bool, error) {
	for name, value := range query {
		switch {
		case name != dryRunParameter:
			return false, fault.New(fault.Invalid, "the parameter %q is not known; there is %s=true", name, dryRunParameter)
		case value == "true":
			return true, nil
		case value != "false":
			return false, fault.New(fault.Invalid, "%s is %q; choose true or false", dryRunParameter, value)
		}
	}
	return false, nil
}

// estimateMargin is what is left of a call's time to answer that the rest was not enough.
const estimateMargin = 2 * time.Second

// estimate answers what a request would take. Nothing is started.
func (s *Service) estimate(ctx context.Context, request []byte) apiResponse {
	input, err := s.check(ctx, request)
	if err != nil {
		return failed(err)
	}
	if s.Estimate == nil {
		return failed(fault.New(fault.Unsupported, "there are no dry runs here"))
	}
	if end, ok := ctx.Deadline(); ok {
		slow := fault.WithHint(fault.New(fault.OutOfTime, "planning the job takes longer than a call may"), "mapreel estimate has the time")
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, end.Add(-estimateMargin), slow)
		defer cancel()
	}
	found, err := s.Estimate(ctx, input)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // what broke off then is no reason
	}
	if err != nil {
		return failed(err)
	}
	return respond(http.StatusOK, found)
}

// answer returns a function that makes a response of a status, with this code, or of an error.
func answer(code int) func(Status, error) apiResponse {
	return func(st Status, err error) apiResponse {
		if err != nil {
			return failed(err)
		}
		return respond(code, st)
	}
}

// apiError is the body of a response that is none of a job.
type apiError struct {
	Kind     string       `json:"kind"`
	Message  string       `json:"message"`
	Hint     string       `json:"hint,omitempty"`
	Problems []apiProblem `json:"problems,omitempty"` // each of a request, with the JSON pointer to the value
}

type apiProblem struct {
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

func failed(err error) apiResponse {
	body := apiError{Kind: string(fault.KindOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
	code := http.StatusInternalServerError
	problems, isProblems := errors.AsType[film.Problems](err)
	switch {
	case isProblems:
		code, body.Message = http.StatusBadRequest, "the request is not valid"
		for _, p := range problems {
			body.Problems = append(body.Problems, apiProblem{p.Pointer, p.Message})
		}
	case errors.Is(err, ErrTaken):
		code, body.Kind = http.StatusConflict, string(fault.Invalid)
		body.Hint = "give each request an Idempotency-Key of its own"
	case errors.Is(err, ErrUnknown):
		code, body.Kind = http.StatusNotFound, string(fault.NotFound)
	case body.Kind == string(fault.Invalid):
		code = http.StatusBadRequest
	case body.Kind == string(fault.NotFound):
		code = http.StatusNotFound
	case body.Kind == string(fault.Unsupported), body.Kind == string(fault.Corrupt): // of a source that was looked into
		code = http.StatusUnprocessableEntity
	case body.Kind == string(fault.OutOfTime):
		code = http.StatusGatewayTimeout
	case body.Kind == string(fault.Transient):
		code = http.StatusServiceUnavailable
	}
	r := respond(code, map[string]apiError{"error": body})
	if code == http.StatusServiceUnavailable {
		r.Headers["retry-after"] = "5"
	}
	return r
}

func respond(code int, body any) apiResponse {
	data, err := json.Marshal(body)
	if err != nil { // facts that a kind wrote are JSON already, and nothing else can fail
		code, data = http.StatusInternalServerError, []byte(`{"error":{"kind":"Internal","message":"the answer is not JSON"}}`)
	}
	return apiResponse{code, map[string]string{"content-type": "application/json", "cache-control": "no-store"}, string(data)}
}
