// Package runtimeapi is Lambda's side of a function's process: it serves the Runtime API, by which the process fetches events and
// answers them.
//
//	f := runtimeapi.New("encode")
//	server := httptest.NewServer(f)
//	cmd.Env = append(cmd.Env, runtimeapi.Variable+"="+strings.TrimPrefix(server.URL, "http://"))
//	answer, err := f.Invoke(ctx, event, 15*time.Minute)
package runtimeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Variable is the environment variable that tells a process where its Runtime API is, as host and port.
const Variable = "AWS_LAMBDA_RUNTIME_API"

// maxAnswer is more than Lambda takes as an answer, 6 MiB.
const maxAnswer = 8 << 20

// Function is one environment of a function: a process that gets one event at a time. It is the handler of its Runtime API.
type Function struct {
	// Delivered is called when the process has got an event; may be nil.
	Delivered func(payload []byte)

	name    string
	api     *http.ServeMux
	pending chan *invocation

	mu      sync.Mutex // guards what follows
	answers map[string]chan answer
	count   int
	exited  chan struct{} // closed when the process has exited
}

type invocation struct {
	id      string
	payload []byte
	end     time.Time
}

type answer struct {
	body   []byte
	failed bool
}

// Error is an error of a function as Step Functions sees one.
type Error struct{ Name, Text string }

func (e *Error) Error() string { return e.Name + ": " + e.Text }

// ErrorName returns what a state's Retry and Catch match.
func (e *Error) ErrorName() string { return e.Name }

// ExitError is the name of the error of an event whose process exited before it answered.
const ExitError = "Runtime.ExitError"

// New returns a function without a process.
func New(name string) *Function {
	f := &Function{name: name, api: http.NewServeMux(), pending: make(chan *invocation), answers: map[string]chan answer{}, exited: make(chan struct{})}
	f.api.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	f.api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { f.answer(w, r, false) })
	f.api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { f.answer(w, r, true) })
	return f
}

func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.api.ServeHTTP(w, r) }

// Exited ends the event that the process was at, those that wait, and later ones with an ExitError, until Restarted is called.
func (f *Function) Exited() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.exited)
}

// Restarted has the next events wait for a new process.
func (f *Function) Restarted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exited = make(chan struct{})
}

func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case i := <-f.pending:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(i.end.UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", ARN(f.name))
		_, _ = w.Write(i.payload)
		if f.Delivered != nil {
			f.Delivered(i.payload)
		}
	}
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	f.mu.Lock()
	reply := f.answers[r.PathValue("id")]
	delete(f.answers, r.PathValue("id"))
	f.mu.Unlock()
	if err != nil || reply == nil {
		http.Error(w, "no such invocation", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	reply <- answer{body, failed}
}

// Invoke passes one event to the process, after those before it, and returns its answer. The process is told that it has until limit
// from now. An error of the function is an *Error. An event whose ctx ends stays with the process, as on Lambda: its answer is
// accepted and discarded.
func (f *Function) Invoke(ctx context.Context, payload []byte, limit time.Duration) (json.RawMessage, error) {
	f.mu.Lock()
	f.count++
	id, reply, exited := fmt.Sprintf("%s-request-%d", f.name, f.count), make(chan answer, 1), f.exited
	f.answers[id] = reply // until it is answered: a process that is refused an answer exits
	f.mu.Unlock()
	select {
	case f.pending <- &invocation{id: id, payload: payload, end: time.Now().Add(limit)}:
	case <-exited:
		return nil, f.forget(id)
	case <-ctx.Done():
		_ = f.forget(id)
		return nil, context.Cause(ctx)
	}
	select {
	case a := <-reply:
		return f.read(a)
	case <-exited:
		return nil, f.forget(id)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// forget ends an event that no process will answer, and returns what Lambda reports of a process that has exited.
func (f *Function) forget(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.answers, id)
	return &Error{ExitError, f.name + " exited"}
}

func (f *Function) read(a answer) (json.RawMessage, error) {
	if !a.failed {
		return a.body, nil
	}
	var e struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(a.body, &e); err != nil {
		return nil, fmt.Errorf("error of %s: %w: %s", f.name, err, a.body)
	}
	return nil, &Error{e.ErrorType, e.ErrorMessage}
}

// ARN returns the ARN of the function of that name.
func ARN(name string) string { return "arn:aws:lambda:us-east-1:123456789012:function:" + name }
