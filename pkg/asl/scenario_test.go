package asl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
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

// step is what a scripted task does when it is called: give a result, echo its arguments, or fail.
type step struct {
	Result json.RawMessage
	Echo   bool
	Error  string
	Cause  string
}

type namedError struct{ name, cause string }

func (e *namedError) Error() string     { return e.cause }
func (e *namedError) ErrorName() string { return e.name }

// script makes a task that goes through steps and repeats the last.
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

// TestScenarios runs each archive in testdata: definition, input, scripted tasks and items give a result and events.
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
	var (
		mu    sync.Mutex
		lines []string
		noted = func(line string) { mu.Lock(); lines = append(lines, line); mu.Unlock() }
	)
	x := asl.Execution{
		Name: "test", ID: "arn:test", Input: files["input.json"], Tasks: map[string]asl.Task{},
		Observe: func(e asl.Event) { noted(line(e)) },
		Now:     func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		Sleep:   func(_ context.Context, d time.Duration) error { noted("sleep " + d.String()); return nil },
		Rand:    func() float64 { return 0.5 },
	}
	for resource, steps := range scripts {
		x.Tasks[resource] = script(steps)
	}
	if items := files["items.json"]; items != nil {
		x.Items = func(_ context.Context, s asl.ItemSource) (io.ReadCloser, error) {
			noted(fmt.Sprintf("read %s %s/%s", s.Resource, s.Bucket, s.Key))
			return io.NopCloser(bytes.NewReader(items)), nil
		}
	}
	output, err := m.Run(t.Context(), x)
	result = string(output) + "\n"
	if err != nil {
		result = err.Error() + "\n"
		var e *asl.Error
		if !errors.As(err, &e) {
			t.Errorf("Run gave a %T, want an *asl.Error: %v", err, err)
		}
	}
	if bytes.Contains(files["definition.json"], []byte(`"Parallel"`)) { // whose branches come in any order
		slices.Sort(lines)
	}
	return result, strings.Join(lines, "\n") + "\n"
}

func line(e asl.Event) string {
	s := string(e.Type)
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

func quote(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
