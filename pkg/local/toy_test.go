package local_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// toyRequest asks for the checksums of every second of a source.
func toyRequest(source, destination string, route work.Route) any {
	return map[string]any{
		"source": source, "destination": destination, "checksums": map[string]any{"seconds": 1}, "compute": map[string]any{"mode": route},
	}
}

// withToy returns a setup whose registry holds the toy and the kinds that mapreel ships.
func withToy(t *testing.T) setup {
	s := films(t)
	s.Toy = true
	return s
}

func TestAnotherKindOfWorkRunsOnEveryRoute(t *testing.T) {
	t.Parallel()
	const rate = 16_000
	s, source := withToy(t), toytest.NoisyWAV(t, rate, 10)
	want := toytest.Checksums(t, source, rate)
	for _, route := range []work.Route{work.RouteLambda, work.RouteLambdaBatch, work.RouteBatch} {
		t.Run(string(route), func(t *testing.T) {
			out, scratch := t.TempDir(), t.TempDir()
			var h history
			opts := local.Options{Scratch: scratch, Jobs: 2, Batch: asProcess, Observe: h.add}
			report, err := s.run(t.Context(), toyRequest(source, out, route), opts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(out, "noise.wav.sha256"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("the output (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{"checksum": 11, "checksumlist": 1}, report.Ran); diff != "" {
				t.Errorf("units that ran, by kind (-want +got):\n%s", diff)
			}
			if len(report.Outputs) != 1 || !strings.Contains(string(report.Outputs[0]), "noise.wav.sha256") {
				t.Errorf("outputs %s", report.Outputs)
			}
			if n := h.count(engine.Published, ""); n != 1 {
				t.Errorf("%d events of published outputs, want 1", n)
			}
			assertEmpty(t, filepath.Join(scratch, "pieces"))
			assertEmpty(t, filepath.Join(scratch, "locks"))
			jobs, err := local.Jobs(t.Context(), scratch)
			if err != nil || len(jobs) != 1 || jobs[0].State != "done" || group(t, jobs[0], "checksum").Done != 11 {
				t.Errorf("jobs %+v, %v", jobs, err)
			}
			report, err = s.run(t.Context(), toyRequest(source, out, route), opts)
			if err != nil || len(report.Ran) != 0 {
				t.Errorf("a second run did %v, %v", report.Ran, err)
			}
		})
	}
	// The same registry still runs films, and refuses what no kind can do.
	out := t.TempDir()
	film := request(makeFilm(t, "in.mp4"), out, "mp4")
	if _, err := s.run(t.Context(), film, local.Options{Scratch: t.TempDir(), Jobs: 2}); err != nil {
		t.Error(err)
	}
	_, err := s.run(t.Context(), toyRequest(film.Source, out, work.RouteLambda), local.Options{Scratch: t.TempDir()})
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("checksums of an MP4 file end with %v", err)
	}
}

func TestAKilledRunOfAnotherKindContinuesToTheSameBytes(t *testing.T) {
	t.Parallel()
	const rate = 1 << 20
	s, source, out := withToy(t), toytest.NoisyWAV(t, rate, 40), t.TempDir()
	req := toyRequest(source, out, work.RouteLambda)
	began := time.Now()
	if !runChild(t, s, req, t.TempDir(), time.Hour) {
		t.Fatal("the undisturbed run failed")
	}
	undisturbed := time.Since(began)
	result := filepath.Join(out, "noise.wav.sha256")
	want, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(toytest.Checksums(t, source, rate), string(want)); diff != "" {
		t.Fatalf("the undisturbed output (-want +got):\n%s", diff)
	}
	for range 5 {
		if err := os.Remove(result); err != nil {
			t.Fatal(err)
		}
		killAndContinue(t, s, req, t.TempDir(), result, want, func() time.Duration { return rand.N(undisturbed) })
	}
}

func TestAKilledBatchProcessOfAnotherKindIsStartedAgain(t *testing.T) {
	t.Parallel()
	const rate = 16 << 20 // large units, so that the process is killed within one
	s, source, out, scratch := withToy(t), toytest.NoisyWAV(t, rate, 3), t.TempDir(), t.TempDir()
	var h history
	var killed int
	var failed error
	_, err := s.run(t.Context(), toyRequest(source, out, work.RouteBatch), local.Options{
		Scratch: scratch, Jobs: 1, Keep: true, Batch: asProcess,
		Observe: func(e local.Event) {
			h.add(e)
			if e.Type == engine.Started && e.Unit == "checksum/00001" && e.Attempt == 1 {
				killed = worker(t, unitOf(t, scratch, e.Job, e.Unit).Owner)
				failed = syscall.Kill(killed, syscall.SIGKILL)
			}
		},
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	if killed == os.Getpid() || killed == 0 {
		t.Fatal("the Batch job is not a process of its own")
	}
	got, err := os.ReadFile(filepath.Join(out, "noise.wav.sha256"))
	if err != nil || string(got) != toytest.Checksums(t, source, rate) {
		t.Errorf("the output is %q, %v", got, err)
	}
	for unit, want := range map[string]int{"checksum/00000": 1, "checksum/00001": 2, "checksum/00002": 1} {
		if n := h.count(engine.Started, unit); n != want {
			t.Errorf("%d attempts at %s, want %d", n, unit, want)
		}
	}
}

func TestARequestOfNoKnownFormIsRefused(t *testing.T) {
	t.Parallel()
	source, out := toytest.NoisyWAV(t, 1000, 2), t.TempDir()
	for body, want := range map[string]fault.Kind{
		`null`: fault.Invalid, // it has no source
		`[]`:   fault.Invalid,
		`{`:    fault.Invalid,
		fmt.Sprintf(`{"source": %q, "destination": %q, "compute": null, "outputs": [{"name": "out", "container": "mp4"}]}`, source, out): "",
		fmt.Sprintf(`{"source": %q, "destination": %q, "compute": 1, "outputs": [{"name": "out"}]}`, source, out):                        fault.Invalid,
		fmt.Sprintf(`{"source": %q, "destination": %q, "colour": "red", "outputs": [{"name": "out"}]}`, source, out):                     fault.Invalid,
	} {
		s := films(t)
		_, err := local.Run(t.Context(), json.RawMessage(body), local.Options{Scratch: t.TempDir(), Registry: s.registry()})
		if fault.KindOf(err) != want {
			t.Errorf("%s: %v, want kind %q", body, err, want)
		}
	}
	// Without a planner that accepts it.
	_, err := local.Run(t.Context(), json.RawMessage(fmt.Sprintf(`{"source": %q, "destination": %q}`, source, out)), local.Options{Scratch: t.TempDir()})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "of no form") {
		t.Errorf("without planners: %v", err)
	}
}
