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
	"github.com/mapreel/mapreel/pkg/ledger/ledgertest"
)

func openTemp(t *testing.T, timeout time.Duration) *Ledger {
	t.Helper()
	l, err := open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestFullDiskIsOutOfSpaceAndLosesNothing(t *testing.T) {
	l := openTemp(t, busyTimeout)
	if err := l.PutJob(t.Context(), ledger.Job{ID: "before", State: ledger.JobDone}); err != nil {
		t.Fatal(err)
	}
	// SQLite returns SQLITE_FULL for a file that may not grow, as for a full disk.
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
	if fault.KindOf(err) != fault.OutOfSpace || !strings.Contains(fault.HintOf(err), filepath.Dir(l.Path)) {
		t.Errorf("got %v of kind %s with hint %q, want OutOfSpace with the folder's name", err, fault.KindOf(err), fault.HintOf(err))
	}
	if job, err := l.Job(t.Context(), "before"); err != nil || job.State != ledger.JobDone {
		t.Errorf("the earlier job is now %+v, %v", job, err)
	}
	if n, err := ledgertest.CountUnits(t.Context(), l, "j", ""); err != nil || n.Total() != 0 {
		t.Errorf("half a page of units was kept: %+v, %v", n, err)
	}
}

func TestLockHeldTooLongIsTransient(t *testing.T) {
	const timeout = 100 * time.Millisecond
	l := openTemp(t, timeout)
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
		t.Errorf("a writer blocks a reader: %v", err)
	}
}

func TestWaitForTheLockEndsWithTheContext(t *testing.T) {
	l := openTemp(t, time.Hour)
	hold(t, l)
	cause := errors.New("the user had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	if err := l.PutJob(ctx, ledger.Job{ID: "j", State: ledger.JobRunning}); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}

// hold takes the file's write lock until the test ends, as another process does during a change.
func hold(t *testing.T, l *Ledger) {
	t.Helper()
	other, err := open(t.Context(), l.Path, busyTimeout)
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
