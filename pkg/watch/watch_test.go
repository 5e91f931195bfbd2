package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder is a watched folder under test, with jobs that end as outcomes says.
type folder struct {
	*watcher
	t        *testing.T
	now      time.Time
	started  []string // files
	outcomes map[string]Outcome
}

func newFolder(t *testing.T, path string) *folder {
	f := &folder{t: t, now: time.Now(), outcomes: map[string]Outcome{}}
	names := map[string]string{}
	f.watcher = &watcher{Folder{
		Path: path, Settle: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
		Start: func(_ context.Context, name, file string) error {
			names[name] = filepath.Base(file)
			f.started = append(f.started, filepath.Base(file))
			return nil
		},
		Outcome: func(_ context.Context, name string) (Outcome, error) { return f.outcomes[names[name]], nil },
	}, map[string]sight{}}
	return f
}

// after looks at the folder some seconds later.
func (f *folder) after(seconds int) {
	f.t.Helper()
	f.now = f.now.Add(time.Duration(seconds) * time.Second)
	if err := f.look(f.t.Context(), f.now); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.Path, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) has(name string) bool {
	_, err := os.Stat(filepath.Join(f.Path, name))
	return err == nil
}

func TestAFileIsTakenOnceWhenItIsWhole(t *testing.T) {
	t.Parallel()
	f := newFolder(t, t.TempDir())
	f.write("film.mp4", "a")
	for _, name := range []string{".film.mp4", "film.mp4.part", "empty.mp4", "note.error.txt"} {
		f.write(name, strings.Repeat("x", len(name)-len("empty.mp4")))
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(f.Path, "link.mp4")); err != nil {
		t.Fatal(err)
	}
	f.after(0)
	f.after(4)
	f.write("film.mp4", "ab") // it still grows
	f.after(2)
	f.after(4)
	if len(f.started) > 0 {
		t.Errorf("%q were taken before they were whole", f.started)
	}
	f.after(2)
	f.after(2)
	f.after(100)
	if got := strings.Join(f.started, " "); got != "film.mp4" {
		t.Errorf("taken were %q, want film.mp4, once", got)
	}
}

func TestWhatIsDoneIsMovedAndWhatFailedIsMarked(t *testing.T) {
	t.Parallel()
	f := newFolder(t, t.TempDir())
	f.write("good.mp4", "good")
	f.write("bad.mp4", "bad")
	f.outcomes["bad.mp4"] = Outcome{Ended: true, Failure: "Corrupt: torn"}
	f.after(0)
	f.after(5)
	f.after(5)
	if !f.has("good.mp4") || !f.has("bad.mp4") {
		t.Fatal("a file whose job runs is gone")
	}
	f.outcomes["good.mp4"] = Outcome{Ended: true}
	f.after(5)
	f.after(5)
	text, err := os.ReadFile(filepath.Join(f.Path, "bad.mp4.error.txt"))
	if f.has("good.mp4") || !f.has("done/good.mp4") || !f.has("bad.mp4") || string(text) != "Corrupt: torn\n" || err != nil {
		t.Errorf("good is done: %t; bad is there: %t, with %q, %v", f.has("done/good.mp4"), f.has("bad.mp4"), text, err)
	}
	f.outcomes["bad.mp4"] = Outcome{Ended: true, Failure: "OutOfSpace: full"} // it was redriven, and failed again
	f.after(5)
	if text, err := os.ReadFile(filepath.Join(f.Path, "bad.mp4.error.txt")); string(text) != "OutOfSpace: full\n" || err != nil {
		t.Errorf("after another failure it is marked with %q, %v", text, err)
	}
	f.outcomes["bad.mp4"] = Outcome{Ended: true} // it was redriven
	f.after(5)
	if f.has("bad.mp4") || f.has("bad.mp4.error.txt") || !f.has("done/bad.mp4") {
		t.Error("a job that succeeded after all is still marked")
	}
	// Another film of the same name is another job, and replaces nothing.
	f.write("good.mp4", "another")
	f.after(1)
	f.after(5)
	f.after(5)
	list, err := os.ReadDir(filepath.Join(f.Path, "done"))
	if err != nil || len(list) != 3 || len(f.started) != 3 {
		t.Errorf("done are %v, %v; started were %q", list, err, f.started)
	}
}

func TestTheNameOfAJobFollowsFromItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("Süß & \x1b[1m", 20)+".mp4")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	name := jobName(path, info)
	if len(name) > 80 || unsafe.MatchString(name) || name != jobName(path, info) {
		t.Errorf("the name is %q", name)
	}
}
