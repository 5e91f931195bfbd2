package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/guard"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
)

// cutWriter ends the connection after some bytes of a body.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *cutWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p[:min(len(p), w.left)])
	if w.left -= n; w.left == 0 {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// remoteServer is the page of a server with a job whose outputs lie in the folder below root.
func remoteServer(t *testing.T, job Job, root string, wrap func(http.Handler) http.Handler) *Client {
	t.Helper()
	const token = "0123456789abcdef"
	store, err := history.Open(t.Context(), filepath.Join(t.TempDir(), history.File))
	if err != nil {
		t.Fatal(err)
	}
	records, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	definition, err := local.Definition()
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]string{"source": root + "/in.mp4", "destination": job.Destination})
	if err != nil {
		t.Fatal(err)
	}
	x, err := store.Create(t.Context(), history.Execution{
		ARN: history.ExecutionARN(job.Name), Name: job.Name, Machine: history.MachineARN, Input: input, Started: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	output, err := json.Marshal(map[string]any{"outputs": job.Outputs})
	if err != nil {
		t.Fatal(err)
	}
	store.Recorder(x, nil).Event(asl.Event{Type: asl.ExecutionSucceeded, Execution: x.ARN, ID: 2, Time: time.Now(), Output: output})
	page, err := console.New(console.Options{Store: store, Ledger: records, Definition: definition, Roots: []string{root}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(guard.New(wrap(page), guard.Options{Loopback: true, Token: token}))
	t.Cleanup(func() {
		server.Close()
		_ = store.Close()
		_ = records.Close()
	})
	return &Client{endpoint: server.URL, secret: token}
}

func TestOutputsOfAServerElsewhereAreFetched(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	job := publishedJob(t, root+"/out/")
	files := map[string][]byte{"film.m3u8": noise(4, 100), "film/3f2a/init.mp4": noise(5, 1000), "film/3f2a/1080p/0.m4s": noise(6, 3<<20)}
	for name, data := range files {
		path := filepath.Join(root, "out", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Symlink(secret, filepath.Join(root, "out/film/3f2a/link.m4s")),
		os.WriteFile(filepath.Join(root, "out/film/3f2a/.hidden"), nil, 0o600), os.WriteFile(filepath.Join(root, "out/another.mp4"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	var cut atomic.Bool
	var ranges atomic.Value
	c := remoteServer(t, job, root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Query().Get("path"), "0.m4s") {
				ranges.Store(r.Header.Get("Range"))
				if cut.Load() {
					w = &cutWriter{w, 1 << 20}
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	elsewhere := job // its paths mean nothing on this machine
	facts, err := json.Marshal(film.OutputFacts{URL: root + "/not/here.m3u8"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.Outputs = []json.RawMessage{facts}
	folder := filepath.Join(t.TempDir(), "here")
	quiet := func(Transfer) {}
	cut.Store(true)
	if _, err := c.Fetch(t.Context(), elsewhere, folder, quiet); err == nil {
		t.Error("a broken connection is no error")
	}
	if _, err := os.Stat(filepath.Join(folder, "film/3f2a/1080p/0.m4s")); err == nil {
		t.Error("an incomplete file has its name")
	}
	cut.Store(false)
	done, err := c.Fetch(t.Context(), elsewhere, folder, quiet)
	if err != nil || len(done.Files) != len(files) || done.Unchecked > 0 || ranges.Load() != "bytes=1048576-" {
		t.Fatalf("%+v, %v, range %v", done, err, ranges.Load())
	}
	for name, data := range files {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if again, err := c.Fetch(t.Context(), elsewhere, folder, quiet); err != nil || again.Kept != len(files) {
		t.Errorf("again: %+v, %v", again, err)
	}
	for _, path := range []string{root + "/out/film/3f2a/link.m4s", root + "/out/another.mp4", root + "/in.mp4", "/etc/passwd", root + "/out/film/3f2a/../../another.mp4", root + "/out/film/3f2a"} {
		if body, _, err := c.get(t.Context(), "file", url.Values{"name": {job.Name}, "path": {path}}, nil); fault.KindOf(err) != fault.NotFound {
			text, _ := io.ReadAll(body)
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	c.secret = "another token here"
	if _, err := c.Fetch(t.Context(), elsewhere, folder, quiet); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "token") {
		t.Errorf("without the token: %v", err)
	}
}
