package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/ledgertest"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
)

// workerEnv makes this test binary a second process that works on the ledger at the given path.
const workerEnv = "MAPREEL_TEST_LEDGER_WORKER"

func TestMain(m *testing.M) {
	if path := os.Getenv(workerEnv); path != "" {
		if err := workAt(context.Background(), path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLedgerKeepsTheContract(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return open(t, filepath.Join(t.TempDir(), "new", "ledger.db")) })
}

const (
	sharedUnits = 60
	goroutines  = 50 // in each process
)

// Two processes of fifty goroutines each compete for the same units, while this process also reads them,
// as `mapreel jobs` does.
func TestProcessesShareTheLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	if err := l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning}); err != nil {
		t.Fatal(err)
	}
	plan := func(yield func(ledger.Unit) bool) {
		for i := range sharedUnits {
			if !yield(ledger.Unit{ID: fmt.Sprintf("u/%04d", i)}) {
				return
			}
		}
	}
	if err := l.Plan(t.Context(), "j", plan, time.Time{}); err != nil {
		t.Fatal(err)
	}
	second := exec.CommandContext(t.Context(), os.Args[0])
	second.Env = append(os.Environ(), workerEnv+"="+path)
	second.Stderr = os.Stderr
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.Go(second.Wait)
	group.Go(func() error { return work(t.Context(), l) })
	group.Go(func() error {
		reader, err := sqlite.Open(t.Context(), path)
		if err != nil {
			return err
		}
		defer reader.Close()
		for before := 0; before < sharedUnits; {
			n, err := ledgertest.CountUnits(t.Context(), reader, "j", "")
			if err != nil {
				return err
			}
			if n.Done < before || n.Total() != sharedUnits {
				return fmt.Errorf("counted %+v after %d were done", n, before)
			}
			before = n.Done
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for unit, err := range l.Units(t.Context(), "j", "") {
		if err != nil {
			t.Fatal(err)
		}
		if unit.State != ledger.Done || string(unit.Facts) != fmt.Sprint(unit.Attempt) {
			t.Errorf("%s is %s with facts %s of attempt %d", unit.ID, unit.State, unit.Facts, unit.Attempt)
		}
	}
}

func workAt(ctx context.Context, path string) error {
	l, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(work(ctx, l), l.Close())
}

func work(ctx context.Context, l *sqlite.Ledger) error {
	group, ctx := errgroup.WithContext(ctx)
	for g := range goroutines {
		group.Go(func() error {
			for i := range sharedUnits {
				id := fmt.Sprintf("u/%04d", (i+g)%sharedUnits)
				unit, err := l.Begin(ctx, "j", id, "owner", time.Now().Add(time.Minute))
				if err != nil {
					return err
				}
				if unit.State == ledger.Done {
					continue
				}
				facts := json.RawMessage(fmt.Sprint(unit.Attempt))
				if err := l.Complete(ctx, "j", id, unit.Attempt, facts); err != nil && !errors.Is(err, ledger.ErrConflict) {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func TestNewLedgerMayBeOpenedConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	var group errgroup.Group
	for i := range 12 {
		group.Go(func() error {
			l, err := sqlite.Open(t.Context(), path)
			if err != nil {
				return err
			}
			return errors.Join(l.PutJob(t.Context(), ledger.Job{ID: fmt.Sprint(i), State: ledger.JobRunning}), l.Close())
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range open(t, path).Jobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 12 {
		t.Errorf("%d jobs are left of 12", n)
	}
}

func TestRecordsAreInTheNamedFileAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b#c%20?d'é", "led%ger?#.db")
	l, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobDone}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file does not have the requested path: %v", err)
	}
	if job, err := open(t, path).Job(t.Context(), "j"); err != nil || job.State != ledger.JobDone {
		t.Errorf("got %+v, %v", job, err)
	}
}

func TestJobsAreNewestFirst(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	for _, id := range []string{"b", "c", "a"} {
		if err := l.PutJob(t.Context(), ledger.Job{ID: id, State: ledger.JobRunning}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	var got []string
	for job, err := range l.Jobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, job.ID)
	}
	if want := []string{"a", "c", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExpireRemovesExpiredJobsAndOrphanedUnits(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	now := time.Now().Truncate(time.Second)
	plan := slices.Values([]ledger.Unit{{ID: "u"}})
	for id, expires := range map[string]time.Time{
		"past": now.Add(-time.Second), "now": now, "future": now.Add(time.Second), "never": {},
	} {
		if err := l.PutJob(t.Context(), ledger.Job{ID: id, State: ledger.JobRunning, Expires: expires}); err != nil {
			t.Fatal(err)
		}
		if err := l.Plan(t.Context(), id, plan, now.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Plan(t.Context(), "orphan", plan, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := l.Plan(t.Context(), "young orphan", plan, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	ids, err := l.Expire(t.Context(), now, nil)
	if err != nil || !slices.Equal(ids, []string{"past"}) {
		t.Errorf("expired %q, %v, want only the past one", ids, err)
	}
	for id, want := range map[string]int{"past": 0, "now": 1, "future": 1, "never": 1, "orphan": 0, "young orphan": 1} {
		if n, err := ledgertest.CountUnits(t.Context(), l, id, ""); err != nil || n.Total() != want {
			t.Errorf("%s has %d units, %v, want %d", id, n.Total(), err, want)
		}
	}
	if ids, err := l.Expire(t.Context(), now, nil); len(ids) > 0 || err != nil {
		t.Errorf("expired again: %q, %v", ids, err)
	}
}

func TestFileThatIsNotALedgerIsRefusedAndNotChanged(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"text": func(path string) error {
			return os.WriteFile(path, []byte("This is a letter, not a database, and it is longer than a header.\n"), 0o600)
		},
		"another database": func(path string) error { return execute(path, "CREATE TABLE photos (id INTEGER)") },
	} {
		path := filepath.Join(t.TempDir(), "ledger.db")
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sqlite.Open(t.Context(), path)
		if fault.KindOf(err) != fault.Corrupt || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v of kind %s, hint %q, want Corrupt with a hint", name, err, fault.KindOf(err), fault.HintOf(err))
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := execute(path, "CREATE TABLE jobs (id TEXT); PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path); fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
		t.Errorf("got %v of kind %s, want Unsupported with a hint", err, fault.KindOf(err))
	}
}

func TestOlderSchemaIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := execute(path, `
		CREATE TABLE jobs (
			id TEXT PRIMARY KEY, state TEXT NOT NULL, execution TEXT NOT NULL, doc TEXT, failure TEXT,
			created INTEGER NOT NULL, updated INTEGER NOT NULL, expires INTEGER NOT NULL
		) WITHOUT ROWID;
		CREATE TABLE units (
			job TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, begun INTEGER NOT NULL,
			owner TEXT NOT NULL, lease INTEGER NOT NULL, spec TEXT, facts TEXT, failure TEXT,
			updated INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (job, id)
		) WITHOUT ROWID;
		INSERT INTO jobs VALUES ('j', 'failed', 'e', '{"a":1}', NULL, 1000, 2000, 4000000000);
		INSERT INTO units VALUES ('j', 'u', 'failed', 1, 1, 'w', 0, NULL, NULL, NULL, 2000, 4000000000);
		PRAGMA user_version = 1;`); err != nil {
		t.Fatal(err)
	}
	want := ledger.Job{
		ID: "j", State: ledger.JobFailed, Execution: "e", Doc: json.RawMessage(`{"a":1}`),
		Created: time.UnixMilli(1000).UTC(), Updated: time.UnixMilli(2000).UTC(),
		Expires: time.Unix(4000000000, 0).UTC(),
	}
	for range 2 { // the second time nothing is left to migrate
		l := open(t, path)
		if got, err := l.Job(t.Context(), "j"); err != nil || !cmp.Equal(want, got) {
			t.Fatalf("error %v, (-want +got):\n%s", err, cmp.Diff(want, got))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, path)
	if err := l.AddUse(t.Context(), "j", "u", 1, json.RawMessage(`{"ms":7}`)); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Unit(t.Context(), "j", "u"); err != nil || string(got.Used[1]) != `{"ms":7}` {
		t.Errorf("got %+v, %v, want what its attempt used", got, err)
	}
	now := time.Now().Truncate(time.Millisecond).UTC()
	if err := l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning, Execution: "e2", Started: now}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Job(t.Context(), "j"); err != nil || !got.Started.Equal(now) {
		t.Errorf("got %+v, %v, want one started at %v", got, err, now)
	}
}

func TestUnusablePathsAreInvalid(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, filepath.Join(file, "ledger.db"), "/sys/kernel/ledger.db"} {
		if _, err := sqlite.Open(t.Context(), path); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v of kind %s, want Invalid with a hint", path, err, fault.KindOf(err))
		}
	}
}

func execute(path, query string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}
