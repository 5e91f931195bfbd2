package asl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mapreel/mapreel/pkg/asl"
)

var update = flag.Bool("update", false, "rewrite the results in testdata")

// step is what a scripted task does in one call: return a result, echo its arguments, or fail.
type step struct {
	Result json.RawMessage
	Echo   bool
	Error  string
	Cause  string
}

type namedError struct{ name, cause string }

func (e *namedError) Error() string     { return e.cause }
func (e *namedError) ErrorName() string { return e.name }

// script returns a task that goes through steps and repeats the last one.
func script(steps []step) asl.Task {
	var mu sync.Mutex
	return func(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
		mu.Lock()
		defer mu.Unlock()
		s := steps[0]
		if len(steps) > 1 {
			steps = steps[1:]
		}
		switch {
		case s.Error != "":
			return nil, fmt.Errorf("scripted: %w", &namedError{s.Error, s.Cause})
		case s.Echo:
			return in.Arguments, nil
		}
		return s.Result, nil
	}
}

// TestScenarios runs each archive in testdata: a definition, an input, scripted tasks and items
// lead to a result and events. An event begins with its ID and the ID of the previous event.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, events := play(t, archive)
			want := map[string]string{"result": result, "events": events}
			for _, name := range []string{"result", "events"} {
				i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
				if i < 0 {
					archive.Files = append(archive.Files, txtar.File{Name: name})
					i = len(archive.Files) - 1
				}
				if *update {
					archive.Files[i].Data = []byte(want[name])
				} else if diff := cmp.Diff(string(archive.Files[i].Data), want[name]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func play(t *testing.T, archive *txtar.Archive) (result, events string) {
	t.Helper()
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	m, err := asl.Load(files["definition.json"])
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string][]step{}
	if text := files["tasks.json"]; text != nil {
		if err := json.Unmarshal(text, &scripts); err != nil {
			t.Fatal(err)
		}
	}
	parallel := bytes.Contains(files["definition.json"], []byte(`"Parallel"`)) // its branches run in any order
	var (
		mu    sync.Mutex
		lines []string
		note  = func(line string) { mu.Lock(); lines = append(lines, line); mu.Unlock() }
	)
	x := asl.Execution{
		Name: "test", ID: "arn:aws:states:eu-west-1:123456789012:execution:machine:test",
		RoleARN: "arn:aws:iam::123456789012:role/machine", Input: files["input.json"], Tasks: map[string]asl.Task{},
		Observe: func(e asl.Event) { note(line(e, !parallel)) },
		UniqueName: func(label string, run, index int) string {
			if index < 0 {
				return fmt.Sprintf("run-%d", run)
			}
			return fmt.Sprintf("child-%d-%d", run, index)
		},
		Now:   func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		Sleep: func(_ context.Context, d time.Duration) error { note("sleep " + d.String()); return nil },
		Rand:  func() float64 { return 0.5 },
	}
	for resource, steps := range scripts {
		x.Tasks[resource] = script(steps)
	}
	if items := files["items.json"]; items != nil {
		x.Items = func(_ context.Context, s asl.ItemSource) (io.ReadCloser, error) {
			note(fmt.Sprintf("read %s %s/%s", s.Resource, s.Bucket, s.Key))
			return io.NopCloser(bytes.NewReader(items)), nil
		}
	}
	output, err := m.Run(t.Context(), x)
	result = string(output) + "\n"
	if err != nil {
		result = err.Error() + "\n"
		var e *asl.Error
		if !errors.As(err, &e) {
			t.Errorf("Run returned a %T, want an *asl.Error: %v", err, err)
		}
	}
	if parallel {
		slices.Sort(lines)
	}
	return result, strings.Join(lines, "\n") + "\n"
}

// line describes an event: with links, its ID and that of the previous event, indented in a child's
// history.
func line(e asl.Event, links bool) string {
	s := string(e.Type)
	if links {
		s = fmt.Sprintf("%d<-%d %s", e.ID, e.Previous, s)
	}
	if strings.Contains(e.Execution, "/") {
		s = "    " + s
		if e.Type == asl.ExecutionStarted {
			s += " " + e.Execution
		}
	}
	if e.Type == asl.MapRunStarted {
		s += " " + e.MapRun
	}
	if e.State != "" {
		s += " " + fmt.Sprintf("%q", e.State)
	}
	if e.Index >= 0 {
		s += fmt.Sprintf(" item=%d", e.Index)
	}
	if e.Attempt > 0 {
		s += fmt.Sprintf(" attempt=%d", e.Attempt)
	}
	if e.Type == asl.MapStateStarted {
		s += fmt.Sprintf(" length=%d", e.Length)
	}
	if e.Type == asl.EvaluationFailed {
		s += fmt.Sprintf(" location=%q", e.Location)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		s += fmt.Sprintf(" $%s=%s", name, e.Variables[name])
	}
	if e.Error != "" {
		s += " error=" + e.Error
	}
	if e.Input != nil {
		s += " < " + string(e.Input)
	}
	if e.Output != nil {
		s += " > " + string(e.Output)
	}
	return s
}
