// Package lambdatest starts a function's process for tests, and is Lambda to it.
//
//	f := lambdatest.Start(t, "encode", exec.Command(worker, "encode"))
//	out, err := f.Invoke(ctx, []byte(`{"job":"j","unit":"video/00000"}`), time.Minute)
package lambdatest

import (
	"bytes"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/pkg/lambdafn/runtimeapi"
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
	*runtimeapi.Function

	Name string
	Cmd  *exec.Cmd
	Log  *Output
}

// Start starts a function as Lambda does, until the test ends. What cmd writes is in Log.
func Start(t *testing.T, name string, cmd *exec.Cmd) *Function {
	t.Helper()
	f := &Function{Function: runtimeapi.New(name), Name: name, Cmd: cmd, Log: &Output{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cmd.Env = append(cmd.Env, runtimeapi.Variable+"="+strings.TrimPrefix(server.URL, "http://"))
	cmd.Stdout, cmd.Stderr = f.Log, f.Log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		f.Exited()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // as Lambda ends a function that it no longer needs
		<-exited
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, f.Log)
		}
	})
	return f
}
