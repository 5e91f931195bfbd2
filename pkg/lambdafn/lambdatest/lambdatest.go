// Package lambdatest is Lambda's side of a function, for tests: it starts the function's process and serves its runtime API.
//
//	f := lambdatest.Start(t, "encode", exec.Command(worker, "encode"))
//	out, err := f.Invoke(ctx, []byte(`{"job":"j","unit":"video/00000"}`), time.Minute)
package lambdatest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Output collects what a process writes. It may be read meanwhile.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Function is a running function.
type Function struct {
	Name string
	Cmd  *exec.Cmd
	Log  *Output
	// Delivered is called when the process has got an invocation; may be nil.
	Delivered func(f *Function, payload []byte)

	pending chan *invocation
	exited  chan struct{}

	mu      sync.Mutex
	answers map[string]chan answer
	count   int
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

// Start starts a function as Lambda does, until the test ends. What cmd writes is in Log.
func Start(t *testing.T, name string, cmd *exec.Cmd) *Function {
	t.Helper()
	f := &Function{
		Name: name, Cmd: cmd, Log: &Output{},
		pending: make(chan *invocation), exited: make(chan struct{}), answers: map[string]chan answer{},
	}
	api := http.NewServeMux()
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { f.answer(w, r, false) })
	api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { f.answer(w, r, true) })
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	cmd.Env = append(cmd.Env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"))
	cmd.Stdout, cmd.Stderr = f.Log, f.Log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(f.exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // as Lambda ends a function that it no longer needs
		<-f.exited
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, f.Log)
		}
	})
	return f
}

func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case i := <-f.pending:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(i.end.UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", ARN(f.Name))
		_, _ = w.Write(i.payload)
		if f.Delivered != nil {
			f.Delivered(f, i.payload)
		}
	}
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(r.Body)
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

// Error is an error as Step Functions sees one.
type Error struct{ Name, Text string }

func (e *Error) Error() string     { return e.Name + ": " + e.Text }
func (e *Error) ErrorName() string { return e.Name }

// Invoke passes one event to the function, after those before it, and returns its answer.
func (f *Function) Invoke(ctx context.Context, payload []byte, limit time.Duration) (json.RawMessage, error) {
	f.mu.Lock()
	f.count++
	id, reply := fmt.Sprintf("%s-request-%d", f.Name, f.count), make(chan answer, 1)
	f.answers[id] = reply
	f.mu.Unlock()
	select {
	case f.pending <- &invocation{id: id, payload: payload, end: time.Now().Add(limit)}:
	case <-f.exited:
		return nil, &Error{"Runtime.ExitError", f.Name + " exited"}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case a := <-reply:
		if !a.failed {
			return a.body, nil
		}
		var e struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal(a.body, &e); err != nil {
			return nil, fmt.Errorf("error of %s: %w: %s", f.Name, err, a.body)
		}
		return nil, &Error{e.ErrorType, e.ErrorMessage}
	case <-f.exited:
		return nil, &Error{"Runtime.ExitError", f.Name + " exited"}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ARN returns the ARN of the function of that name.
func ARN(name string) string { return "arn:aws:lambda:us-east-1:123456789012:function:" + name }
