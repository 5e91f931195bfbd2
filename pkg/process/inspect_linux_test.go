package process

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inspectedVariable tells TestDenyInspection, in a process of its own, what to do first.
const inspectedVariable = "MAPREEL_TEST_INSPECTED"

// The first case shows that the program could read the environment of its parent.
func TestDenyInspection(t *testing.T) {
	const secret = "/v2/credentials/secret"
	if how := os.Getenv(inspectedVariable); how != "" {
		if how == "denied" {
			if err := DenyInspection(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Run(t.Context(), "/bin/sh", []string{"-c", "env; cat /proc/$PPID/environ; head -c 1 /proc/$PPID/mem; ls /proc/$PPID/fd"}, Options{Stdout: os.Stdout, Limits: Unlimited()})
		t.Log(err)
		return
	}
	// A copy, because the folder in which the test was built is private. Where this runs as root it is another user's
	// process, because root may read everything.
	folder, err := os.MkdirTemp("", "mapreel-inspect-") //nolint:usetesting // t.TempDir is private as well
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "test")
	copyProgram(t, program)
	for how, want := range map[string]bool{"allowed": true, "denied": false} {
		cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestDenyInspection$", "-test.v")
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=" + secret, inspectedVariable + "=" + how}
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", how, err, out.String())
		}
		if got := strings.Contains(out.String(), secret); got != want {
			t.Errorf("%s: the program sees its parent's environment: %v, want %v\n%s", how, got, want, out.String())
		}
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, self)
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
}
