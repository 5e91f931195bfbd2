package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
)

// endless are arguments of an ffmpeg that works until it is stopped.
var endless = []string{
	"-hide_banner", "-nostdin", "-loglevel", "warning", "-progress", "pipe:1", "-nostats",
	"-re", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25", "-f", "null", "-",
}

func TestRunReportsProgressToItsEnd(t *testing.T) {
	tools := found(t)
	var reports []Progress
	usage, err := Run(t.Context(), tools.FFmpeg, []string{
		"-nostdin", "-loglevel", "warning", "-progress", "pipe:1", "-nostats",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2", "-f", "null", "-",
	}, RunOptions{OnProgress: func(p Progress) { reports = append(reports, p) }})
	if err != nil {
		t.Fatal(err)
	}
	last := reports[len(reports)-1]
	if !last.End || last.Frame != 50 || last.OutTime != 2_000_000 {
		t.Errorf("the last report is %+v, want the end, 50 frames and 2 s", last)
	}
	for i := 1; i < len(reports); i++ {
		if reports[i].Frame < reports[i-1].Frame || reports[i-1].End {
			t.Errorf("report %d, %+v, follows %+v", i, reports[i], reports[i-1])
		}
	}
	if usage.CPU <= 0 || usage.Wall <= 0 || usage.MaxRSS < 1<<20 || usage.MaxRSS > 1<<36 {
		t.Errorf("usage %+v", usage)
	}
}

func TestCancelEndsTheProgramAndTellsTheCause(t *testing.T) {
	tools := found(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	outOfTime := fault.New(fault.OutOfTime, "the deadline will not be met")
	started := time.Now()
	_, err := Run(ctx, tools.FFmpeg, endless, RunOptions{OnProgress: func(Progress) { cancel(outOfTime) }})
	if !errors.Is(err, outOfTime) || fault.KindOf(err) != fault.OutOfTime || !strings.Contains(err.Error(), "ffmpeg") {
		t.Errorf("error %v of kind %q, want the cause and its kind", err, fault.KindOf(err))
	}
	if took := time.Since(started); took > defaultGrace {
		t.Errorf("it took %v", took)
	}
}

func TestAnEndedContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "out")
	_, err := Run(ctx, "/bin/sh", []string{"-c", "echo > " + out}, RunOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the program ran")
	}
}

// A program that ignores the interrupt is killed with everything that it started.
func TestAStubbornGroupIsKilledWhole(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var child int
	_, err := Run(ctx, "/bin/sh", []string{"-c", `trap "" INT TERM; sleep 60 & echo $!; wait; wait`}, RunOptions{
		Grace: 100 * time.Millisecond,
		Stdout: writerFunc(func(data []byte) (int, error) {
			child, _ = strconv.Atoi(strings.TrimSpace(string(data)))
			cancel()
			return len(data), nil
		}),
	})
	var exit *exec.ExitError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &exit) {
		t.Errorf("error %v, want the context's and the program's", err)
	}
	if child == 0 || !gone(child) {
		t.Errorf("process %d, which the program had started, is still there", child)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(data []byte) (int, error) { return f(data) }

// gone waits until a process has ended.
func gone(pid int) bool {
	for range 100 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // a zombie waits for init, which is not us
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// mortalVariable makes this test binary the parent that TestNothingSurvivesOurDeath kills.
const mortalVariable = "MAPREEL_TEST_MORTAL"

func TestMain(m *testing.M) {
	if program := os.Getenv(mortalVariable); program != "" {
		_, err := Run(context.Background(), program, endless, RunOptions{OnProgress: func(Progress) { fmt.Println("running") }})
		fmt.Println("ended:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestNothingSurvivesOurDeath(t *testing.T) {
	tools := found(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), mortalVariable+"="+tools.FFmpeg)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("running\n"))); err != nil {
		t.Fatalf("the parent did not start ffmpeg: %v", err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent.Process.Pid, parent.Process.Pid))
	if err != nil {
		t.Skipf("this kernel does not list a process's children: %v", err)
	}
	for _, thread := range threads(t, parent.Process.Pid) {
		more, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent.Process.Pid, thread))
		if err == nil && thread != parent.Process.Pid {
			children = append(append(children, ' '), more...)
		}
	}
	pids := strings.Fields(string(children))
	if len(pids) != 1 {
		t.Fatalf("the parent has %d children, want 1: %q", len(pids), children)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed", as wanted
	if pid, _ := strconv.Atoi(pids[0]); !gone(pid) {
		t.Errorf("ffmpeg, process %d, survived", pid)
	}
}

func threads(t *testing.T, pid int) []int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, entry := range entries {
		if id, err := strconv.Atoi(entry.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestTheProgramSeesOnlyWhatItNeeds(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("http_proxy", "http://nowhere")
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	if _, err := Run(t.Context(), "/usr/bin/env", nil, RunOptions{Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SVT_LOG":
		default:
			t.Errorf("the program sees %s", strings.TrimSpace(line))
		}
	}
	if !strings.Contains(out.String(), "TMPDIR=") || !strings.Contains(out.String(), "PATH=") {
		t.Errorf("the program does not see PATH and TMPDIR: %s", out.String())
	}
}

func TestTheProgramRunsInItsFolderWithoutInput(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "pwd; cat; echo three >&3"}, RunOptions{Dir: dir, Stdout: &out, Pipe: &out}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); !cmp.Equal(got, []string{dir, "three"}) && !cmp.Equal(got, []string{"three", dir}) {
		t.Errorf("output %q, want the folder and what went to descriptor 3", got)
	}
}

// What reads the program's output may refuse it; the program is stopped and that error is what comes back.
func TestAReadersErrorStopsTheProgram(t *testing.T) {
	tools := found(t)
	refuse := writerFunc(func([]byte) (int, error) { return 0, fault.New(fault.Corrupt, "not what was planned") })
	for name, options := range map[string]RunOptions{"stdout": {Stdout: refuse}, "pipe": {Pipe: refuse}} {
		args := append([]string{"-c", "echo x; echo x >&3; exec " + tools.FFmpeg + ` "$@"`, "sh"}, endless...)
		if options.Pipe == nil {
			args[1] = "echo x; exec " + tools.FFmpeg + ` "$@"`
		}
		_, err := Run(t.Context(), "/bin/sh", args, options)
		if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), "not what was planned") {
			t.Errorf("%s: error %v of kind %q, want the reader's", name, err, fault.KindOf(err))
		}
	}
}

func TestMemoryAboveTheLimitIsOutOfSpace(t *testing.T) {
	tools := found(t)
	_, err := Run(t.Context(), tools.FFmpeg, []string{
		"-nostdin", "-loglevel", "warning", "-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25:duration=2",
		"-c:v", "libx264", "-f", "null", "-",
	}, RunOptions{MemoryLimit: 150 << 20})
	if fault.KindOf(err) != fault.OutOfSpace {
		t.Errorf("error %v of kind %q, want OutOfSpace", err, fault.KindOf(err))
	}
}

func TestStandardErrorIsKeptToItsEnd(t *testing.T) {
	_, err := Run(t.Context(), "/bin/sh", []string{"-c", "i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done; exit 4"}, RunOptions{})
	var exit *ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("error %v, want an ExitError", err)
	}
	if exit.Code != 4 || exit.Line != "line 4999" || len(exit.Tail) > stderrTail || !strings.HasSuffix(exit.Tail, "line 4999\n") {
		t.Errorf("code %d, line %q, a tail of %d bytes", exit.Code, exit.Line, len(exit.Tail))
	}
}
