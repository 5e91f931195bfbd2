package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

func opened(t *testing.T, timeout time.Duration) *Ledger {
	t.Helper()
	l, err := open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestFullDiskIsOutOfSpaceAndKeepsWhatWasThere(t *testing.T) {
	l := opened(t, busyTimeout)
	if err := l.PutJob(t.Context(), ledger.Job{ID: "before", State: ledger.JobDone}); err != nil {
		t.Fatal(err)
	}
	// SQLite gives the same SQLITE_FULL for a file that may not grow as for a disk that is full.
	if _, err := l.write.ExecContext(t.Context(), "PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	plan := func(yield func(ledger.Unit) bool) {
		spec := json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)
		for i := range 1000 {
			if !yield(ledger.Unit{ID: fmt.Sprint(i), Spec: spec}) {
				return
			}
		}
	}
	err := l.Plan(t.Context(), "j", plan, time.Time{})
	if fault.KindOf(err) != fault.OutOfSpace || !strings.Contains(fault.HintOf(err), filepath.Dir(l.path)) {
		t.Errorf("got %v of kind %s with hint %q, want OutOfSpace that names the folder", err, fault.KindOf(err), fault.HintOf(err))
	}
	if job, err := l.Job(t.Context(), "before"); err != nil || job.State != ledger.JobDone {
		t.Errorf("after that: %+v, %v", job, err)
	}
	if n, err := l.Count(t.Context(), "j", ""); err != nil || n.Total() != 0 {
		t.Errorf("half a page of units was kept: %+v, %v", n, err)
	}
}

func TestLedgerHeldTooLongIsTransient(t *testing.T) {
	const timeout = 100 * time.Millisecond
	l := opened(t, timeout)
	hold(t, l)
	start := time.Now()
	err := l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning})
	if fault.KindOf(err) != fault.Transient || fault.HintOf(err) == "" {
		t.Errorf("got %v of kind %s, want Transient with a hint", err, fault.KindOf(err))
	}
	if waited := time.Since(start); waited < timeout {
		t.Errorf("gave up after %v, want at least %v", waited, timeout)
	}
	if _, err := l.Job(t.Context(), "j"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a reader is hindered by who writes: %v", err)
	}
}

func TestWaitForALedgerEndsWithTheContext(t *testing.T) {
	l := opened(t, time.Hour)
	hold(t, l)
	cause := errors.New("the user had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	if err := l.PutJob(ctx, ledger.Job{ID: "j", State: ledger.JobRunning}); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}

// hold takes the file's write lock, as another process in the middle of a change does.
func hold(t *testing.T, l *Ledger) {
	t.Helper()
	other, err := open(t.Context(), l.path, l.timeout)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tx.Rollback()
		_ = other.Close()
	})
}
