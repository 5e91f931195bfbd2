package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// find returns the tools of this machine. The test fails without them, because mapreel cannot work
// without ffmpeg.
func find(t *testing.T) Tools {
	t.Helper()
	tools, err := Find(t.Context(), FindOptions{})
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	return tools
}

// endless are the arguments of an ffmpeg that runs until it is stopped.
var endless = []string{
	"-hide_banner", "-nostdin", "-loglevel", "warning", "-progress", "pipe:1", "-nostats",
	"-re", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25", "-f", "null", "-",
}

func TestRunReportsProgressToItsEnd(t *testing.T) {
	tools := find(t)
	var reports []Progress
	usage, err := Run(t.Context(), tools.FFmpeg, []string{
		"-nostdin", "-loglevel", "warning", "-progress", "pipe:1", "-nostats",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2", "-f", "null", "-",
	}, RunOptions{OnProgress: func(p Progress) { reports = append(reports, p) }, Limits: process.Unlimited()})
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

func TestCancelEndsTheProgramAndReportsTheCause(t *testing.T) {
	tools := find(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	outOfTime := fault.New(fault.OutOfTime, "the deadline will not be met")
	started := time.Now()
	_, err := Run(ctx, tools.FFmpeg, endless, RunOptions{OnProgress: func(Progress) { cancel(outOfTime) }, Limits: process.Unlimited()})
	if !errors.Is(err, outOfTime) || fault.KindOf(err) != fault.OutOfTime || !strings.Contains(err.Error(), "ffmpeg") {
		t.Errorf("error %v of kind %q, want the cause and its kind", err, fault.KindOf(err))
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestRunWithAnEndedContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "out")
	_, err := Run(ctx, "/bin/sh", []string{"-c", "echo > " + out}, RunOptions{Limits: process.Unlimited()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the program ran")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(data []byte) (int, error) { return f(data) }

func TestEnvironmentOfTheProgramIsLimited(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("http_proxy", "http://nowhere")
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	if _, err := Run(t.Context(), "/usr/bin/env", nil, RunOptions{Stdout: &out, Env: []string{"OPTION=a b"}, Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SVT_LOG", "OPTION":
		default:
			t.Errorf("the program sees %s", strings.TrimSpace(line))
		}
	}
	if !strings.Contains(out.String(), "TMPDIR=") || !strings.Contains(out.String(), "PATH=") || !strings.Contains(out.String(), "OPTION=a b\n") {
		t.Errorf("the program does not see PATH, TMPDIR and RunOptions.Env: %s", out.String())
	}
}

func TestTheProgramRunsInDirWithoutStandardInput(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out, pipe bytes.Buffer
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "pwd; cat; echo three >&3"}, RunOptions{Dir: dir, Stdout: &out, Pipe: &pipe, Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	if out.String() != dir+"\n" || pipe.String() != "three\n" {
		t.Errorf("output %q and %q, want the folder and the text of descriptor 3", out.String(), pipe.String())
	}
	if _, err := Run(t.Context(), "/bin/sh", nil, RunOptions{Dir: dir + "/none", Limits: process.Unlimited()}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("missing folder: error %v of kind %q, want NotFound", err, fault.KindOf(err))
	}
}

// A writer that receives the program's output may return an error. Run then stops the program and
// returns that error.
func TestAWritersErrorStopsTheProgram(t *testing.T) {
	tools := find(t)
	refuse := writerFunc(func([]byte) (int, error) { return 0, fault.New(fault.Corrupt, "not as planned") })
	for name, options := range map[string]RunOptions{"stdout": {Stdout: refuse}, "pipe": {Pipe: refuse}} {
		options.Limits = process.Unlimited()
		args := append([]string{"-c", "echo x; echo x >&3; exec " + tools.FFmpeg + ` "$@"`, "sh"}, endless...)
		if options.Pipe == nil {
			args[1] = "echo x; exec " + tools.FFmpeg + ` "$@"`
		}
		_, err := Run(t.Context(), "/bin/sh", args, options)
		if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), "not as planned") {
			t.Errorf("%s: error %v of kind %q, want the writer's", name, err, fault.KindOf(err))
		}
	}
}

func TestMemoryAboveTheLimitIsOutOfSpace(t *testing.T) {
	tools := find(t)
	_, err := Run(t.Context(), tools.FFmpeg, []string{
		"-nostdin", "-loglevel", "warning", "-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25:duration=2",
		"-c:v", "libx264", "-f", "null", "-",
	}, RunOptions{Limits: process.Unlimited().Within(Limits{Memory: 150 << 20})})
	if fault.KindOf(err) != fault.OutOfSpace || !strings.Contains(err.Error(), "ffmpeg needs more than 157 MB of memory") {
		t.Errorf("error %v of kind %q, want OutOfSpace", err, fault.KindOf(err))
	}
}

func TestTheEndOfStandardErrorIsKept(t *testing.T) {
	_, err := Run(t.Context(), "/bin/sh", []string{"-c", "i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done; exit 4"}, RunOptions{Limits: process.Unlimited()})
	var exit *ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("error %v, want an ExitError", err)
	}
	if exit.Code != 4 || exit.Line != "line 4999" || len(exit.Tail) > 16<<10 || !strings.HasSuffix(exit.Tail, "line 4999\n") {
		t.Errorf("code %d, line %q, a tail of %d bytes", exit.Code, exit.Line, len(exit.Tail))
	}
}
