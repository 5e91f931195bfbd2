package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
)

// Leftovers are removed, what a live process uses is kept, and a dry run changes nothing.
func TestCollectRemovesLeftovers(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	l, err := sqlite.Open(t.Context(), filepath.Join(scratch, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(name string, age time.Duration) string {
		path := filepath.Join(scratch, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("bytes"), 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		return path
	}
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	live, dead := fmt.Sprintf("local-%d-1", os.Getpid()), "local-999999999-1"
	for id, record := range map[string]ledger.Job{
		"failed":  {State: ledger.JobFailed, Execution: live, Expires: past},
		"killed":  {State: ledger.JobRunning, Execution: dead, Expires: past},
		"running": {State: ledger.JobRunning, Execution: live, Expires: past},
		"recent":  {State: ledger.JobRunning, Execution: dead, Expires: future},
	} {
		record.ID, record.Doc = id, []byte(`{}`)
		if err := l.PutJob(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		write("pieces/"+id+"/a.mp4", 2*time.Hour)
	}
	write("pieces/orphan/a.mp4", 2*time.Hour)
	write("pieces/fresh/a.mp4", 0)
	write("locks/gone.tmp/x", 0)
	write("locks/gone", 0)
	write("locks/held.tmp/x", 0)
	held, err := os.Open(write("locks/held", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}

	leftovers := []string{"locks/gone.tmp", "pieces/failed", "pieces/killed", "pieces/orphan"}
	kept := []string{"locks/held", "locks/held.tmp/x", "pieces/fresh/a.mp4", "pieces/recent/a.mp4", "pieces/running/a.mp4"}
	for _, dry := range []bool{true, false} {
		list, err := local.Collect(t.Context(), scratch, dry)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, left := range list {
			name, _ := filepath.Rel(scratch, left.Path)
			got = append(got, name)
			if left.Bytes != 5 || left.Why == "" {
				t.Errorf("%+v: want 5 bytes and a reason", left)
			}
		}
		if slices.Sort(got); !slices.Equal(got, leftovers) {
			t.Errorf("dry %v: %q, want %q", dry, got, leftovers)
		}
		for _, name := range leftovers {
			if _, err := os.Stat(filepath.Join(scratch, name)); (err == nil) != dry {
				t.Errorf("dry %v: %s: %v", dry, name, err)
			}
		}
		for _, name := range kept {
			if _, err := os.Stat(filepath.Join(scratch, name)); err != nil {
				t.Errorf("dry %v: %v", dry, err)
			}
		}
	}
	if list, err := local.Collect(t.Context(), scratch, false); len(list) > 0 || err != nil {
		t.Errorf("the second time: %v, %v", list, err)
	}
	if list, err := local.Collect(t.Context(), t.TempDir(), false); len(list) > 0 || err != nil {
		t.Errorf("in a folder without jobs: %v, %v", list, err)
	}
}
