package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// shared is a job whose units share processes of Blender.
type shared struct {
	t       *testing.T
	p       blender.Program
	url     string
	dir     string
	session *work.Session
	found   job.Scene
}

// memory is what a unit of such a job may hold.
const memory = 4 << 30

// share examines a scene in a new session, in which a process then waits.
func share(t *testing.T, p blender.Program, url string, s render.Settings) *shared {
	t.Helper()
	j := &shared{t: t, p: p, url: url, dir: filepath.Join(t.TempDir(), "session")}
	j.session = work.NewSession(j.dir)
	t.Cleanup(j.close)
	found, problems, err := job.Examine(t.Context(), p.Sharing(j.session), resolve, url, s, t.TempDir(), blender.Ahead{Workers: 1, Threads: 1, Memory: memory}, true)
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	j.found = found
	j.found.Threads = 1
	return j
}

// close ends the processes of the job, which count for all jobs.
func (j *shared) close() {
	j.t.Helper()
	if err := j.session.Close(); err != nil {
		j.t.Error(err)
	}
}

// unit is an attempt at the frames at places from to to of the job, or, where to is 0, at its sound.
func (j *shared) unit(ctx context.Context, scratch *dir.Store, from, to int) error {
	j.t.Helper()
	doc, err := json.Marshal(map[string]any{"render": j.found.Job})
	if err != nil {
		j.t.Fatal(err)
	}
	spec, err := json.Marshal(render.Unit{From: from, To: to})
	if err != nil {
		j.t.Fatal(err)
	}
	env := &work.Env{
		Job: "j", Doc: doc, Unit: "u", Attempt: 1, Dir: j.t.TempDir(), Scratch: scratch, Resolve: resolve, Memory: memory, Session: j.session,
		Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
	}
	var kind work.Kind = job.Kind{Blender: j.p}
	if to == 0 {
		kind = job.Sound{Blender: j.p}
	}
	_, err = kind.Run(ctx, env, work.Unit{Name: env.Unit, Spec: spec})
	return err
}

