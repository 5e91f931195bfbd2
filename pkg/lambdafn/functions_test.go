package lambdafn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
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
	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/stage"
	"github.com/mapreel/mapreel/statemachine"
)

func TestFunctions(t *testing.T) {
	c := newCloud(t)
	filmPath := clip(t, "film.mp4")
	put(t, c, "in/film.mp4", filmPath)
	onS3 := c.deploy(t)

	t.Run("have a program for each task", func(t *testing.T) {
		entries, err := os.ReadDir(c.programs)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		want := slices.Sorted(slices.Values(statemachine.Tasks()))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("programs of functions/ differ from the tasks of the definition (-want +got):\n%s", diff)
		}
	})

	t.Run("give the bytes that a local run gives", func(t *testing.T) {
		req := request("film.mp4")
		sameAsLocal(t, onS3, req, filmPath, "lambda")
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
		if log := onS3.functions["finish"].log.String(); !strings.Contains(log, `"request":"finish-request-1"`) {
			t.Errorf("the log does not name the request:\n%s", log)
		}
	})

	t.Run("run segments as Batch jobs", func(t *testing.T) {
		req := request("film.mp4")
		req.Outputs[0].Name, req.Outputs[0].Video[0].CRF = "batch", new(30) // other work than before
		req.Compute.Mode = film.Batch
		sameAsLocal(t, onS3, req, filmPath, "batch")
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

	t.Run("split a source without an index, with a file system as scratch", func(t *testing.T) {
		tape := clip(t, "tape.ts")
		put(t, c, "in/tape.ts", tape)
		req := request("tape.ts")
		req.Outputs[0].Name = "tape"
		files := t.TempDir()
		onFiles := c.with("MAPREEL_SCRATCH="+files, "MAPREEL_BATCH=none").deploy(t)
		var states []string
		var mu sync.Mutex
		onFiles.before = func(state string) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, state)
		}
		sameAsLocal(t, onFiles, req, tape, "split")
		// Without a queue the default mode, Lambda else Batch, is Lambda alone.
		if !slices.Contains(states, "Split the source") || !slices.Contains(states, "Encode on Lambda") {
			t.Errorf("the machine went through %q", states)
		}
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
		doomed.before = func(state string) {
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
		event, err := json.Marshal(film.FinishInput{Execution: execution, Status: "FAILED", Error: failed.Name, Cause: failed.Cause})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := onS3.functions["finish"].invoke(t.Context(), event, patience); err != nil {
			t.Fatal(err)
		}
		record, err := c.ledger.JobOf(t.Context(), execution)
		if err != nil {
			t.Fatal(err)
		}
		// The execution says that its Map failed; the record says what its first segment failed of.
		if record.State != ledger.JobFailed || record.Failure == nil || record.Failure.Kind != "NotFound" {
			t.Errorf("the ledger says %s, %+v", record.State, record.Failure)
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
		item := encodeItem(t, id)
		began := time.Now()
		_, err := onS3.functions["encode"].invoke(t.Context(), item, limit)
		var e *named
		if !errors.As(err, &e) || e.name != "OutOfTime" {
			t.Errorf("an invocation without time ends with %v, want OutOfTime", err)
		}
		if took := time.Since(began); took > limit {
			t.Errorf("it answered after %v, when Lambda had killed it", took)
		}
		failedAs(t, c, id, "OutOfTime")
	})

	t.Run("record a Batch job that is taken back as Transient", func(t *testing.T) {
		id := planned(t, onS3, slow(c, 21))
		task := fmt.Sprintf(`{"stage":"encode","input":%s}`, encodeItem(t, id))
		cmd, log := c.command(t, "encode", "MAPREEL_TASK="+task)
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
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != stage.TryAgain {
			t.Fatalf("the job ended with %v, want exit code %d\n%s", err, stage.TryAgain, log)
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
			"job that is not there":   {`{"stage":"encode","input":{"job":"gone","segment":0}}`, 66},
			"stage that is not there": {`{"stage":"dance","input":{}}`, 70},
			"task that is no JSON":    {`encode`, 70},
		} {
			t.Run(name, func(t *testing.T) {
				cmd, log := c.command(t, "encode", "MAPREEL_TASK="+test.task)
				var exit *exec.ExitError
				if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != test.want {
					t.Errorf("it ended with %v, want exit code %d\n%s", err, test.want, log)
				}
			})
		}
	})

	t.Run("tell every setting that is wrong", func(t *testing.T) {
		f := c.with("MAPREEL_TABLE=", "MAPREEL_BATCH=gpu").start(t, "finish")
		_, err := f.invoke(t.Context(), []byte(`{}`), patience)
		var e *named
		if !errors.As(err, &e) || e.name != "Internal" || !strings.Contains(e.text, "MAPREEL_TABLE") || !strings.Contains(e.text, "MAPREEL_BATCH") {
			t.Errorf("a function without settings says %v", err)
		}
	})
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
		t.Errorf("the ledger says that the job is %s", record.State)
	}
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	req.Source, req.Destination = source, t.TempDir()
	report, err := local.Run(t.Context(), req, local.Options{Scratch: t.TempDir(), Tools: tools})
	if err != nil {
		t.Fatal(err)
	}
	if result.Segments < 3 || len(result.Outputs) != len(req.Outputs) {
		t.Errorf("%d segments, outputs %+v", result.Segments, result.Outputs)
	}
	want, got := map[string][]byte{}, map[string][]byte{}
	// The folder of a package has a part of the job's name, which is another where the source lies elsewhere.
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

func read(t *testing.T, s blob.Store, key string) []byte {
	t.Helper()
	body, err := s.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func request(name string) film.Request {
	return film.Request{
		Source: name, Segment: film.Segmenting{Seconds: film.Seconds(2 * time.Second)},
		Outputs: []film.Output{{Name: "film", Video: []film.Video{{Preset: "ultrafast"}}}},
	}
}

// located puts a request's source and destination in the media bucket.
func located(c *cloud, req film.Request) film.Request {
	req.Source, req.Destination = "s3://"+c.bucket+"/in/"+req.Source, "s3://"+c.bucket+"/out/"
	return req
}

// clip makes a film of eight seconds with sound.
func clip(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	ff(t, "-f", "lavfi", "-i", "testsrc2=size=192x108:rate=24:duration=8", "-f", "lavfi", "-i", "sine=f=330:d=8",
		"-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-bf", "3", "-c:a", "aac", file)
	return file
}

func ff(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"-v", "error", "-nostdin"}, args...)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("making a clip: %v\n%s", err, out)
	}
}

