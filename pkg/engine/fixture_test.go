package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/work"
)

// letters is a planner whose jobs write letters: its kinds do what the test tells them.
type letters struct {
	names      []string      // of the units of the first phase
	open       bool          // the second phase is planned after the first
	second     []string      // units of the second phase
	apart      bool          // the first phase's units are independent
	needsFirst bool          // outputs read the first phase's artifacts
	readBy     string        // the phase that alone reads them
	retention  time.Duration // of the plan
	wide       int           // units at once, at least 2
	outputs    []string      // more outputs than "file"
	extended   int           // calls of Extend
}

func (*letters) Name() string                 { return "letters" }
func (*letters) Accepts(json.RawMessage) bool { return true }

func unitsOf(kind string, names []string) func(func(work.Unit) bool) {
	var list []work.Unit
	for _, n := range names {
		list = append(list, work.Unit{
			Name: kind + "/" + n, Spec: json.RawMessage(`"` + n + `"`), Needs: work.Needs{Class: work.ClassEncode, Route: work.RouteLambdaBatch},
		})
	}
	return slices.Values(list)
}

func (p *letters) Plan(_ context.Context, _ *work.PlanEnv, request json.RawMessage) (work.Plan, error) {
	var e work.Envelope
	if err := json.Unmarshal(request, &e); err != nil {
		return work.Plan{}, err
	}
	plan := work.Plan{
		ID: "0123456789abcdef0123", Planner: "letters", Doc: json.RawMessage(`{}`), Source: e.Source, Concurrency: max(p.wide, 2),
		Duration: time.Hour, Retention: p.retention, Open: p.open, Warnings: []string{"the plan's"},
		Phases:      []work.Phase{{Name: "first", Intermediate: !p.needsFirst, Independent: p.apart, Units: unitsOf("a", p.names)}},
		OutputPhase: work.Phase{Name: "last", Units: unitsOf("out", append([]string{"file"}, p.outputs...))},
		Groups:      []work.Group{{Name: "a", Noun: "letters", Units: len(p.names)}},
	}
	for _, name := range append([]string{"file"}, p.outputs...) {
		plan.Outputs = append(plan.Outputs, name+".txt")
	}
	if !p.open {
		plan.Phases = append(plan.Phases, work.Phase{Name: "second", Units: unitsOf("b", p.second)})
	}
	return plan, nil
}

func (p *letters) Extend(ctx context.Context, env *work.PlanEnv, plan work.Plan) (work.Plan, error) {
	p.extended++
	n := 0
	for _, err := range env.Results.All(ctx, "a/") {
		if err != nil {
			return plan, err
		}
		n++
	}
	plan.Open = false
	plan.Doc = json.RawMessage(fmt.Sprintf(`{"first": %d}`, n))
	plan.Phases = append(plan.Phases, work.Phase{Name: "second", Units: unitsOf("b", p.second)})
	return plan, nil
}

// writer is a kind that writes its unit's name as an artifact.
type writer struct {
	name   string
	readBy string                    // of its artifacts, the phase that alone reads them
	hook   func(env *work.Env) error // runs before the artifact is written; may be nil
	news   []work.Announcement
}

func (w writer) Name() string { return w.name }

func (w writer) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	if w.hook != nil {
		if err := w.hook(env); err != nil {
			return work.Result{}, err
		}
	}
	key := env.Key(0, "txt")
	info, err := env.Scratch.Put(ctx, key, strings.NewReader(u.Name))
	r := work.Result{Artifacts: []work.Artifact{{Key: key, Size: info.Size, For: w.readBy}}, Warnings: []string{"of " + u.Name}, Announcements: w.news}
	return r, errors.Join(err, r.SetFacts(key))
}

// publisher is the kind that joins the artifacts of the second phase and publishes them.
type publisher struct{}

func (publisher) Name() string { return "out" }

func (publisher) Run(ctx context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	var text bytes.Buffer
	for f, err := range env.Results.All(ctx, "b/") {
		if err != nil {
			return work.Result{}, err
		}
		data, err := read(ctx, env.Scratch, f.Result.Artifacts[0].Key)
		if err != nil {
			return work.Result{}, err
		}
		text.Write(append(data, '\n'))
	}
	store, key, err := env.Resolve(ctx, "out.txt")
	if err != nil {
		return work.Result{}, err
	}
	info, err := store.Put(ctx, key, &text)
	if err != nil {
		return work.Result{}, err
	}
	digest, err := blob.Digest(ctx, store, key, info.Size)
	r := work.Result{URL: "out.txt", Artifacts: []work.Artifact{{URL: "out.txt", Size: info.Size, Version: info.Version, Digest: digest}}}
	return r, errors.Join(err, r.SetFacts("published"))
}

func read(ctx context.Context, store blob.Store, key string) ([]byte, error) {
	body, err := store.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// fixture is an engine over a folder and a SQLite file, and what it emitted.
type fixture struct {
	*Engine
	planner *letters
	folder  string
	events  []Event
}

func newFixture(t *testing.T, p *letters) *fixture {
	t.Helper()
	f := &fixture{planner: p, folder: t.TempDir()}
	scratch, err := dir.New(filepath.Join(f.folder, "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := dir.New(filepath.Join(f.folder, "out"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := sqlite.Open(t.Context(), filepath.Join(f.folder, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f.Engine = &Engine{
		Registry: work.Registry{Planners: []work.Planner{p}, Kinds: []work.Kind{writer{name: "a", readBy: p.readBy}, writer{name: "b"}, publisher{}}},
		Ledger:   l, Scratch: scratch, Items: scratch, Bucket: "scratch", Temp: t.TempDir(), Worker: "test",
		Resolve: func(_ context.Context, url string) (blob.Store, string, error) { return out, url, nil },
		Observe: func(e Event) { f.events = append(f.events, e) },
	}
	return f
}

// drive does what the state machine does, and returns the names of the units that it ran.
func (f *fixture) drive(t *testing.T, execution string) (Outcome, []string) {
	t.Helper()
	time.Sleep(2 * time.Millisecond) // an owner holds its start time in milliseconds, so two executions must not start in the same one
	started := time.Now()
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{"source": "in"}`), Execution: execution, Started: started})
	var ran []string
	run := func(items []Item) {
		for _, i := range items {
			if err != nil {
				return
			}
			_, err = f.Run(t.Context(), RunInput{Job: i.Job, Unit: i.Unit})
			ran = append(ran, i.Unit)
		}
	}
	for err == nil && next.Phase.Count > 0 {
		run(f.list(t, next))
		if err != nil || next.Phase.Last {
			break
		}
		next, err = f.Analyse(t.Context(), AnalyseInput{Job: next.Job, Execution: execution, Started: started})
	}
	run(next.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Finish(t.Context(), FinishInput{Job: next.Job, Execution: execution})
	if err != nil {
		t.Fatal(err)
	}
	return out, ran
}

// list reads the list of a phase as the Distributed Map does.
func (f *fixture) list(t *testing.T, next Next) []Item {
	t.Helper()
	data, err := read(t.Context(), f.Items, next.Phase.Key)
	if err != nil {
		t.Fatal(err)
	}
	var items []Item
	if err := json.Unmarshal(data, &items); err != nil {
		t.Fatal(err)
	}
	if len(items) != next.Phase.Count {
		t.Errorf("the list has %d items, its count is %d", len(items), next.Phase.Count)
	}
	return items
}

func (f *fixture) published(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.folder, "out", "out.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// scratch lists the files in scratch.
func (f *fixture) scratch(t *testing.T) (keys []string) {
	t.Helper()
	for info, err := range f.Scratch.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}
