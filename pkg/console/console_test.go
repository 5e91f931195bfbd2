package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// executions records what it is asked for.
type executions struct {
	store *history.Store
	mu    sync.Mutex
	runs  map[string]bool
}

func (e *executions) Start(ctx context.Context, name string, input json.RawMessage) (history.Execution, error) {
	return e.store.Create(ctx, history.Execution{
		ARN: history.ExecutionARN(name), Name: name, Machine: history.MachineARN, Input: input, Started: time.Now(),
	})
}

func (e *executions) Stop(ctx context.Context, arn, name, cause string) (time.Time, error) {
	return time.Now(), e.store.End(ctx, arn, history.Aborted, name, cause, time.Now())
}

func (e *executions) Redrive(ctx context.Context, arn string) (history.Execution, error) {
	return e.store.Redrive(ctx, arn, time.Now())
}

func (e *executions) Runs(arn string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.runs[arn]
}

// site is a page under test.
type site struct {
	*Server
	t     *testing.T
	url   string
	root  string
	store *history.Store
	fake  *executions
}

func (e *executions) Refuses(request json.RawMessage) error {
	if strings.Contains(string(request), "tools") {
		return errors.New("a server runs no tools")
	}
	return nil
}

func newSite(t *testing.T) *site {
	t.Helper()
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
	s := &site{t: t, root: t.TempDir(), store: store, fake: &executions{store: store, runs: map[string]bool{}}}
	s.Server, err = New(Options{
		Store: store, Executions: s.fake, Ledger: records, Definition: definition, Roots: []string{s.root},
		Check: func(text []byte) Checked {
			var tree map[string]any
			if err := json.Unmarshal(text, &tree); err != nil {
				return Checked{Problems: []Problem{{Line: 1, Column: 2, Message: "no JSON"}}}
			}
			return Checked{Tree: tree, Request: text}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	server := httptest.NewServer(s)
	s.url = server.URL
	t.Cleanup(func() {
		cancel()
		server.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = store.Close()
		_ = records.Close()
	})
	return s
}

// post sends JSON and returns the status and the answer.
func (s *site) post(path, body string) (int, string) {
	s.t.Helper()
	answer, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (s *site) get(path string) (int, string, http.Header) {
	s.t.Helper()
	answer, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

func TestAJobIsStartedStoppedRedrivenAndRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	status, text := s.post("/console/start", `{"text":"{\"source\":\"/films/a film.mp4\"}"}`)
	var started struct{ Name string }
	if err := json.Unmarshal([]byte(text), &started); status != 200 || err != nil || !strings.HasPrefix(started.Name, "a-film-2") {
		t.Fatalf("start: %d %s", status, text)
	}
	name := `{"name":"` + started.Name + `"}`
	for _, step := range []struct {
		path   string
		status int
		job    history.Status
	}{
		{"/console/remove", 409, history.Running},
		{"/console/redrive", 409, history.Running},
		{"/console/stop", 200, history.Aborted},
		{"/console/redrive", 200, history.Running},
		{"/console/stop", 200, history.Aborted},
		{"/console/remove", 200, ""},
		{"/console/stop", 404, ""},
	} {
		status, text := s.post(step.path, name)
		x, err := s.store.Execution(t.Context(), history.ExecutionARN(started.Name))
		if status != step.status || x.Status != step.job {
			t.Errorf("%s: %d %s; the job is %q, %v; want %d, %q", step.path, status, text, x.Status, err, step.status, step.job)
		}
	}
	other, err := s.fake.Start(t.Context(), "local-1", json.RawMessage(`{"tools":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.End(t.Context(), other.ARN, history.Failed, "Unsupported", "exited with code 3", time.Now()); err != nil {
		t.Fatal(err)
	}
	if status, text := s.post("/console/redrive", `{"name":"local-1"}`); status != 409 || !strings.Contains(text, "a server runs no tools") {
		t.Errorf("a job that this server would refuse is redriven: %d %s", status, text)
	}
	if status, text := s.post("/console/start", `{"text":"{"}`); status != 422 || !strings.Contains(text, `"line":1,"column":2,"message":"no JSON"`) {
		t.Errorf("a request with a problem: %d %s", status, text)
	}
}

func TestAFormOfAnotherSiteCannotPost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"check", "start", "stop", "redrive", "remove"} {
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
			answer, err := http.Post(s.url+"/console/"+path, kind, strings.NewReader(`{"name":"x","text":"{}"}`))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusUnsupportedMediaType {
				t.Errorf("%s as %q: %d", path, kind, answer.StatusCode)
			}
		}
	}
	list, err := s.store.List(t.Context(), history.Filter{Limit: 10})
	if err != nil || len(list) > 0 {
		t.Errorf("%d jobs were started, %v", len(list), err)
	}
}

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	files, err := page.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := "/page/" + f.Name()
		if f.Name() == "index.html" {
			path = "/"
		}
		status, text, header := s.get(path)
		if status != 200 || header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(header.Get("Content-Security-Policy"), "script-src 'self'; style-src 'self';") {
			t.Errorf("%s: %d, %v", path, status, header)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "style=\"", " onclick="} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if address := strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""); strings.Contains(address, "http://") {
			t.Errorf("%s names another server", path)
		}
	}
	for _, path := range []string{"/page/../console.go", "/page/", "/page/missing.js", "/console/job?name=none", "/play/none/0/"} {
		if status, text, _ := s.get(path); status != 404 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

// messages reads server-sent events: the type and the data of each.
func messages(t *testing.T, url, last string) (next func() (kind, id, data string)) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", last)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<22)
	return func() (kind, id, data string) {
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "event":
				kind = value
			case "id":
				id = value
			case "data":
				return kind, id, value
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return "", "", ""
	}
}

func TestAStreamTellsOfChangesAndResumes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	for _, name := range []string{"one", "two"} {
		if _, err := s.fake.Start(ctx, name, json.RawMessage(`{"source":"/films/`+name+`.mp4"}`)); err != nil {
			t.Fatal(err)
		}
	}
	next := messages(t, s.url+"/events", "")
	kind, id, data := next()
	if kind != "jobs" || !strings.Contains(data, `"full":true`) || !strings.Contains(data, `"one"`) || !strings.Contains(data, `"two"`) || !strings.Contains(data, `"waiting"`) {
		t.Errorf("at first: %s %s", kind, data)
	}
	if _, err := s.fake.Stop(ctx, history.ExecutionARN("one"), "", "enough"); err != nil {
		t.Fatal(err)
	}
	if _, _, data = next(); strings.Contains(data, "full") || strings.Contains(data, `"two"`) || !strings.Contains(data, `"ABORTED"`) {
		t.Errorf("after a change: %s", data)
	}
	_, _, data = messages(t, s.url+"/events", id)()
	if strings.Contains(data, "full") || strings.Contains(data, `"two"`) || !strings.Contains(data, `"ABORTED"`) {
		t.Errorf("resumed: %s", data)
	}
}

func TestAStreamTellsOfTheUnitsOfAJob(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	x, err := s.fake.Start(t.Context(), "film", json.RawMessage(`{"source":"/films/film.mp4"}`))
	if err != nil {
		t.Fatal(err)
	}
	s.fake.mu.Lock()
	s.fake.runs[x.ARN] = true
	s.fake.mu.Unlock()
	observe := s.Observe(x)
	tell := func(e engine.Event) { observe(local.Event{Event: e, Time: time.Now()}) }
	tell(engine.Event{Type: engine.Planned, Groups: []engine.GroupProgress{{Group: work.Group{Name: "video", Units: 2}}}})
	tell(engine.Event{Type: engine.Started, Unit: "video/00000", Attempt: 1})
	tell(engine.Event{Type: engine.Failed, Unit: "video/00000", Attempt: 1, Error: "torn\nlast words"})
	tell(engine.Event{Type: engine.Started, Unit: "video/00000", Attempt: 2})
	tell(engine.Event{Type: engine.Warning, Unit: "video/00000", Error: "a gap"})
	next := messages(t, s.url+"/events?job=film", "")
	var first struct {
		Begun    *position
		Units    []Unit
		Warnings []string
	}
	for {
		kind, _, data := next()
		if kind != "job" {
			continue
		}
		if err := json.Unmarshal([]byte(data), &first); err != nil {
			t.Fatal(err)
		}
		break
	}
	if len(first.Units) != 0 || first.Begun == nil || !slices.Equal(first.Warnings, []string{"a gap"}) {
		t.Fatalf("at first: %+v", first)
	}
	tell(engine.Event{Type: engine.Done, Unit: "video/00000", Attempt: 2, Amount: work.Amount{Count: 50, Bytes: 1000}})
	for {
		kind, _, data := next()
		if kind == "job" && strings.Contains(data, `"s":"done","n":2`) && strings.Contains(data, `"f":50,"z":1000,"x":"torn","w":1`) {
			break
		}
	}
}

// An upload has its name when it is complete, not before, and replaces nothing.
// A served output never leads out of the folders of the server, not by a link that came later either.
func TestAnOutputOutsideIsNotServed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	outside := t.TempDir()
	for path, text := range map[string]string{filepath.Join(s.root, "film.mp4"): "film", filepath.Join(outside, "secret.mp4"): "secret", filepath.Join(s.root, "other.mp4"): "other"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "secret.mp4"), filepath.Join(s.root, "link.mp4")); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"in+side": s.root + "/film.mp4", "outside": outside + "/secret.mp4", "link": s.root + "/link.mp4"} {
		x, err := s.fake.Start(ctx, name, json.RawMessage(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		s.succeed(x, `{"outputs":[{"url":"`+path+`","size":4}]}`)
	}
	for path, want := range map[string]int{
		"/play/in+side/0/": 200, "/play/in+side/0/media/film.mp4": 200, "/play/in%2Bside/0/media/film.mp4": 200, "/play/in+side/0/page.js": 200,
		"/play/in+side/0/media/other.mp4": 404, "/play/in+side/0/media/..%2Fother.mp4": 404, "/play/in+side/1/": 404, "/play/in+side/-1/": 404,
		"/play/outside/0/": 403, "/play/outside/0/media/secret.mp4": 403, "/play/link/0/media/link.mp4": 403,
	} {
		if status, text, _ := s.get(path); status != want || strings.Contains(text, "secret") && want == 200 {
			t.Errorf("%s: %d %.80q, want %d", path, status, text, want)
		}
	}
}

// succeed ends an execution as a run does that has made output.
func (s *site) succeed(x history.Execution, output string) {
	s.t.Helper()
	r := s.store.Recorder(x, nil)
	r.Event(asl.Event{Type: asl.ExecutionStarted, Execution: x.ARN, ID: 1, Time: time.Now()})
	r.Event(asl.Event{Type: asl.ExecutionSucceeded, Execution: x.ARN, ID: 2, Time: time.Now(), Output: json.RawMessage(output)})
	if err := s.store.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}
