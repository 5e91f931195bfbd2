package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCredentialsAreOutOfReach reads the environment of a running function as another process of its user does.
func TestCredentialsAreOutOfReach(t *testing.T) {
	folder, err := os.MkdirTemp("", "mapreel-worker-") //nolint:usetesting // t.TempDir is private, and the worker is another user's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "worker")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	asked := make(chan struct{}, 1)
	runtime := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done() // no invocation ever comes
	}))
	t.Cleanup(runtime.Close)
	worker := exec.CommandContext(t.Context(), program, "encode")
	worker.Dir = folder
	worker.Env = []string{"AWS_SECRET_ACCESS_KEY=secret", "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://")}
	var user *syscall.SysProcAttr
	if os.Getuid() == 0 { // root may read everything
		user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	worker.SysProcAttr = user
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	})
	select {
	case <-asked: // it serves
	case <-time.After(time.Minute):
		t.Fatal("the function does not ask for an invocation")
	}
	reader := exec.CommandContext(t.Context(), "/bin/cat", "/proc/"+strconv.Itoa(worker.Process.Pid)+"/environ")
	reader.SysProcAttr = user
	if out, err := reader.CombinedOutput(); err == nil || strings.Contains(string(out), "secret") {
		t.Errorf("another process of the function's user reads its environment: %v\n%q", err, out)
	}
}
