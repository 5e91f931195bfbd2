// Package filmtest runs units of a film in tests, on small sources that ffmpeg generates.
package filmtest

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/source"
	"github.com/mapreel/mapreel/pkg/work"
)

// Job is the ID of the jobs.
const Job = "film"

// find looks for the tools once for all tests of a package: it starts ffmpeg.
var find = sync.OnceValues(func() (ffmpeg.Tools, error) {
	return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{})
})

// Tools returns the ffmpeg of this machine. Without it the test fails.
func Tools(t *testing.T) ffmpeg.Tools {
	t.Helper()
	tools, err := find()
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// Store returns a store in a folder of the test.
func Store(t *testing.T) *dir.Store {
	t.Helper()
	store, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// Source has ffmpeg generate the file name with args, and examines it. It returns the store that
// holds it.
func Source(t *testing.T, name string, args ...string) (source.Found, blob.Store) {
	t.Helper()
	return examine(t, generate(t, name, args...))
}

// Joined is Source for a file whose bytes are those of several, one for each list of arguments.
func Joined(t *testing.T, name string, parts ...[]string) (source.Found, blob.Store) {
	t.Helper()
	var all []byte
	path := filepath.Join(t.TempDir(), name)
	for _, args := range parts {
		data, err := os.ReadFile(generate(t, name, args...))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return examine(t, path)
}

// generate has ffmpeg generate the file name with args, and returns its path.
func generate(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args = append([]string{"-v", "error", "-nostdin"}, append(args, "file:"+path)...)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func examine(t *testing.T, path string) (source.Found, blob.Store) {
	t.Helper()
	name := filepath.Base(path)
	files, err := dir.New(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	found, err := source.Examine(t.Context(), Tools(t), files, name, name, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found, files
}

// Run does a unit of a job whose source lies in files, and decodes its facts.
func Run(t *testing.T, kind work.Kind, job film.Job, unit string, files, scratch blob.Store, facts any) work.Result {
	t.Helper()
	return RunSpec(t, kind, job, unit, nil, files, scratch, facts)
}

// RunSpec is Run for a unit with a specification.
func RunSpec(t *testing.T, kind work.Kind, job film.Job, unit string, spec any, files, scratch blob.Store, facts any) work.Result {
	t.Helper()
	about, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	env := &work.Env{
		Job: Job, Doc: doc, Unit: unit, Attempt: 1, Dir: t.TempDir(), Scratch: scratch,
		Resolve:  func(_ context.Context, url string) (blob.Store, string, error) { return files, url, nil },
		Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
	}
	r, err := kind.Run(t.Context(), env, work.Unit{Name: unit, Spec: about})
	if err == nil {
		err = json.Unmarshal(r.Facts, facts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
