package local_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestTwoRunsNeverWriteOneOutput(t *testing.T) {
	t.Parallel()
	s, source, out := withToy(t), toytest.NoisyWAV(t, 1000, 3), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(out, link); err != nil {
		t.Fatal(err)
	}
	var second []error
	_, err := s.run(t.Context(), toyRequest(source, out, work.RouteLambda), local.Options{
		Scratch: t.TempDir(), Jobs: 1, Outputs: []string{filepath.Join(out, "noise.wav.sha256")},
		Observe: func(e local.Event) {
			if e.Type != engine.Planned {
				return
			}
			for _, folder := range []string{out, link} { // another source, another scratch folder
				_, err := s.run(t.Context(), toyRequest(toytest.NoisyWAV(t, 500, 2), folder, work.RouteLambda), local.Options{
					Scratch: t.TempDir(), Jobs: 1, Outputs: []string{filepath.Join(folder, "noise.wav.sha256")},
				})
				second = append(second, err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range second {
		if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "another job is writing") {
			t.Errorf("a second run of the same output ended with %v", err)
		}
	}
	if len(second) != 2 {
		t.Fatalf("%d other runs, want 2", len(second))
	}
	if got, err := os.ReadFile(filepath.Join(out, "noise.wav.sha256")); err != nil || string(got) != toytest.Checksums(t, source, 1000) {
		t.Errorf("the output is %q, %v", got, err)
	}
	_, err = s.run(t.Context(), toyRequest(source, out, work.RouteLambda), local.Options{
		Scratch: t.TempDir(), Jobs: 1, Outputs: []string{filepath.Join(out, "noise.wav.sha256")},
	})
	if err != nil {
		t.Errorf("a run after the first: %v", err)
	}
}

func TestABudgetHasNoEffectHere(t *testing.T) {
	t.Parallel()
	s, source, out := withToy(t), toytest.NoisyWAV(t, 1000, 20), t.TempDir()
	request := json.RawMessage(fmt.Sprintf(`{"source": %q, "destination": %q, "checksums": {"seconds": 1}, "compute": {"budget": 0.000001}}`, source, out))
	var warnings []string
	rounds := 0
	_, err := s.run(t.Context(), request, local.Options{Scratch: t.TempDir(), Observe: func(e local.Event) {
		switch e.Type {
		case engine.Warning:
			warnings = append(warnings, e.Error)
		case engine.Planned:
			rounds++
		}
	}})
	if err != nil || rounds != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], "budget") {
		t.Errorf("%d rounds, the warnings %q, %v", rounds, warnings, err)
	}
}

func TestAnOutputToKeepIsNeverReplaced(t *testing.T) {
	t.Parallel()
	s, source := withToy(t), toytest.NoisyWAV(t, 1000, 3)
	for _, route := range []work.Route{work.RouteLambda, work.RouteBatch} {
		for _, when := range []engine.EventType{"", engine.Planned} { // before the run, and while it works
			out := t.TempDir()
			path := filepath.Join(out, "noise.wav.sha256")
			write := func() error { return os.WriteFile(path, []byte("precious"), 0o600) }
			var werr error
			if when == "" {
				werr = write()
			}
			_, err := s.run(t.Context(), toyRequest(source, out, route), local.Options{
				Scratch: t.TempDir(), Jobs: 1, Batch: asProcess, Outputs: []string{path}, KeepOutputs: true,
				Observe: func(e local.Event) {
					if e.Type == when {
						werr = errors.Join(werr, write())
					}
				},
			})
			if werr != nil {
				t.Fatal(werr)
			}
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "exists, and is not to be replaced") {
				t.Errorf("%s, file made at %q: %v", route, when, err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
				t.Errorf("%s, file made at %q: the file is now %q, %v", route, when, got, err)
			}
		}
	}
	out := t.TempDir()
	_, err := s.run(t.Context(), toyRequest(source, out, work.RouteLambda), local.Options{
		Scratch: t.TempDir(), Jobs: 1, Outputs: []string{filepath.Join(out, "noise.wav.sha256")}, KeepOutputs: true,
	})
	if err != nil {
		t.Errorf("without a file: %v", err)
	}
}
