package lambdafn_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

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

// located puts a request's sources and destination in the media bucket. Sources that are joined are files of the same names.
func located(c *cloud, req film.Request) film.Request {
	var join []string
	for _, file := range req.Join {
		join = append(join, "s3://"+c.bucket+"/in/"+filepath.Base(file))
	}
	req.Join = join
	req.Source, req.Destination = "s3://"+c.bucket+"/in/"+req.Source, "s3://"+c.bucket+"/out/"
	return req
}

// clip makes a film of eight seconds with audio.
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

// served returns the headers with which a store's server sends an object: its type, and how long it may be cached.
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

// long makes a film that takes any machine longer to encode than the tests allow.
func long(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "long.mp4")
	ff(t, "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=40", "-c:v", "libx264", "-preset", "ultrafast", file)
	return file
}

// slow returns a request for that film in one segment.
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
	input, err := json.Marshal(engine.AnalyseInput{Request: document, Execution: "arn:execution:" + path.Base(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.functions[work.ClassAnalyse].Invoke(t.Context(), input, patience)
	if err != nil {
		t.Fatal(err)
	}
	var next engine.Next
	if err := json.Unmarshal(out, &next); err != nil {
		t.Fatal(err)
	}
	return next.Job
}

// unitInput returns the input of the function that encodes a job's first segment.
func unitInput(t *testing.T, id string) []byte {
	t.Helper()
	item, err := json.Marshal(engine.RunInput{Job: id, Unit: film.VideoUnit(0)})
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
		t.Errorf("in the ledger the segment is %s, %+v; want failed as %s", u.State, u.Failure, kind)
	}
}
