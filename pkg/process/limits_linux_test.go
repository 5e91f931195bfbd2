package process

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
)

// with returns limits that bound only what change sets.
func with(change func(*Limits)) Limits {
	l := Unlimited()
	change(&l)
	return l
}

func TestLimitsAreEnforced(t *testing.T) {
	dir := t.TempDir()
	cpu := with(func(l *Limits) { l.CPU = time.Second })
	size := with(func(l *Limits) { l.FileSize = 4096 })
	endless := "while :; do echo line; done >" + dir + "/endless"
	for name, test := range map[string]struct {
		script  string
		limits  Limits
		kind    fault.Kind
		message string
	}{
		"CPU time":                 {"while :; do :; done", cpu, fault.Unsupported, "sh computed for more than 1s"},
		"CPU time, of the machine": {"while :; do :; done", Unlimited().Within(cpu), fault.OutOfTime, "sh computed for more than 1s"},
		"CPU time, ignored":        {"trap '' XCPU; while :; do :; done", cpu, fault.Unsupported, "sh computed for more than 1s"},
		"time":                     {"sleep 60", with(func(l *Limits) { l.Wall = 200 * time.Millisecond }), fault.Unsupported, "sh ran for more than 0s"},
		"file size": {
			"sleep 0.2; head -c 100000 /dev/zero > " + dir + "/f & wait $!; kill -$(( $? - 128 )) $$", size,
			fault.Unsupported, "sh would write a file of more than 0 MB",
		},
		"file size, of the machine": {
			"sleep 0.2; head -c 100000 /dev/zero > " + dir + "/g & wait $!; kill -$(( $? - 128 )) $$", Unlimited().Within(size),
			fault.OutOfSpace, "sh would write a file of more than 0 MB",
		},
		"bytes written": {endless + "1", with(func(l *Limits) { l.Written = 1 << 20 }), fault.Unsupported, "sh wrote more than 1 MB"},
		"bytes written, to the machine's disk": {
			endless + "2", Unlimited().Within(with(func(l *Limits) { l.Written = 1 << 20 })), fault.OutOfSpace, "sh wrote more than 1 MB",
		},
		"bytes written, by a child": {
			"(" + endless + "3) & wait", with(func(l *Limits) { l.Written = 1 << 20 }), fault.Unsupported, "sh wrote more than 1 MB",
		},
		"processes": {
			"for i in 1 2 3 4; do sleep 60 & done; wait", with(func(l *Limits) { l.Processes = 4 }), fault.Unsupported, "sh started more than 4 processes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := Run(t.Context(), "/bin/sh", []string{"-c", test.script}, Options{Limits: test.limits})
			if fault.KindOf(err) != test.kind || err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error %v of kind %s, want %q of kind %s", err, fault.KindOf(err), test.message, test.kind)
			}
			var exit *ExitError
			if errors.As(err, &exit) && exit.Crashed() {
				t.Error("it is reported as a crash")
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v to end", took)
			}
		})
	}
	var out bytes.Buffer
	script := "sleep 0.2; ulimit -v; ulimit -d; ulimit -n; ulimit -c; ulimit -H -t; ulimit -f"
	limits := with(func(l *Limits) { l.Memory, l.CPU, l.FileSize, l.OpenFiles = 1<<30, 90*time.Second, 1<<20, 1024 })
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", script}, Options{Stdout: &out, Limits: limits}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(out.String()), "10485760 1048576 1024 0 91 2048"; strings.Join(got, " ") != want {
		t.Errorf("limits %q, want %q (KiB of address space and data, files, core, seconds, blocks)", got, want)
	}
}

// A call that forgets a limit must not run without it.
// A program that writes is looked at as often in its second hour as at first: a disk is full soon.
func TestLooksGrowApartOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	for most, want := range map[time.Duration]time.Duration{0: watchInterval, watchInterval / 2: watchInterval, time.Second: time.Second} {
		interval := watchInterval
		for range 1000 {
			next := nextInterval(interval, most)
			if next < interval || next > interval+watchInterval/10 {
				t.Fatalf("at most %v: %v follows %v", most, next, interval)
			}
			interval = next
		}
		if interval != want {
			t.Errorf("at most %v: got %v, want %v", most, interval, want)
		}
	}
}

func TestRunRefusesALimitThatIsNotSet(t *testing.T) {
	for r := range resources {
		l := Unlimited()
		l.set(r, 0)
		_, err := Run(t.Context(), "/bin/true", nil, Options{Limits: l})
		if fault.KindOf(err) != fault.Internal || !strings.Contains(err.Error(), r.String()) {
			t.Errorf("without %v: error %v, want a refusal that names it", r, err)
		}
	}
	if _, err := Run(t.Context(), "/bin/true", nil, Options{Limits: Unlimited()}); err != nil {
		t.Error(err)
	}
}

// Where memory runs out, the kernel must end what decodes foreign files, and not what reports it.
func TestTheKernelEndsAProgramBeforeThisProcess(t *testing.T) {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "sleep 0.2; cat /proc/self/oom_score_adj"}, Options{Stdout: &out, Limits: Unlimited()}); err != nil {
		t.Fatal(err)
	}
	mine, _ := strconv.Atoi(strings.TrimSpace(string(own)))
	got, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if want := min(mine+childOOMScore, 1000); err != nil || got != want {
		t.Errorf("oom_score_adj is %q, want %d", out.String(), want)
	}
}

func TestTheLowestMemoryLimitOfAControlGroupCounts(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) string {
		t.Helper()
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("memory.max", "max\n")
	write("a/memory.max", "3000000\n")
	write("a/b/memory.max", "max\n")
	write("memory/c/memory.limit_in_bytes", "2000000\n")
	for list, want := range map[string]int64{
		"0::/a/b\n": 3_000_000, "0::/\n": 0, "4:cpu:/x\n3:memory:/c\n0::/a\n": 2_000_000, "": 0,
	} {
		if got := cgroupMemory(write("list", list), root); got != want {
			t.Errorf("%q: %d bytes, want %d", list, got, want)
		}
	}
}

// A limit that is already set is never raised.
func TestLimitsAreOnlyLowered(t *testing.T) {
	var out bytes.Buffer
	script := "ulimit -v 50000000; ulimit -f 2; ulimit -n 64; sleep 0.3; ulimit -v; ulimit -f; ulimit -n"
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "sh -c '" + script + "'"}, Options{Stdout: &out, Limits: with(func(l *Limits) { l.FileSize, l.OpenFiles = 1<<30, 1024 })}); err != nil {
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
		Options{Stdout: &out, Pipe: &pipe, Limits: Unlimited()}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hidden") || strings.Contains(out.String(), "FFREPORT") || strings.Contains(out.String(), "secret") {
		t.Errorf("the program sees a secret:\n%s", out.String())
	}
	if pipe.String() != "piped\n" || !strings.Contains(out.String(), "PATH=") {
		t.Errorf("descriptor 3 carried %q, the environment is\n%s", pipe.String(), out.String())
	}
}
