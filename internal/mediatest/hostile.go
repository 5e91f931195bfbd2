package mediatest

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// HostileFile is a file that declares sizes or counts that would exhaust memory or time if a parser
// believed them.
type HostileFile struct {
	Data []byte
	Size int64      // of the file in bytes, the rest being zeros; 0 is len(Data)
	Kind fault.Kind // of the error that reading it must give; "" if it must be read without error
}

// Budget is what reading one hostile file may cost.
type Budget struct {
	Allocated uint64 // bytes allocated in total, freed or not
	Time      time.Duration
}

// ReadHostileFiles reads each file with read, in a subtest, and fails if the error has another kind
// than the file declares or if reading exceeds the budget. Tests must not run in parallel with it,
// as it measures the process's allocations.
func ReadHostileFiles(t *testing.T, budget Budget, files map[string]HostileFile, read func(t *testing.T, r io.ReaderAt, size int64) error) {
	t.Helper()
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			size := file.Size
			var r io.ReaderAt = SparseFile{file.Data}
			if size == 0 {
				size, r = int64(len(file.Data)), bytes.NewReader(file.Data)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := read(t, r, size)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if fault.KindOf(err) != file.Kind {
				t.Errorf("error %v of kind %q, want %q", err, fault.KindOf(err), file.Kind)
			}
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d MiB, %v", allocated>>20, took)
			if allocated > budget.Allocated {
				t.Errorf("%d MiB were allocated", allocated>>20)
			}
			if took > budget.Time {
				t.Errorf("reading took %v", took)
			}
		})
	}
}
