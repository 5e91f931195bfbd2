package queue_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/queue"
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
