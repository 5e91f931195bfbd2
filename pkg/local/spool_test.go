package local

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
)

func receive(t *testing.T, source string, opts Options, stdin io.Reader) (string, Options, error) {
	t.Helper()
	request, err := json.Marshal(map[string]any{"source": source, "destination": "/d"})
	if err != nil {
		t.Fatal(err)
	}
	request, opts, err = Receive(t.Context(), request, opts, Input{Stdin: stdin})
	if err != nil {
		return "", opts, err
	}
	source, err = sourceOf(request)
	if err != nil {
		t.Fatal(err)
	}
	return source, opts, nil
}

// What comes through a pipe is named by its bytes, so that the same input continues the same job.
func TestAPipeIsStoredUnderItsDigest(t *testing.T) {
	t.Parallel()
	opts := Options{Scratch: filepath.Join(t.TempDir(), "scratch")}
	first, with, err := receive(t, Pipe, opts, strings.NewReader("a film"))
	if err != nil || !origin.Piped(first) {
		t.Fatalf("%s, %v", first, err)
	}
	copied := with.Places.Spooled[first]
	if data, err := os.ReadFile(copied.Path); err != nil || string(data) != "a film" || filepath.Base(copied.Path) != "stdin" {
		t.Errorf("%+v: %q, %v", copied, data, err)
	}
	again, _, err := receive(t, Pipe, opts, strings.NewReader("a film"))
	if err != nil || again != first {
		t.Errorf("the same input: %s and %s, %v", first, again, err)
	}
	other, _, err := receive(t, Pipe, opts, strings.NewReader("another film"))
	if err != nil || other == first {
		t.Errorf("another input has the same name %s, %v", other, err)
	}
	store, key, err := with.places().Resolve(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := store.Stat(t.Context(), key); err != nil || info.Version != copied.Version || !strings.HasPrefix(info.Version, "sha256:") || info.Size != 6 {
		t.Errorf("%+v, %v", info, err)
	}
	home, err := makeScratch(opts.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	home.discardSpooled(with.Places)
	if _, err := os.Stat(filepath.Dir(copied.Path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
	if _, _, err := receive(t, Pipe, opts, strings.NewReader("")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("empty input: %v", err)
	}
}

func TestWhatCannotBeStoredLeavesNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	full := func(string) (Disk, error) { return Disk{Free: spaceLeft - 1}, nil }
	for name, c := range map[string]struct {
		in   io.Reader
		disk func(string) (Disk, error)
		want fault.Kind
	}{
		"a full disk":   {io.LimitReader(zeros{}, spaceEvery+1), full, fault.OutOfSpace},
		"a broken pipe": {io.MultiReader(strings.NewReader("a"), failing{broken}), nil, fault.Internal},
	} {
		opts := Options{Scratch: filepath.Join(t.TempDir(), "scratch"), Disk: c.disk}
		if _, _, err := receive(t, Pipe, opts, c.in); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v (%v)", name, err, fault.KindOf(err))
		}
		if left, err := os.ReadDir(filepath.Join(opts.Scratch, spooledFolder)); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An interrupt ends the wait for a writer that does not write.
func TestAnInterruptEndsTheWaitForAPipe(t *testing.T) {
	t.Parallel()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	_, _, err = Receive(ctx, json.RawMessage(`{"source":"-"}`), Options{Scratch: filepath.Join(t.TempDir(), "s")}, Input{Stdin: in})
	if !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestAWebServerWithoutRangesIsReadOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.RawQuery != "token=topsecret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte("a film"))
	}))
	defer site.Close()
	opts := Options{Scratch: filepath.Join(t.TempDir(), "scratch")}
	var said []string
	request, err := json.Marshal(map[string]any{"source": site.URL + "/film.mkv?token=topsecret"})
	if err != nil {
		t.Fatal(err)
	}
	request, with, err := Receive(t.Context(), request, opts, Input{Say: func(s string) { said = append(said, s) }})
	if err != nil {
		t.Fatal(err)
	}
	source, _ := sourceOf(request)
	if source != site.URL+"/film.mkv" || strings.Contains(string(request)+strings.Join(said, ""), "topsecret") || len(said) == 0 {
		t.Errorf("%s, said %q", request, said)
	}
	store, key, err := with.places().Resolve(t.Context(), source)
	if err != nil || key != "film.mkv" {
		t.Fatal(key, err)
	}
	if data, err := blob.ReadRange(t.Context(), store, key, 2, -1); err != nil || string(data) != "film" || asked != 2 {
		t.Errorf("%q, %v, %d requests", data, err, asked)
	}
}

// A server reads and writes what its operator names, and records no password.
func TestRootsHoldForURLs(t *testing.T) {
	t.Parallel()
	roots := []string{t.TempDir(), "https://example.com/films/"}
	for location, want := range map[string]string{
		"https://example.com/films/a.mkv":       "",
		"https://example.com/other/a.mkv":       "outside",
		"https://u:p@example.com/films/a.mkv":   "record",
		"https://example.com/films/a.mkv?sig=1": "record",
		"http://169.254.169.254/latest":         "outside",
		"s3://bucket/a.mkv":                     "outside",
	} {
		err := CheckPath(location, roots)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") || strings.Contains(err.Error(), "sig")) {
			t.Errorf("%s: %v, want %q", location, err, want)
		}
	}
}

func TestCopiesThatNoJobUses(t *testing.T) {
	t.Parallel()
	home, err := makeScratch(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := home.Sub(spooledFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"digest", "other"} {
		if err := os.Mkdir(filepath.Join(folder.Path(), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	temp := filepath.Join(folder.Path(), blob.Reserved+"1")
	if err := os.WriteFile(temp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-spooledAge - time.Hour)
	if err := os.Chtimes(filepath.Join(folder.Path(), "digest"), old, old); err != nil {
		t.Fatal(err)
	}
	if list, err := leftSpooled(folder, time.Now()); err != nil || len(list) != 1 || filepath.Base(list[0]) != "digest" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := leftSpooled(folder, time.Now().Add(time.Hour)); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}
