package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/queue"
	"github.com/mapreel/mapreel/pkg/work"
)

// memory returns the bytes that are in use on the heap.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// This test measures memory, so it does not run beside others.
func TestQueuedExecutionsCostNextToNoMemory(t *testing.T) {
	const jobs, most = 1000, 1 << 20
	store, err := history.Open(t.Context(), filepath.Join(t.TempDir(), history.File))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	q := queue.New(store, queue.Options{Local: local.Options{Scratch: t.TempDir()}})
	request, err := json.Marshal(map[string]string{"source": "/films/film.mp4", "destination": "/films/out"})
	if err != nil {
		t.Fatal(err)
	}
	before := memory()
	for i := range jobs {
		if _, err := q.Start(t.Context(), fmt.Sprintf("film-%04d", i), request); err != nil {
			t.Fatal(err)
		}
	}
	if used := memory() - before; used > most {
		t.Errorf("%d queued jobs take %d bytes, want at most %d", jobs, used, most)
	}
	list, err := store.Unfinished(t.Context(), "")
	if err != nil || len(list) != jobs || !slices.IsSorted(list) {
		t.Errorf("%d are recorded, in order: %t, %v", len(list), slices.IsSorted(list), err)
	}
	at, err := q.Stop(t.Context(), list[0], "", "no need")
	if err != nil || at.IsZero() || time.Since(at) > time.Minute {
		t.Errorf("stopped at %v, %v", at, err)
	}
	if left, err := store.Unfinished(t.Context(), ""); err != nil || len(left) != jobs-1 {
		t.Errorf("%d are left, %v; want %d", len(left), err, jobs-1)
	}
}

// What a command asked for besides its request holds when a server redrives its execution.
func TestARedriveKeepsTheOptionsOfTheExecution(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options history.Options
		output  string // what is at the output before
		status  history.Status
		kept    bool // the artifacts
	}{
		{status: history.Succeeded},
		{options: history.Options{KeepScratch: true}, status: history.Succeeded, kept: true},
		{options: history.Options{KeepOutputs: true}, output: "another's", status: history.Failed},
	} {
		root, scratch := t.TempDir(), t.TempDir()
		store, err := history.Open(t.Context(), filepath.Join(scratch, history.File))
		if err != nil {
			t.Fatal(err)
		}
		output := filepath.Join(root, "noise.wav.sha256")
		if c.output != "" {
			if err := os.WriteFile(output, []byte(c.output), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		request, err := json.Marshal(map[string]any{"source": toytest.NoisyWAV(t, 8000, 2), "destination": root, "checksums": map[string]any{"seconds": 1}})
		if err != nil {
			t.Fatal(err)
		}
		arn := history.ExecutionARN("film")
		x := history.Execution{ARN: arn, Name: "film", Machine: history.MachineARN, Owner: "gone", Input: request, Started: time.Now(), Options: c.options}
		if _, err := store.Create(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if err := store.End(t.Context(), arn, history.Aborted, "Interrupted", "", time.Now()); err != nil {
			t.Fatal(err)
		}
		q := queue.New(store, queue.Options{
			Local: local.Options{Scratch: scratch, Jobs: 1}, Outputs: func(json.RawMessage) []string { return []string{output} },
			Prepare: func(_ context.Context, o *local.Options) error { o.Registry = toy.Add(work.Registry{}); return nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- q.Run(ctx) }()
		if _, err := q.Redrive(t.Context(), arn); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if x, err = store.Execution(t.Context(), arn); err != nil {
				t.Fatal(err)
			}
			if x.Ended() {
				break
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if x.Status != c.status || x.Options != c.options {
			t.Errorf("%+v: %s %s: %s, options %+v; want %s", c.options, x.Status, x.Error, x.Cause, x.Options, c.status)
		}
		if kept := artifacts(t, scratch) > 0; kept != c.kept {
			t.Errorf("%+v: artifacts are kept: %t", c.options, kept)
		}
		if text, _ := os.ReadFile(output); c.output != "" && string(text) != c.output {
			t.Errorf("%+v: the output was replaced by %q", c.options, text)
		}
		_ = store.Close()
	}
}

// artifacts counts the files of units in a scratch folder.
func artifacts(t *testing.T, scratch string) (n int) {
	err := filepath.WalkDir(scratch, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(path, "checksum") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
