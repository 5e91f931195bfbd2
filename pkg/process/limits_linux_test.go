package process

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestLimitsAreEnforced(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		script string
		limits Limits
		kind   fault.Kind
		signal syscall.Signal
	}{
		"CPU time":     {"while :; do :; done", Limits{CPU: time.Second}, fault.OutOfTime, syscall.SIGXCPU},
		"CPU, ignored": {"trap '' XCPU; while :; do :; done", Limits{CPU: time.Second}, fault.OutOfSpace, syscall.SIGKILL},
		"file size":    {"sleep 0.2; head -c 100000 /dev/zero > " + dir + "/f & wait $!; kill -$(( $? - 128 )) $$", Limits{FileSize: 4096}, fault.OutOfSpace, syscall.SIGXFSZ},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Run(t.Context(), "/bin/sh", []string{"-c", test.script}, Options{Limits: test.limits})
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Signal != test.signal || fault.KindOf(err) != test.kind {
				t.Errorf("error %v of kind %s, want %s by %v", err, fault.KindOf(err), test.kind, test.signal)
			} else if exit.Crashed() {
				t.Error("it is reported as a crash")
			}
		})
	}
	var out bytes.Buffer
	script := "sleep 0.2; ulimit -v; ulimit -d; ulimit -n; ulimit -c; ulimit -H -t; ulimit -f"
	limits := Limits{Memory: 1 << 30, CPU: 90 * time.Second, FileSize: 1 << 20}
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", script}, Options{Stdout: &out, Limits: limits}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(out.String()), "10485760 1048576 1024 0 91 2048"; strings.Join(got, " ") != want {
		t.Errorf("limits %q, want %q (KiB of address space and data, files, core, seconds, blocks)", got, want)
	}
}

// A limit that is already set is never raised.
func TestLimitsAreOnlyLowered(t *testing.T) {
	var out bytes.Buffer
	script := "ulimit -v 50000000; ulimit -f 2; ulimit -n 64; sleep 0.3; ulimit -v; ulimit -f; ulimit -n"
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "sh -c '" + script + "'"}, Options{Stdout: &out, Limits: Limits{FileSize: 1 << 30}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(out.String()), " "); got != "50000000 2 64" {
		t.Errorf("limits %q, want the stricter ones", got)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := lower(0, unix.RLIMIT_FSIZE, old.Cur, old.Max); err != nil { // equal is no change
		t.Fatal(err)
	}
}

// A program gets no secret of this process: neither its environment nor a descriptor that it
// inherited.
func TestAProgramInheritsNoSecrets(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	t.Setenv("FFREPORT", "file=/dev/full")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(secret, unix.O_RDONLY, 0) // without O_CLOEXEC, as a shell's 9< leaves it
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var out, pipe bytes.Buffer
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "env; cd /proc/self/fd; for f in *; do readlink $f; done; echo piped >&3"},
		Options{Stdout: &out, Pipe: &pipe}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hidden") || strings.Contains(out.String(), "FFREPORT") || strings.Contains(out.String(), "secret") {
		t.Errorf("the program sees a secret:\n%s", out.String())
	}
	if pipe.String() != "piped\n" || !strings.Contains(out.String(), "PATH=") {
		t.Errorf("descriptor 3 carried %q, the environment is\n%s", pipe.String(), out.String())
	}
}