func put(t *testing.T, c *cloud, key, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := c.media.Put(t.Context(), key, f); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, s blob.Store, prefix string) (list []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, info.Key)
	}
	return list
}

// served is what a store's server says of an object: its type, and how long it may be kept.
func served(t *testing.T, s blob.Store, key string) (kind, control string) {
	t.Helper()
	link, err := s.Locate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.Header.Get("Content-Type"), answer.Header.Get("Cache-Control")
}

// long makes a film that takes any machine longer to encode than the tests let it.
func long(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "long.mp4")
	ff(t, "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=40", "-c:v", "libx264", "-preset", "ultrafast", file)
	return file
}

// slow is a request for that film in one segment.
func slow(c *cloud, crf int) film.Request {
	req := located(c, request("long.mp4"))
	req.Segment.Seconds = film.Seconds(40 * time.Second)
	req.Outputs[0].Video[0] = film.Video{CRF: &crf, Preset: "medium"}
	return req
}

// planned has Analyse plan a request and returns the job's ID.
func planned(t *testing.T, d *deployment, req film.Request) string {
	t.Helper()
	document, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(film.AnalyseInput{Request: document, Execution: "arn:execution:" + path.Base(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.functions["analyse"].invoke(t.Context(), input, patience)
	if err != nil {
		t.Fatal(err)
	}
	var brief film.Brief
	if err := json.Unmarshal(out, &brief); err != nil {
		t.Fatal(err)
	}
	return brief.Job
}

func encodeItem(t *testing.T, id string) []byte {
	t.Helper()
	item, err := json.Marshal(film.EncodeItem{Job: id})
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func running(t *testing.T, c *cloud, id string) bool {
	t.Helper()
	u, err := c.ledger.Unit(t.Context(), id, film.VideoUnit(0))
	if err != nil {
		t.Fatal(err)
	}
	if u.State == ledger.Done || u.State == ledger.Failed {
		t.Fatalf("the segment is %s before it could be stopped", u.State)
	}
	return u.State == ledger.Running
}

func failedAs(t *testing.T, c *cloud, id, kind string) {
	t.Helper()
	u, err := c.ledger.Unit(t.Context(), id, film.VideoUnit(0))
	if err != nil {
		t.Fatal(err)
	}
	if u.State != ledger.Failed || u.Failure == nil || u.Failure.Kind != kind {
		t.Errorf("the ledger says that the segment is %s, %+v; want failed as %s", u.State, u.Failure, kind)
	}
}
