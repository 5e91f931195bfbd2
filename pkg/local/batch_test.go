package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
)

// asProcess makes Batch jobs processes of the test binary: see TestMain.
var asProcess = []string{"batch"}

// wrapped returns a setup with a shell script in place of ffmpeg. Where it encodes video, the script first runs the given
// lines; then it becomes ffmpeg.
func wrapped(t *testing.T, lines string) setup {
	t.Helper()
	s := films(t)
	real := s.Tools.FFmpeg
	s.Tools.FFmpeg = filepath.Join(t.TempDir(), "ffmpeg")
	script := fmt.Sprintf("#!/bin/sh\nffmpeg='%s'\ncase \"$*\" in *filter_complex*)\n%s\n;; esac\nexec \"$ffmpeg\" \"$@\"\n", real, lines)
	if err := os.WriteFile(s.Tools.FFmpeg, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// slowed returns a setup whose ffmpeg encodes at a fiftieth of the video's pace as long as the file slow exists. It then
// appends its process ID and its parent's to the file pids.
func slowed(t *testing.T) (s setup, slow, pids string) {
	t.Helper()
	dir := t.TempDir()
	slow, pids = filepath.Join(dir, "slow"), filepath.Join(dir, "pids")
	if err := os.WriteFile(slow, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return wrapped(t, fmt.Sprintf("[ -e '%s' ] && echo $$ $PPID >>'%s' && exec \"$ffmpeg\" -readrate 0.02 \"$@\"", slow, pids)), slow, pids
}

// process is a slowed ffmpeg and the process that started it.
type process struct{ pid, parent int }

// processes reads the file pids of slowed.
func processes(t *testing.T, pids string) (list []process) {
	t.Helper()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var p process
		if _, err := fmt.Sscan(line, &p.pid, &p.parent); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, p)
	}
	return list
}

// worker returns the ID of the Batch process that the owner of a unit names; 0 for the run's own process.
func worker(t *testing.T, owner string) int {
	t.Helper()
	_, name, found := strings.Cut(owner, "/process/")
	if !found {
		return 0
	}
	pid, err := strconv.Atoi(name)
	if err != nil {
		t.Fatalf("owner %q", owner)
	}
	return pid
}

// gone waits for a process to end, two seconds at most, and reports whether it did.
func gone(pid int) bool {
	for range 100 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && strings.Contains(string(stat), ") Z ") { // a zombie: init, not this process, must reap it
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// onBatch returns a request of two segments on the route batch.
func onBatch(t *testing.T) film.Request {
	t.Helper()
	source := clip(t, "in.mp4", args(picture(4), []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "24"})...)
	req := request(source, t.TempDir(), "mp4")
	req.Compute.Mode = film.Batch
	return req
}

// undisturbed returns the output of a run in one process.
func undisturbed(t *testing.T, req film.Request) []byte {
	t.Helper()
	req.Destination = t.TempDir()
	if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	return published(t, req)
}

// published returns the output that a run has published.
func published(t *testing.T, req film.Request) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(req.Destination, "out.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unitOf returns a unit's record in the ledger of a scratch folder.
func unitOf(t *testing.T, scratch, id, name string) ledger.Unit {
	t.Helper()
	l, err := sqlite.Open(t.Context(), filepath.Join(scratch, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := l.Unit(t.Context(), id, name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// history records the events of a run.
type history struct {
	mu   sync.Mutex
	list []local.Event
}

func (h *history) add(e local.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
}

// count returns the number of events of a type about a unit; "" stands for all units.
func (h *history) count(kind engine.EventType, unit string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.list {
		if e.Type == kind && (unit == "" || e.Unit == unit) {
			n++
		}
	}
	return n
}

func TestAKilledBatchProcessIsStartedAgain(t *testing.T) {
	t.Parallel()
	req := onBatch(t)
	s, slow, pids := slowed(t)
	scratch := t.TempDir()
	var h history
	var once sync.Once
	var id, unit string
	report, err := s.run(t.Context(), req, local.Options{
		Scratch: scratch, Jobs: 1, Keep: true, Batch: asProcess,
		Observe: func(e local.Event) {
			h.add(e)
			if e.Type != engine.Progress || !strings.HasPrefix(e.Unit, "video/") {
				return
			}
			once.Do(func() {
				id, unit = e.Job, e.Unit
				_ = os.Remove(slow)
				p := processes(t, pids)[0]
				if p.parent == os.Getpid() {
					t.Error("the Batch job is not a process of its own")
					return
				}
				if err := syscall.Kill(p.parent, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := undisturbed(t, req); !bytes.Equal(published(t, req), want) {
		t.Error("the output differs from that of an undisturbed run")
	}
	u := unitOf(t, scratch, id, unit)
	killed := processes(t, pids)[0]
	if u.Attempt != 2 || worker(t, u.Owner) == killed.parent || worker(t, u.Owner) == 0 {
		t.Errorf("%s was done in attempt %d by %s, want 2 by another process than %d", unit, u.Attempt, u.Owner, killed.parent)
	}
	if !gone(killed.pid) {
		t.Errorf("ffmpeg, process %d, survived its parent", killed.pid)
	}
	for kind, want := range map[engine.EventType]int{engine.Started: 2, engine.Failed: 1, engine.Done: 1} {
		if got := h.count(kind, unit); got != want {
			t.Errorf("%d events %q of %s, want %d", got, kind, unit, want)
		}
	}
	if h.count(local.Retried, "") != 1 || report.Ran["video"] != report.Units["video"] {
		t.Errorf("%d retries, %d of %d segments encoded; want 1 and all", h.count(local.Retried, ""), report.Ran["video"], report.Units["video"])
	}
	assertEmpty(t, filepath.Join(scratch, "locks"))
}

func TestABatchProcessThatDiesEachTimeEndsTheJob(t *testing.T) {
	t.Parallel()
	req, scratch := onBatch(t), t.TempDir()
	deaths := filepath.Join(t.TempDir(), "deaths")
	deadly := wrapped(t, fmt.Sprintf("case \"$*\" in *trim=start_pts=*) echo >>'%s'; kill -KILL $PPID; sleep 5;; esac", deaths))
	_, err := deadly.run(t.Context(), req, local.Options{Scratch: scratch, Jobs: 1, Batch: asProcess})
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "the process of video/00001 was ended by a signal") || fault.HintOf(err) == "" {
		t.Errorf("the job ends with %v (%s, hint %q), want Transient and the name of the unit", err, fault.KindOf(err), fault.HintOf(err))
	}
	if text, rerr := os.ReadFile(deaths); rerr != nil || len(text) != engine.BatchAttempts {
		t.Errorf("%d attempts (%v), want %d", len(text), rerr, engine.BatchAttempts)
	}
	jobs, err := local.Jobs(t.Context(), scratch)
	if err != nil || len(jobs) != 1 || jobs[0].State != "failed" || running(jobs[0]) != 0 || !strings.Contains(jobs[0].Error, "video/00001") {
		t.Errorf("the record is %+v (%v), want a failed job with nothing running", jobs, err)
	}
}

func TestAFailureInABatchProcessKeepsItsKindHintAndOutput(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		kind   fault.Kind
		tries  int
		hint   string
	}{
		"crash":   {"echo 'macroblock 17 is odd' >&2; kill -SEGV $$", fault.Unsupported, 3, "ffmpeg crashes there each time"},
		"refusal": {"echo \"macroblock 17 is odd\nUnknown encoder 'libfoo'\" >&2; exit 1", fault.Unsupported, 1, "full build of ffmpeg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, scratch := onBatch(t), t.TempDir()
			tries := filepath.Join(t.TempDir(), "tries")
			bad := wrapped(t, fmt.Sprintf("case \"$*\" in *trim=start_pts=*) echo >>'%s'; %s;; esac", tries, test.script))
			_, err := bad.run(t.Context(), req, local.Options{Scratch: scratch, Jobs: 1, Batch: asProcess})
			if fault.KindOf(err) != test.kind || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("kind %s, hint %q; want %s and %q", fault.KindOf(err), fault.HintOf(err), test.kind, test.hint)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "segment 1 (2s to 4s): ") {
				t.Errorf("%v; want the number and the time range of the segment", err)
			}
			var exit *ffmpeg.ExitError
			if !errors.As(err, &exit) || !strings.Contains(strings.Join(exit.LastLines(5), "\n"), "macroblock 17 is odd") {
				t.Errorf("%v has the last lines %+v, want those of ffmpeg", err, exit)
			}
			if text, rerr := os.ReadFile(tries); rerr != nil || len(text) != test.tries {
				t.Errorf("%d attempts (%v), want %d", len(text), rerr, test.tries)
			}
			jobs, err := local.Jobs(t.Context(), scratch)
			if err != nil || len(jobs) != 1 || !strings.Contains(jobs[0].Error, "macroblock 17 is odd") {
				t.Errorf("the record is %+v (%v), want ffmpeg's last lines", jobs, err)
			}
		})
	}
}

func TestABatchProcessStopsCleanlyWithItsRun(t *testing.T) {
	t.Parallel()
	req, scratch := onBatch(t), t.TempDir()
	s, _, pids := slowed(t)
	ctx, stop := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var id, unit string
	_, err := s.run(ctx, req, local.Options{
		Scratch: scratch, Jobs: 1, Batch: asProcess,
		Observe: func(e local.Event) {
			if e.Type == engine.Progress && id == "" {
				id, unit = e.Job, e.Unit
				stop(enough)
			}
		},
	})
	if !errors.Is(err, enough) {
		t.Errorf("the error of a cancelled run is %v, want its cause", err)
	}
	u := unitOf(t, scratch, id, unit)
	if u.State != ledger.Failed || u.Failure == nil || !strings.Contains(u.Failure.Message, "told to stop") || u.Failure.Kind != string(fault.Transient) {
		t.Errorf("%s is %s with %+v, want a failure that the process recorded itself", unit, u.State, u.Failure)
	}
	for _, p := range processes(t, pids) {
		if !gone(p.pid) || !gone(p.parent) {
			t.Errorf("process %d, or its ffmpeg %d, is left", p.parent, p.pid)
		}
	}
	if n := len(processes(t, pids)); n != 1 {
		t.Errorf("%d attempts, want 1: a process that was told to stop is not started again", n)
	}
}

// The exit codes are the same as the container's on AWS.
func TestABatchProcessExitsWithTheContainersCodes(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	place, err := json.Marshal(map[string]any{"scratch": scratch, "temp": scratch, "worker": "test", "setup": films(t)})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		task string
		want int
	}{
		"job that is not there":   {`{"stage":"run","input":{"job":"gone","unit":"video/00000"}}`, 66},
		"stage that is not there": {`{"stage":"dance","input":{}}`, 70},
		"task that is no JSON":    {`run`, 70},
	} {
		cmd := exec.Command(os.Args[0], asProcess...)
		cmd.Env = []string{engine.TaskVariable + "=" + test.task, "MAPREEL_WORKER=" + string(place)}
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != test.want {
			t.Errorf("%s: it ended with %v, want exit code %d\n%s", name, err, test.want, out)
		}
		var written struct{ Failure struct{ Kind fault.Kind } }
		if err := json.Unmarshal(out, &written); err != nil || engine.ExitCode(written.Failure.Kind) != test.want {
			t.Errorf("%s: it wrote %s, want one line with the failure", name, out)
		}
	}
}
