package job_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

var many = flag.Int("units", 200, "units of the tool that does nothing, at most")

// counts are what a job of a tool that does nothing reads and reports.
type counts struct {
	opened   atomic.Int64 // files that the joins opened, besides those that Compose read
	composed atomic.Int64 // parts that Compose read
	results  atomic.Int64 // of units that the joins read
	events   int
	peak     uint64 // bytes of heap and stacks
}

// idle stands for the kind that runs tools. It leaves one line for each piece, and starts no process.
type idle struct{ work.Kind }

func (idle) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	key := env.Key(0, "bin")
	info, err := env.Scratch.Put(ctx, key, strings.NewReader(`{"time": 0.5}`+"\n"))
	if err != nil {
		return work.Result{}, err
	}
	var spec struct{ Start, End int64 }
	if err := json.Unmarshal(u.Spec, &spec); err != nil {
		return work.Result{}, err
	}
	r := work.Result{Artifacts: []work.Artifact{{Key: key, Size: info.Size}}}
	return r, r.SetFacts(map[string]any{
		"start": spec.Start, "end": spec.End, "files": []any{map[string]any{"name": "a.jsonl", "size": info.Size, "outputs": []int{0, 1}}},
	})
}

// counted is a kind whose reads are counted.
type counted struct {
	work.Kind
	n *counts
}

func (c counted) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	e := *env
	e.Scratch, e.Results = countedStore{env.Scratch, c.n}, countedResults{env.Results, c.n}
	resolve := env.Resolve
	e.Resolve = func(ctx context.Context, url string) (blob.Store, string, error) {
		store, key, err := resolve(ctx, url)
		return countedStore{store, c.n}, key, err
	}
	return c.Kind.Run(ctx, &e, u)
}

type countedStore struct {
	blob.Store
	n *counts
}

func (s countedStore) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.n.opened.Add(1)
	return s.Store.Open(ctx, key, offset, length)
}

func (s countedStore) Compose(ctx context.Context, key string, parts []blob.Part) (blob.Info, error) {
	s.n.composed.Add(int64(len(parts)))
	for i := range parts {
		if from, ok := parts[i].From.(countedStore); ok {
			parts[i].From = from.Store
		}
	}
	return s.Store.Compose(ctx, key, parts)
}

type countedResults struct {
	work.Results
	n *counts
}

func (r countedResults) All(ctx context.Context, prefix string) iter.Seq2[work.Finished, error] {
	return func(yield func(work.Finished, error) bool) {
		for f, err := range r.Results.All(ctx, prefix) {
			r.n.results.Add(1)
			if !yield(f, err) {
				return
			}
		}
	}
}

// runIdle runs a tool that does nothing for so many seconds of silence, one after the other.
func runIdle(t *testing.T, units int) (*counts, local.Report) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "long.flac")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("anullsrc=r=8000:cl=mono:d=%d", units), source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found, err := find()
	if err != nil {
		t.Fatal(err)
	}
	n := &counts{}
	r := kinds.Tools(kinds.All(found, kinds.Options{}), found, nil)
	for i, k := range r.Kinds {
		switch k.Name() {
		case "tool":
			r.Kinds[i] = idle{k}
		case "tooljoin":
			r.Kinds[i] = counted{k, n}
		}
	}
	out := t.TempDir()
	request := fmt.Sprintf(`{"source": %q, "destination": %q, "segment": {"seconds": 1}, "folder": %q, "tools": [
		{"name": "idle", "each": "sound", "command": ["true"], "outputs": [{"join": "lines"}, {"path": "all"}]}]}`, source, out, out)
	runtime.GC()
	const sampled = 50 // events between two looks at the memory
	report, err := local.Run(t.Context(), json.RawMessage(request), local.Options{
		Scratch: t.TempDir(), Jobs: 2, Registry: r, Observe: func(local.Event) {
			if n.events++; n.events%sampled == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				n.peak = max(n.peak, m.HeapInuse+m.StackInuse)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(out, "idle.jsonl"))
	if lines := strings.Count(string(data), "\n"); err != nil || lines != units {
		t.Errorf("%d lines of %d units: %v", lines, units, err)
	}
	files, err := os.ReadDir(filepath.Join(out, "all"))
	if err != nil || len(files) != units {
		t.Errorf("%d files of %d units: %v", len(files), units, err)
	}
	return n, report
}

// It runs by itself, as it measures the memory of the process.
func TestAToolOfManyUnitsReadsEachOnceForEachOutput(t *testing.T) { //nolint:paralleltest // see above
	var few uint64
	for _, units := range []int{*many / 4, *many} {
		n, report := runIdle(t, units)
		each := report.CPU / time.Duration(units)
		t.Logf("%d units: %v, %v of processors for each, %d MB at most", units, report.Elapsed, each.Round(10*time.Microsecond), n.peak>>20)
		const outputs = 2
		if got := n.results.Load(); got != int64(outputs*units) {
			t.Errorf("%d units: the joins read %d results", units, got)
		}
		// One output reads every file to join it. The other copies each. Both read the ends of each file that they publish.
		if got, want := n.opened.Load(), int64(units+2*units+2); got != want {
			t.Errorf("%d units: the joins opened files %d times, want %d", units, got, want)
		}
		if got := n.composed.Load(); got != int64(units) {
			t.Errorf("%d units: the joins copied %d files", units, got)
		}
		if most := outputs*units + 20; n.events > most {
			t.Errorf("%d units: %d events, want at most %d", units, n.events, most)
		}
		if few == 0 {
			few = n.peak
		} else if n.peak > few+16<<20 {
			t.Errorf("%d units took %d MB, a quarter of them %d MB", units, n.peak>>20, few>>20)
		}
	}
}
