package lambdafn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/lambdafn/runtimeapi"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestFunctions(t *testing.T) {
	c := newCloud(t)
	filmPath := clip(t, "film.mp4")
	put(t, c, "in/film.mp4", filmPath)
	onS3 := c.deploy(t)

	t.Run("have one program, which needs a class", func(t *testing.T) {
		entries, err := os.ReadDir(c.programs)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if diff := cmp.Diff([]string{"worker"}, got); diff != "" {
			t.Errorf("programs of functions/ (-want +got):\n%s", diff)
		}
		cmd, log := c.command(t, "")
		cmd.Args = cmd.Args[:1]
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(log.String(), "usage: worker analyse") {
			t.Errorf("without a class it ended with %v, want exit code 2\n%s", err, log)
		}
	})

	t.Run("publish the bytes that a local run publishes", func(t *testing.T) {
		req := request("film.mp4")
		sameAsLocal(t, onS3, req, filmPath, "lambda")
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
		if log := onS3.functions[work.ClassFinish].Log.String(); !strings.Contains(log, `"request":"finish-request-1"`) {
			t.Errorf("the log does not name the request:\n%s", log)
		}
	})

	t.Run("run segments as Batch jobs", func(t *testing.T) {
		req := request("film.mp4")
		req.Outputs[0].Name, req.Outputs[0].Video[0].CRF = "batch", new(30) // other work than before
		req.Compute.Mode = film.Batch
		r := onS3.record()
		sameAsLocal(t, r.deployment, req, filmPath, "batch")
		r.check(t, map[string]string{"video/00000": "Run on Batch", "audio/00000": "Run on Lambda, else on Batch", "output/batch": "Merge on Lambda, else on Batch"})
	})

	t.Run("write packages to where they are served", func(t *testing.T) {
		req := request("film.mp4")
		req.Outputs[0] = film.Output{
			Name: "show", Container: film.CMAF, Package: &film.Package{Seconds: film.Seconds(2 * time.Second)},
			Video: []film.Video{{Preset: "ultrafast"}, {Height: 54, Preset: "ultrafast"}},
		}
		sameAsLocal(t, onS3, req, filmPath, "package")
		for _, key := range keys(t, c.media, "out/show") {
			kind, control := served(t, c.media, key)
			wantKind, wantControl := "video/iso.segment", film.CacheForever
			switch path.Ext(key) {
			case ".m3u8":
				wantKind = "application/vnd.apple.mpegurl"
			case ".mpd":
				wantKind = "application/dash+xml"
			case ".mp4":
				wantKind = "video/mp4"
			case ".jpg": // thumbnails
				wantKind = "image/jpeg"
			case ".vtt":
				wantKind = "text/vtt"
			case ".json":
				wantKind = "application/json"
			}
			if key == "out/show.m3u8" || key == "out/show.mpd" {
				wantControl = film.CacheBriefly
			}
			if kind != wantKind || control != wantControl {
				t.Errorf("%s is served as %q, %q; want %q, %q", key, kind, control, wantKind, wantControl)
			}
		}
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
	})

	t.Run("share out the bytes of a file after a first pass", func(t *testing.T) {
		req := request("film.mp4")
		req.Outputs[0].Name, req.Outputs[0].TargetSize = "sized", 400_000
		r := onS3.record()
		sameAsLocal(t, r.deployment, req, filmPath, "sized")
		const state = "Run on Lambda, else on Batch"
		r.check(t, map[string]string{"audio/00000": state, "pass/00000": state, "shares/film": state, "video/00000": state})
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
	})

	t.Run("join sources", func(t *testing.T) {
		short := filepath.Join(t.TempDir(), "short.mkv")
		ff(t, "-f", "lavfi", "-i", "testsrc2=size=96x96:rate=30:duration=3", "-f", "lavfi", "-i", "sine=f=880:d=3:r=44100",
			"-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-c:a", "aac", "-ac", "2", short)
		put(t, c, "in/short.mkv", short)
		req := request("film.mp4")
		req.Outputs[0].Name, req.Join = "joined", []string{short}
		sameAsLocal(t, onS3, req, filmPath, "joined")
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
	})

	t.Run("split a source without an index, with a file system as scratch", func(t *testing.T) {
		tape := clip(t, "tape.ts")
		put(t, c, "in/tape.ts", tape)
		req := request("tape.ts")
		req.Outputs[0].Name = "tape"
		files := t.TempDir()
		onFiles := c.with("MAPREEL_SCRATCH="+files, "MAPREEL_BATCH=none").deploy(t)
		r := onFiles.record()
		sameAsLocal(t, r.deployment, req, tape, "split")
		// Without a queue the default mode, Lambda else Batch, is Lambda alone.
		r.check(t, map[string]string{"split/source": "Run on Lambda", "video/00000": "Run on Lambda", "output/tape": "Merge on Lambda"})
	})

	t.Run("name the kind of an error to the machine", func(t *testing.T) {
		for name, test := range map[string]struct {
			change func(*film.Request)
			want   string
		}{
			"missing source":        {func(r *film.Request) { r.Source = "s3://" + c.bucket + "/in/nothing.mp4" }, "NotFound"},
			"path as a source":      {func(r *film.Request) { r.Source = "/etc/passwd" }, "Invalid"},
			"request without sense": {func(r *film.Request) { r.Outputs = nil }, "Invalid"},
			"no such queue":         {func(r *film.Request) { r.Compute.GPU = true }, "Unsupported"},
		} {
			t.Run(name, func(t *testing.T) {
				req := located(c, request("film.mp4"))
				test.change(&req)
				_, err := onS3.execute("arn:execution:bad-"+strings.ReplaceAll(name, " ", "-"), req)
				var failed *asl.Error
				if !errors.As(err, &failed) || failed.Name != test.want {
					t.Errorf("the machine ends with %v, want the error %s", err, test.want)
				}
			})
		}
	})

	t.Run("record an execution that failed", func(t *testing.T) {
		put(t, c, "in/lost.mp4", filmPath)
		req := located(c, request("lost.mp4"))
		req.Outputs[0].Audio = &film.Audio{Codec: film.AudioNone} // so that what fails is the Map
		const execution = "arn:execution:lost"
		doomed := *onS3
		doomed.t = t
		var once sync.Once
		doomed.before = func(state, _ string) {
			if state == "Analyse the source" {
				return
			}
			once.Do(func() {
				if err := c.media.Delete(t.Context(), "in/lost.mp4"); err != nil {
					t.Error(err)
				}
			})
		}
		_, err := doomed.execute(execution, req)
		var failed *asl.Error
		if !errors.As(err, &failed) || !strings.Contains(failed.Cause, "NotFound") {
			t.Fatalf("the machine ends with %v, want an error caused by NotFound", err)
		}
		event, err := json.Marshal(map[string]any{"source": "aws.states", "detail": map[string]any{
			"executionArn": execution, "status": "FAILED", "error": failed.Name, "cause": failed.Cause,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := onS3.functions[work.ClassFinish].Invoke(t.Context(), event, patience); err != nil {
			t.Fatal(err)
		}
		record, err := c.ledger.JobOf(t.Context(), execution)
		if err != nil {
			t.Fatal(err)
		}
		// The execution reports that its Map failed. The record has the reason of the first segment that failed.
		if record.State != ledger.JobFailed || record.Failure == nil || record.Failure.Kind != "NotFound" {
			t.Errorf("in the ledger the job is %s, %+v", record.State, record.Failure)
		}
		var kinds []string
		for u, err := range c.ledger.Units(t.Context(), record.ID, "video/") {
			if err != nil {
				t.Fatal(err)
			}
			if u.Failure != nil {
				kinds = append(kinds, u.Failure.Kind)
			}
		}
		if !slices.Contains(kinds, "NotFound") {
			t.Errorf("the segments failed as %q", kinds)
		}
	})

	put(t, c, "in/long.mp4", long(t))

	t.Run("stop before Lambda stops them", func(t *testing.T) {
		const limit = 8 * time.Second
		id := planned(t, onS3, slow(c, 20))
		item := unitInput(t, id)
		began := time.Now()
		_, err := onS3.functions[work.ClassEncode].Invoke(t.Context(), item, limit)
		var e *runtimeapi.Error
		if !errors.As(err, &e) || e.Name != "OutOfTime" {
			t.Errorf("an invocation without enough time ends with %v, want OutOfTime", err)
		}
		if took := time.Since(began); took > limit {
			t.Errorf("it answered after %v, later than Lambda would have killed it", took)
		}
		failedAs(t, c, id, "OutOfTime")
	})

	t.Run("record a Batch job that is taken back as Transient", func(t *testing.T) {
		id := planned(t, onS3, slow(c, 21))
		task := fmt.Sprintf(`{"stage":"run","input":%s}`, unitInput(t, id))
		cmd, log := c.command(t, work.ClassEncode, "MAPREEL_TASK="+task)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); !running(t, c, id); time.Sleep(20 * time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatalf("the job does not begin:\n%s", log)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != engine.TryAgain {
			t.Fatalf("the job ended with %v, want exit code %d\n%s", err, engine.TryAgain, log)
		}
		failedAs(t, c, id, "Transient")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		var last struct{ Level, Msg, Kind, Error string }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Kind != "Transient" || last.Level != "ERROR" {
			t.Errorf("the last line of the log is %s", lines[len(lines)-1])
		}
	})

	t.Run("end a Batch job of another kind with another code", func(t *testing.T) {
		for name, test := range map[string]struct {
			task string
			want int
		}{
			"job that is not there":   {`{"stage":"run","input":{"job":"gone","unit":"video/00000"}}`, 66},
			"stage that is not there": {`{"stage":"dance","input":{}}`, 70},
			"task that is no JSON":    {`run`, 70},
		} {
			t.Run(name, func(t *testing.T) {
				cmd, log := c.command(t, work.ClassEncode, "MAPREEL_TASK="+test.task)
				var exit *exec.ExitError
				if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != test.want {
					t.Errorf("it ended with %v, want exit code %d\n%s", err, test.want, log)
				}
			})
		}
	})

	t.Run("report every setting that is wrong", func(t *testing.T) {
		f := c.with("MAPREEL_TABLE=", "MAPREEL_BATCH=gpu").start(t, work.ClassFinish)
		_, err := f.Invoke(t.Context(), []byte(`{}`), patience)
		var e *runtimeapi.Error
		if !errors.As(err, &e) || e.Name != "Internal" || !strings.Contains(e.Text, "MAPREEL_TABLE") || !strings.Contains(e.Text, "MAPREEL_BATCH") {
			t.Errorf("a function without settings reports %v", err)
		}
	})
}

// recording is a deployment that records in which states of the machine the units ran.
type recording struct {
	*deployment
	mu     sync.Mutex
	states map[string]string // by unit
}

func (d *deployment) record() *recording {
	other := *d
	r := &recording{deployment: &other, states: map[string]string{}}
	r.before = func(state, unit string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.states[unit] = state
	}
	return r
}

// check compares the states of some units.
func (r *recording) check(t *testing.T, want map[string]string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for unit, state := range want {
		if r.states[unit] != state {
			t.Errorf("%s ran in the state %q, want %q; all: %v", unit, r.states[unit], state, r.states)
		}
	}
}

// sameAsLocal runs the same request on the deployment and on this machine, and compares what they publish.
func sameAsLocal(t *testing.T, d *deployment, req film.Request, source, name string) {
	t.Helper()
	subtest := *d
	subtest.t = t
	execution := "arn:execution:" + name
	result, err := subtest.execute(execution, located(d.cloud, req))
	if err != nil {
		t.Fatal(err)
	}
	record, err := d.ledger.JobOf(t.Context(), execution)
	if err != nil {
		t.Fatal(err)
	}
	if record.State != ledger.JobDone {
		t.Errorf("in the ledger the job is %s", record.State)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	registry, err := kinds.FindWith(t.Context(), kinds.Options{Self: []string{self, blendertest.Confined}})
	if err != nil {
		t.Fatal(err)
	}
	req.Source, req.Destination = source, t.TempDir()
	document, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	report, err := local.Run(t.Context(), document, local.Options{Scratch: t.TempDir(), Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	if result.Units["video"] < 3 || len(result.Outputs) != len(req.Outputs) {
		t.Errorf("%d segments, outputs %s", result.Units["video"], result.Outputs)
	}
	want, got := map[string][]byte{}, map[string][]byte{}
	// The folder of a package has a part of the job's ID, which depends on the source's URL.
	add := func(files map[string][]byte, id, name string, data []byte) {
		if ext := path.Ext(name); ext == ".m3u8" || ext == ".mpd" {
			data = bytes.ReplaceAll(data, []byte(id[:8]), []byte("JOB"))
		}
		files[strings.ReplaceAll(name, id[:8], "JOB")] = data
	}
	for _, key := range keys(t, d.media, "out/") {
		name := strings.TrimPrefix(key, "out/")
		if slices.ContainsFunc(req.Outputs, func(o film.Output) bool {
			return name == o.File() || name == o.Manifest() || strings.HasPrefix(name, o.Name+"/")
		}) {
			add(got, result.Job, name, read(t, d.media, key))
		}
	}
	here := os.DirFS(req.Destination)
	err = fs.WalkDir(here, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(here, name)
		add(want, report.Job, name, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("files (-here +on AWS):\n%s", diff)
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s has %d bytes on AWS and %d here, and they differ", name, len(got[name]), len(want[name]))
		}
	}
}
