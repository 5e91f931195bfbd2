package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/api"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/guard"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/queue"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	os.Exit(m.Run())
}

// gated is a kind whose units wait while the gate is shut; the first passes always.
type gated struct {
	work.Kind
	open   <-chan struct{}
	broken *atomic.Bool // lets the third fail
}

func (k gated) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	if u.Name == "checksum/00002" && k.broken.Load() {
		return work.Result{}, fault.New(fault.Corrupt, "it broke")
	}
	if u.Name != "checksum/00000" {
		select {
		case <-k.open:
		case <-ctx.Done():
			return work.Result{}, context.Cause(ctx)
		}
	}
	return k.Kind.Run(ctx, env, u)
}

// service is a server of jobs.
type service struct {
	url  string
	root string
	open func() // lets all units pass

	broken *atomic.Bool
}

const token = "0123456789abcdef"

// serve starts the API of a real server, whose units wait until open is called.
func serve(t *testing.T) service {
	t.Helper()
	return start(t, func(_ *history.Store, _ *queue.Queue, _ string, api http.Handler) http.Handler { return api })
}

// serveAll is serve with what mapreel serve answers besides the API.
func serveAll(t *testing.T) service {
	t.Helper()
	return start(t, func(store *history.Store, q *queue.Queue, scratch string, api http.Handler) http.Handler {
		records, err := local.OpenLedger(t.Context(), scratch)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = records.Close() }) // it is only read
		page, err := console.New(console.Options{Store: store, Executions: q, Ledger: records})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("POST /{$}", api)
		mux.Handle("/", page)
		return mux
	})
}

func start(t *testing.T, handler func(*history.Store, *queue.Queue, string, http.Handler) http.Handler) service {
	t.Helper()
	scratch, root := filepath.Join(t.TempDir(), "scratch"), t.TempDir()
	data, err := os.ReadFile(toytest.NoisyWAV(t, 8000, 3))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "in.wav"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	gate, broken := make(chan struct{}), &atomic.Bool{}
	registry := toy.Add(work.Registry{})
	for i, k := range registry.Kinds {
		registry.Kinds[i] = gated{k, gate, broken}
	}
	store, err := history.Open(t.Context(), filepath.Join(scratch, history.File))
	if err != nil {
		t.Fatal(err)
	}
	q := queue.New(store, queue.Options{Local: local.Options{Scratch: scratch, Registry: registry, Jobs: 2, Roots: []string{root}}})
	definition, err := local.Definition()
	if err != nil {
		t.Fatal(err)
	}
	all := handler(store, q, scratch, &api.Server{Store: store, Executions: q, Definition: definition})
	server := httptest.NewServer(guard.New(all, guard.Options{Loopback: true, Token: token}))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		server.Close()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return service{server.URL, root, sync.OnceFunc(func() { close(gate) }), broken}
}