// running lists the processes of Blender that have the scene open.
func (j *shared) running() (pids []string) {
	list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range list {
		data, err := os.ReadFile(name)
		args := strings.Split(string(data), "\x00")
		if err == nil && slices.Contains(args, "--background") && slices.Contains(args, j.url) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

// await waits until so many processes have the scene open.
func (j *shared) await(n int, when string) []string {
	j.t.Helper()
	pids := j.running()
	for end := time.Now().Add(30 * time.Second); len(pids) != n && time.Now().Before(end); pids = j.running() {
		time.Sleep(10 * time.Millisecond)
	}
	if len(pids) != n {
		j.t.Fatalf("%s: %d processes of Blender, not %d", when, len(pids), n)
	}
	return pids
}

// TestUnitsShareTheOpenScene does its parts one after another, because all pools of this process together have few processes.
func TestUnitsShareTheOpenScene(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("SKIPPED: 1 test needs /proc: ", err)
	}
	checkShared(t, program(t), scene(t, soundScript()))
	checkPrompt(t)
	checkChanges(t)
	checkFailures(t)
	checkRelease(t)
	checkIdle(t)
	real := blender.Program{Self: program(t).Self}
	if _, err := real.Find(); err == nil {
		_, folder, _ := realBlender(t)
		time.Sleep(1200 * time.Millisecond) // as in checkChanges
		checkShared(t, real, filepath.Join(folder, "exact.blend"))
	}
}

func soundScript() script {
	s := script{About: about()}
	s.About.Sounds, s.About.SoundRate, s.About.SoundChannels, s.About.FPSBase = true, 48_000, 2, 1
	return s
}

// checkShared checks that one process describes a scene, mixes its sound and renders several ranges, with the bytes of processes of their own.
func checkShared(t *testing.T, p blender.Program, url string) {
	t.Helper()
	alone, together := store(t), store(t)
	j := share(t, p, url, render.Settings{Frames: "1-4"})
	first := j.await(1, "after the description")
	for _, places := range [][2]int{{2, 4}, {}, {0, 2}} {
		if err := j.unit(t.Context(), together, places[0], places[1]); err != nil {
			t.Fatal(err)
		}
	}
	if now := j.running(); !slices.Equal(now, first) {
		t.Errorf("the processes %v were used, and then %v", first, now)
	}
	j.close()
	if left, err := filepath.Glob(filepath.Join(j.dir, "*", "*")); err != nil || len(left)+len(j.running()) > 0 {
		t.Errorf("left %v and the processes %v: %v", left, j.running(), err)
	}
	j.session = nil
	for _, places := range [][2]int{{0, 4}, {}} {
		if err := j.unit(t.Context(), alone, places[0], places[1]); err != nil {
			t.Fatal(err)
		}
	}
	keys := stored(t, alone)
	if len(keys) != 5 || !slices.Equal(keys, stored(t, together)) {
		t.Fatalf("stored %v and %v", keys, stored(t, together))
	}
	for _, name := range keys {
		if !bytes.Equal(content(t, alone, "j/frames/"+name), content(t, together, "j/frames/"+name)) {
			t.Errorf("%s differs from what a process of its own makes", name)
		}
	}
}

// checkPrompt checks that a frame is taken, and a task done, when Blender says so, and not when it is looked for the next time.
func checkPrompt(t *testing.T) {
	t.Helper()
	const tries, prompt = 6, 450 * time.Millisecond // less than the time between two looks
	j := share(t, program(t), scene(t, script{About: about()}), render.Settings{})
	shortest := time.Hour
	for range tries {
		began := time.Now()
		if err := j.unit(t.Context(), store(t), 0, 2); err != nil {
			t.Fatal(err)
		}
		shortest = min(shortest, time.Since(began))
	}
	j.await(1, "after all units")
	if shortest > prompt {
		t.Errorf("each unit of two frames took %v or longer, with Blender open", shortest)
	}
	j.close()
}

// checkRelease checks that publishing the frames ends processes that wait, and that a unit after that starts another one.
func checkRelease(t *testing.T) {
	t.Helper()
	j := share(t, program(t), scene(t, script{About: about()}), render.Settings{})
	first := j.await(1, "after the description")
	began := time.Now()
	if err := j.keep(t.Context()); err == nil { // no frame is stored
		t.Error("frames are published that were not rendered")
	}
	j.await(0, "after frames were published")
	if took := time.Since(began); took > 8*time.Second { // by itself, a process waits for ten
		t.Errorf("the process ended only after %v", took)
	}
	if err := j.unit(t.Context(), store(t), 0, 2); err != nil {
		t.Fatal(err)
	}
	if now := j.await(1, "after another unit"); slices.Equal(now, first) {
		t.Errorf("the process %v still renders", first)
	}
	j.close()
}

// keep is an attempt to publish the frames of the job in a folder.
func (j *shared) keep(ctx context.Context) error {
	j.t.Helper()
	doc := film.Job{Render: &j.found.Job, Outputs: []film.OutputPlan{{}}}
	data, err := json.Marshal(doc)
	if err != nil {
		j.t.Fatal(err)
	}
	env := &work.Env{Job: "j", Doc: data, Unit: doc.OutputUnit(0), Dir: j.t.TempDir(), Scratch: store(j.t), Resolve: resolve, Session: j.session}
	_, err = job.Kept{}.Run(ctx, env, work.Unit{Name: env.Unit})
	return err
}

// checkChanges checks that a process which has read an earlier version of a file renders nothing more.
func checkChanges(t *testing.T) {
	t.Helper()
	s := script{About: about()}
	url := scene(t, s)
	texture := filepath.Join(filepath.Dir(url), "wood.png")
	write := func() {
		if err := os.WriteFile(texture, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	s.About.Files = []blender.Used{{Path: texture, What: "image"}}
	save(t, url, s)
	time.Sleep(1200 * time.Millisecond) // what has changed within the second before a process starts may have changed after it
	j := share(t, program(t), url, render.Settings{})
	first := j.await(1, "after the description")
	for _, c := range []struct {
		what   string
		change func()
		same   bool
	}{
		{"nothing", func() {}, true},
		{"the scene", func() { save(t, url, s) }, false}, // the bytes remain, so the job goes on
		{"a texture", func() { time.Sleep(1200 * time.Millisecond); write() }, false},
	} {
		c.change()
		if err := j.unit(t.Context(), store(t), 0, 1); err != nil {
			t.Fatal(err)
		}
		now := j.await(1, c.what)
		if slices.Equal(first, now) != c.same {
			t.Errorf("%s was written again: the process was kept: %v", c.what, !c.same)
		}
		first = now
	}
	s.About.Width++
	save(t, url, s)
	if err := j.unit(t.Context(), store(t), 0, 1); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("the scene has changed: %v", err)
	}
	j.close()
}

// checkFailures checks that a process ends whose frame failed, or whose unit was stopped.
func checkFailures(t *testing.T) {
	t.Helper()
	for name, s := range map[string]script{"an error": {Fail: []int{2}}, "a crash": {Crash: []int{2}}, "a frame of another size": {Wrong: []int{2}}} {
		s.About = about()
		j, scratch := share(t, program(t), scene(t, s), render.Settings{}), store(t)
		first := j.await(1, name)
		if err := j.unit(t.Context(), scratch, 0, 6); err == nil || !strings.Contains(err.Error(), "frame 2 could not be rendered") {
			t.Errorf("%s: got %v", name, err)
		}
		if kept := stored(t, scratch); len(kept) != 5 {
			t.Errorf("%s: stored %v", name, kept)
		}
		now := j.running() // a unit does not wait for the end of the process
		for end := time.Now().Add(30 * time.Second); slices.Equal(now, first) && time.Now().Before(end); now = j.running() {
			time.Sleep(10 * time.Millisecond)
		}
		if slices.Equal(now, first) {
			t.Errorf("%s: the process %v remains", name, now)
		}
		j.close()
	}
	j := share(t, program(t), scene(t, script{About: about()}), render.Settings{})
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by a test")
	cancel(stop)
	if err := j.unit(ctx, store(t), 0, 6); !errors.Is(err, stop) {
		t.Errorf("a unit that was stopped: %v", err)
	}
	j.await(0, "after a unit that was stopped")
	j.close()
}

// checkIdle checks that a process does not wait for long.
func checkIdle(t *testing.T) {
	t.Helper()
	j := share(t, program(t), scene(t, script{About: about()}), render.Settings{})
	j.await(1, "after the description")
	j.await(0, "after a while")
	if left, err := filepath.Glob(filepath.Join(j.dir, "blender", "*")); err != nil || len(left) > 1 {
		t.Errorf("left %v: %v", left, err)
	}
}
