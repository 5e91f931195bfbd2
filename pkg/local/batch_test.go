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

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/stage"
)

// asProcess makes Batch jobs processes of the test binary: see TestMain.
var asProcess = []string{"batch"}

// wrapped are the tools with a script in the place of ffmpeg that does what lines say, where it encodes a picture, and
// is ffmpeg.
func wrapped(t *testing.T, lines string) ffmpeg.Tools {
	t.Helper()
	real, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	fake := real
	fake.FFmpeg = filepath.Join(t.TempDir(), "ffmpeg")
	script := fmt.Sprintf("#!/bin/sh\nffmpeg='%s'\ncase \"$*\" in *filter_complex*)\n%s\n;; esac\nexec \"$ffmpeg\" \"$@\"\n", real.FFmpeg, lines)
	if err := os.WriteFile(fake.FFmpeg, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return fake
}

// brake gives tools that encode at a fiftieth of the pictures' pace while the file slow is there, and then write down in
// the file who which processes they are.
func brake(t *testing.T) (tools ffmpeg.Tools, slow, who string) {
	t.Helper()
	dir := t.TempDir()
	slow, who = filepath.Join(dir, "slow"), filepath.Join(dir, "who")
	if err := os.WriteFile(slow, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return wrapped(t, fmt.Sprintf("[ -e '%s' ] && echo $$ $PPID >>'%s' && exec \"$ffmpeg\" -readrate 0.02 \"$@\"", slow, who)), slow, who
}

// process is an ffmpeg that was slowed, and who started it.
type process struct{ pid, parent int }

func processes(t *testing.T, who string) (list []process) {
	t.Helper()
	text, err := os.ReadFile(who)
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

// worker is the process that an owner of a unit names; 0 where it is the run's own.
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

// gone waits until a process has ended.
func gone(pid int) bool {
	for range 100 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && strings.Contains(string(stat), ") Z ") { // waits for init, which is not us
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// onBatch is a request of two segments that go straight to Batch.
func onBatch(t *testing.T) film.Request {
	t.Helper()
	source := clip(t, "in.mp4", args(picture(4), []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "24"})...)
	req := request(source, t.TempDir(), "mp4")
	req.Compute.Mode = film.Batch
	return req
}

// undisturbed is what a request gives in one process.
func undisturbed(t *testing.T, req film.Request) []byte {
	t.Helper()
	req.Destination = t.TempDir()
	if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	return published(t, req)
}

func published(t *testing.T, req film.Request) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(req.Destination, "out.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

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

// history is the events of a run.
type history struct {
	mu   sync.Mutex
	list []local.Event
}

func (h *history) add(e local.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
}

// count counts events of a type about a unit; "" is about any.
func (h *history) count(kind stage.EventType, unit string) (n int) {
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
	slowed, slow, who := brake(t)
	scratch := t.TempDir()
	var h history
	var once sync.Once
	var id, unit string
	report, err := local.Run(t.Context(), req, local.Options{
		Scratch: scratch, Tools: slowed, Jobs: 1, Keep: true, Batch: asProcess,
		Observe: func(e local.Event) {
			h.add(e)
			if e.Type != stage.Progress || !strings.HasPrefix(e.Unit, "video/") {
				return
			}
			once.Do(func() {
				id, unit = e.Job, e.Unit
				_ = os.Remove(slow)
				p := processes(t, who)[0]
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
		t.Error("with a process killed it has other bytes than undisturbed")
	}
	u := unitOf(t, scratch, id, unit)
	killed := processes(t, who)[0]
	if u.Attempt != 2 || worker(t, u.Owner) == killed.parent || worker(t, u.Owner) == 0 {
		t.Errorf("%s was done in attempt %d by %s, want 2 by another process than %d", unit, u.Attempt, u.Owner, killed.parent)
	}
	if !gone(killed.pid) {
		t.Errorf("ffmpeg, process %d, survived its parent", killed.pid)
	}
	for kind, want := range map[stage.EventType]int{stage.Started: 2, stage.Broken: 1, stage.Finished: 1} {
		if got := h.count(kind, unit); got != want {
			t.Errorf("%d events %q of %s, want %d", got, kind, unit, want)
		}
	}
	if h.count(local.Retried, "") != 1 || report.Encoded != report.Segments {
		t.Errorf("%d retries, %d of %d segments encoded; want 1 and all", h.count(local.Retried, ""), report.Encoded, report.Segments)
	}
	assertEmpty(t, filepath.Join(scratch, "locks"))
}

func TestABatchProcessThatDiesEachTimeEndsTheJob(t *testing.T) {
	t.Parallel()
	req, scratch := onBatch(t), t.TempDir()
	deaths := filepath.Join(t.TempDir(), "deaths")
	deadly := wrapped(t, fmt.Sprintf("case \"$*\" in *trim=start_pts=*) echo >>'%s'; kill -KILL $PPID; sleep 5;; esac", deaths))
	_, err := local.Run(t.Context(), req, local.Options{Scratch: scratch, Tools: deadly, Jobs: 1, Batch: asProcess})
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "the process of segment 1 was ended by a signal") || fault.HintOf(err) == "" {
		t.Errorf("the job ends with %v (%s, hint %q), want Transient and the number of the segment", err, fault.KindOf(err), fault.HintOf(err))
	}
	if text, rerr := os.ReadFile(deaths); rerr != nil || len(text) != stage.BatchAttempts {
		t.Errorf("%d attempts (%v), want %d", len(text), rerr, stage.BatchAttempts)
	}
	jobs, err := local.Jobs(t.Context(), scratch)
	if err != nil || len(jobs) != 1 || jobs[0].State != "failed" || jobs[0].Running != 0 || !strings.Contains(jobs[0].Error, "segment 1") {
		t.Errorf("the record is %+v (%v), want a failed job with nothing running", jobs, err)
	}
}

func TestAFailureInABatchProcessComesBackWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		kind   fault.Kind
		tries  int
		hint   string
	}{
		"poison":  {"echo 'macroblock 17 is odd' >&2; kill -SEGV $$", fault.Unsupported, 3, "ffmpeg crashes there each time"},
		"refusal": {"echo \"macroblock 17 is odd\nUnknown encoder 'libfoo'\" >&2; exit 1", fault.Unsupported, 1, "full build of ffmpeg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, scratch := onBatch(t), t.TempDir()
			tries := filepath.Join(t.TempDir(), "tries")
			bad := wrapped(t, fmt.Sprintf("case \"$*\" in *trim=start_pts=*) echo >>'%s'; %s;; esac", tries, test.script))
			_, err := local.Run(t.Context(), req, local.Options{Scratch: scratch, Tools: bad, Jobs: 1, Batch: asProcess})
			if fault.KindOf(err) != test.kind || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("kind %s, hint %q; want %s and %q", fault.KindOf(err), fault.HintOf(err), test.kind, test.hint)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "segment 1 (2s to 4s): ") {
				t.Errorf("%v; want the number and the time range of the segment", err)
			}
			var exit *ffmpeg.ExitError
			if !errors.As(err, &exit) || !strings.Contains(strings.Join(exit.LastLines(5), "\n"), "macroblock 17 is odd") {
				t.Errorf("%v has the last lines %+v, want what ffmpeg said", err, exit)
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

func TestABatchProcessEndsInOrderWithItsRun(t *testing.T) {
	t.Parallel()
	req, scratch := onBatch(t), t.TempDir()
	slowed, _, who := brake(t)
	ctx, stop := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var id, unit string
	_, err := local.Run(ctx, req, local.Options{
		Scratch: scratch, Tools: slowed, Jobs: 1, Batch: asProcess,
		Observe: func(e local.Event) {
			if e.Type == stage.Progress && id == "" {
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
		t.Errorf("%s is %s with %+v, want the process's own word that it was told to stop", unit, u.State, u.Failure)
	}
	for _, p := range processes(t, who) {
		if !gone(p.pid) || !gone(p.parent) {
			t.Errorf("process %d, or its ffmpeg %d, is left", p.parent, p.pid)
		}
	}
	if n := len(processes(t, who)); n != 1 {
		t.Errorf("%d attempts, want 1: who was told to stop is not started again", n)
	}
}

// As functions/encode does: who reads the list of processes need not know which engine started one.
func TestABatchProcessEndsWithTheContainersCodes(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	place, err := json.Marshal(map[string]string{"scratch": scratch, "temp": scratch, "owner": "test"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		task string
		want int
	}{
		"job that is not there":   {`{"stage":"encode","input":{"job":"gone","segment":0}}`, 66},
		"stage that is not there": {`{"stage":"dance","input":{}}`, 70},
		"task that is no JSON":    {`encode`, 70},
	} {
		cmd := exec.Command(os.Args[0], asProcess...)
		cmd.Env = []string{stage.TaskVariable + "=" + test.task, "MAPREEL_WORKER=" + string(place)}
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != test.want {
			t.Errorf("%s: it ended with %v, want exit code %d\n%s", name, err, test.want, out)
		}
		var said struct{ Failure struct{ Kind fault.Kind } }
		if err := json.Unmarshal(out, &said); err != nil || stage.ExitCode(said.Failure.Kind) != test.want {
			t.Errorf("%s: it says %s, want one line with the failure", name, out)
		}
	}
}