func (s service) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), client.Target{Endpoint: s.url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s service) request(t *testing.T, out string) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"source": filepath.Join(s.root, "in.wav"), "destination": filepath.Join(s.root, out), "checksums": map[string]any{"seconds": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAJobThatEndedContinuesUnderAnotherBudget(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	ctx := t.Context()
	if _, _, err := c.Submit(ctx, "film-1", s.request(t, "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Raise(ctx, "film-1", 2*price.Dollar); fault.KindOf(err) != fault.Invalid {
		t.Errorf("while it runs: %v", err)
	}
	if _, _, err := c.Stop(ctx, "film-1", "enough"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Follow(ctx, "film-1", func(client.Job) {}); err != nil {
		t.Fatal(err)
	}
	s.open()
	job, err := c.Raise(ctx, "film-1", 5*price.Dollar/2)
	if err != nil || job.Name != "film-1-budget-2.5" {
		t.Fatalf("%+v, %v", job, err)
	}
	if job, err = c.Follow(ctx, job.ARN, func(client.Job) {}); err != nil || job.Status != client.Succeeded {
		t.Errorf("%+v, %v", job, err)
	}
	if _, err := c.Raise(ctx, job.Name, 3*price.Dollar); fault.KindOf(err) != fault.Invalid {
		t.Errorf("when it is done: %v", err)
	}
}

func TestAJobOfAServerIsSubmittedOnceWatchedStoppedAndRedriven(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	ctx := t.Context()
	request := s.request(t, "out")
	job, started, err := c.Submit(ctx, "film-1", request)
	if err != nil || !started || job.Status != client.Running || job.Source != filepath.Join(s.root, "in.wav") {
		t.Fatalf("submitted: %+v, %v, %v", job, started, err)
	}
	again, started, err := c.Submit(ctx, "film-1", request)
	if err != nil || started || again.ARN != job.ARN || !again.Started.Equal(job.Started) {
		t.Errorf("the same again: %+v, %v, %v", again, started, err)
	}
	if _, _, err := c.Submit(ctx, "film-1", s.request(t, "elsewhere")); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "for another request") {
		t.Errorf("another request of the name: %v", err)
	}
	stopped := false
	job, err = c.Follow(ctx, job.ARN, func(j client.Job) { // by its ARN, as a job that somebody else started
		if p := j.Progress; p != nil && p.Groups[0].Done == 1 && !stopped {
			stopped = true
			if g := p.Groups[0]; g.Units != 4 || g.Running != 2 || g.Noun != "units" {
				t.Errorf("progress %+v, want 1 of 4 units done and 2 running", g)
			}
			if j, stopped, err := c.Stop(ctx, "film-1", "enough"); err != nil || !stopped || j.Status != client.Aborted {
				t.Errorf("to stop it gives %+v, %t, %v", j, stopped, err)
			}
		}
	})
	if err != nil || !stopped || job.Status != "ABORTED" || !job.Redrivable || job.Error == nil || job.Error.Message != "enough" {
		t.Fatalf("stopped: %+v, %v", job, err)
	}
	ended, started, err := c.Submit(ctx, "film-1", request)
	if err != nil || started || ended.Status != "ABORTED" {
		t.Errorf("submitted after its end: %+v, %v, %v", ended, started, err)
	}
	s.open()
	if _, err := c.Redrive(ctx, "film-1"); err != nil {
		t.Fatal(err)
	}
	job, err = c.Follow(ctx, "film-1", func(client.Job) {})
	if err != nil || job.Status != client.Succeeded || job.Redrives != 1 || len(job.Outputs) == 0 {
		t.Errorf("redriven: %+v, %v", job, err)
	}
	if g := job.Progress.Groups[0]; g.Units != 4 || g.Done != 4 {
		t.Errorf("progress over both map runs: %+v, want 4 of 4", g)
	}
	if j, stopped, err := c.Stop(ctx, "film-1", "too late"); err != nil || stopped || j.Status != client.Succeeded {
		t.Errorf("to stop it when it is done gives %+v, %t, %v", j, stopped, err)
	}
	if _, err := c.Redrive(ctx, "film-1"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a redrive of one that is done: %v", err)
	}
	list, err := c.List(ctx, "SUCCEEDED", 5)
	if err != nil || len(list) != 1 || list[0].Name != "film-1" {
		t.Errorf("listed %+v, %v", list, err)
	}
	var types []string
	for e, err := range c.Events(ctx, "film-1") {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
	}
	if types[0] != "ExecutionStarted" || types[len(types)-1] != "ExecutionSucceeded" || !strings.Contains(strings.Join(types, " "), "ExecutionRedriven") {
		t.Errorf("history %q", types)
	}
}

// A server takes the progress of a job from the ledger, no matter who started the job. The progress covers all phases, retries and redrives.
func TestAServerTellsOfAllPhasesOfAJob(t *testing.T) {
	s := serveAll(t)
	c := s.client(t)
	ctx := t.Context()
	s.broken.Store(true)
	s.open()
	if _, _, err := c.Submit(ctx, "film-1", s.request(t, "out")); err != nil {
		t.Fatal(err)
	}
	job, err := c.Follow(ctx, "film-1", func(client.Job) {})
	if err != nil || job.Status != "FAILED" || job.Progress == nil {
		t.Fatalf("broken: %+v, %v", job, err)
	}
	if p := job.Progress; len(p.Groups) != 2 || p.Groups[0].Noun == "units" || p.Groups[0].Units != 4 || p.Failures == 0 || p.Cost != nil {
		t.Errorf("broken: %+v, want 4 units in the first of two groups, and a failure", p)
	}
	s.broken.Store(false)
	if _, err := c.Redrive(ctx, "film-1"); err != nil {
		t.Fatal(err)
	}
	job, err = c.Follow(ctx, "film-1", func(client.Job) {})
	if err != nil || job.Status != client.Succeeded {
		t.Fatalf("redriven: %+v, %v", job, err)
	}
	if p := job.Progress; p.Groups[0].Done != 4 || p.Groups[1].Done != 1 || p.Retries == 0 || p.Failures != 0 {
		t.Errorf("redriven: %+v, want all units done, and some of them retried", p)
	}
}

func TestUnitsThatFailedAreNamed(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	s.open()
	s.broken.Store(true)
	if _, _, err := c.Submit(t.Context(), "broken", s.request(t, "out")); err != nil {
		t.Fatal(err)
	}
	job, err := c.Follow(t.Context(), "broken", func(client.Job) {})
	if err != nil || job.Status != "FAILED" || job.Error == nil || job.Error.Kind == "" || !job.Redrivable {
		t.Errorf("%+v, %v", job, err)
	}
	failures, err := c.Failures(t.Context(), "broken", 10)
	if err != nil || len(failures) != 1 || failures[0].Unit != "checksum/00002" || failures[0].Text != "Corrupt: it broke" {
		t.Errorf("failures %+v, %v", failures, err)
	}
}

func TestWhatKeepsAClientFromAServerIsSaid(t *testing.T) {
	s := serve(t)
	for _, test := range []struct {
		target client.Target
		kind   fault.Kind
		want   string
	}{
		{client.Target{Endpoint: s.url, Token: "wrong-wrong-wrong"}, fault.Invalid, "the server refuses the request"},
		{client.Target{Endpoint: s.url}, fault.Invalid, "the server refuses the request"},
		{client.Target{Endpoint: "http://127.0.0.1:1"}, fault.Transient, "no server answers there"},
		{client.Target{Endpoint: "ftp://x"}, fault.Invalid, "is not the URL of a server"},
		{client.Target{Endpoint: "127.0.0.1:8083"}, fault.Invalid, "is not the URL of a server"},
	} {
		_, err := client.Open(t.Context(), test.target)
		if fault.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) || fault.HintOf(err) == "" || strings.Contains(err.Error(), token) {
			t.Errorf("%+v: %s: %v (hint %q), want %s: %s", test.target, fault.KindOf(err), err, fault.HintOf(err), test.kind, test.want)
		}
	}
	c := s.client(t)
	for job, want := range map[string]fault.Kind{"nobody": fault.NotFound, "": fault.Invalid, "a b": fault.Invalid, "arn:aws:s3:::x": fault.Invalid} {
		if _, err := c.Status(t.Context(), job); fault.KindOf(err) != want {
			t.Errorf("status %q: %v", job, err)
		}
	}
}

func TestTheNameOfAJobFollowsFromItsRequestAndItsSource(t *testing.T) {
	request := json.RawMessage(`{"source":"/films/The film (1).mov"}`)
	name := client.JobName("/films/The film (1).mov", request, "5", "monday")
	if !strings.HasPrefix(name, "The-film-1-") || len(name) != len("The-film-1-")+12 {
		t.Errorf("named %q", name)
	}
	if client.JobName("/films/The film (1).mov", request, "5", "monday") != name {
		t.Error("the same request has another name")
	}
	for _, other := range []string{
		client.JobName("/films/The film (1).mov", request, "5", "tuesday"), client.JobName("/films/The film (1).mov", json.RawMessage(`{}`), "5", "monday"),
	} {
		if other == name {
			t.Errorf("%s is the name of two jobs", name)
		}
	}
	for source, want := range map[string]string{"///": "job-", "/ü.mov": "job-", strings.Repeat("x", 200) + ".mp4": strings.Repeat("x", 48) + "-"} {
		if got := client.JobName(source, request); !strings.HasPrefix(got, want) || len(got) > 80 {
			t.Errorf("%q is named %q, want %q…", source, got, want)
		}
	}
}

func TestAWatchThatIsInterruptedDoesNotStopTheJob(t *testing.T) {
	s := serve(t)
	c := s.client(t)
	if _, _, err := c.Submit(t.Context(), "film", s.request(t, "out")); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := c.Follow(ctx, "film", func(client.Job) { cancel(cause) })
	if !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if j, err := c.Status(t.Context(), "film"); err != nil || j.Status != client.Running {
		t.Errorf("after it %+v, %v", j, err)
	}
	s.open()
	deadline, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if j, err := c.Follow(deadline, "film", func(client.Job) {}); err != nil || j.Status != client.Succeeded {
		t.Errorf("at the end %+v, %v", j, err)
	}
}
