package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
)

func newStore(t *testing.T) *dir.Store {
	t.Helper()
	s, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s blob.Store, key, body string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

// request is one call of Open.
type request struct{ Offset, Length int64 }

// recorder is an Opener over bytes that records its requests.
type recorder struct {
	body     []byte
	requests []request
	unclosed int
	readErr  error // returned at the end of the bytes; nil: io.EOF
}

func (r *recorder) Open(_ context.Context, _ string, offset, length int64) (io.ReadCloser, error) {
	r.requests = append(r.requests, request{offset, length})
	r.unclosed++
	rest := r.body[min(offset, int64(len(r.body))):]
	var body io.Reader = bytes.NewReader(rest[:min(length, int64(len(rest)))])
	if r.readErr != nil {
		body = io.MultiReader(body, iotest.ErrReader(r.readErr))
	}
	return closer{body, r}, nil
}

type closer struct {
	io.Reader
	r *recorder
}

func (c closer) Close() error {
	c.r.unclosed--
	return nil
}

func TestReadRangeReturnsTheRange(t *testing.T) {
	s := newStore(t)
	put(t, s, "a", "0123456789")
	for _, c := range []struct {
		request
		want string
	}{
		{request{0, 3}, "012"},
		{request{4, 2}, "45"},
		{request{8, 5}, "89"},
		{request{10, 5}, ""},
		{request{4, 0}, ""},
		{request{7, -1}, "789"},
	} {
		got, err := blob.ReadRange(t.Context(), s, "a", c.Offset, c.Length)
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: got %q, %v, want %q", c.request, got, err, c.want)
		}
	}
}

func TestReadRangeReturnsTheErrorsOfOpenAndRead(t *testing.T) {
	if _, err := blob.ReadRange(t.Context(), newStore(t), "absent", 0, 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
	boom := errors.New("boom")
	r := &recorder{body: []byte("01"), readErr: boom}
	if _, err := blob.ReadRange(t.Context(), r, "a", 0, 5); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
	if r.unclosed != 0 {
		t.Errorf("%d readers were left open", r.unclosed)
	}
}

func TestReaderReadsAhead(t *testing.T) {
	body := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	r := &recorder{body: body}
	reader := blob.ReaderAt(t.Context(), r, "a", int64(len(body)))
	read := func(offset int64, n int) {
		t.Helper()
		p := make([]byte, n)
		if got, err := reader.ReadAt(p, offset); err != nil || !bytes.Equal(p, body[offset:offset+int64(n)]) {
			t.Errorf("%d bytes at %d: got %d bytes, %v", n, offset, got, err)
		}
	}
	read(0, 8)
	read(8, 16)     // from the first read
	read(16380, 4)  // its last bytes
	read(50, 30000) // larger than what is read ahead
	read(70, 4)     // the large read replaced nothing
	read(99_990, 10)
	want := []request{{0, 16384}, {50, 30000}, {99_990, 10}}
	if diff := cmp.Diff(want, r.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if reader.Total() != 16384+30000+10 || reader.Size() != 100_000 || r.unclosed != 0 {
		t.Errorf("total %d, size %d, %d readers left open", reader.Total(), reader.Size(), r.unclosed)
	}
}

func TestReaderEqualsTheObject(t *testing.T) {
	body := make([]byte, 70_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(0, len(body)).Draw(rt, "size")
		r := blob.ReaderAt(t.Context(), &recorder{body: body[:size]}, "a", int64(size))
		want := bytes.NewReader(body[:size])
		for range 5 {
			offset := int64(rapid.IntRange(0, size+10).Draw(rt, "offset"))
			n := rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, 40_000)).Draw(rt, "length")
			got, expected := make([]byte, n), make([]byte, n)
			gotN, gotErr := r.ReadAt(got, offset)
			wantN, wantErr := want.ReadAt(expected, offset)
			if gotN != wantN || !errors.Is(gotErr, wantErr) || !slices.Equal(got[:gotN], expected[:wantN]) {
				rt.Fatalf("%d bytes at %d of %d: got %d bytes and %v, want %d and %v", n, offset, size, gotN, gotErr, wantN, wantErr)
			}
		}
	})
}

func TestReaderReturnsTheErrorsOfTheStore(t *testing.T) {
	boom := errors.New("boom")
	for _, n := range []int{4, 30_000} {
		r := blob.ReaderAt(t.Context(), &recorder{body: []byte("01"), readErr: boom}, "a", 100_000)
		if _, err := r.ReadAt(make([]byte, n), 0); !errors.Is(err, boom) {
			t.Errorf("%d bytes: got %v, want %v", n, err, boom)
		}
		r = blob.ReaderAt(t.Context(), &recorder{body: []byte("01")}, "a", 100_000) // shorter than its size
		if got, err := r.ReadAt(make([]byte, n), 0); got != 2 || !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes of a truncated object: got %d bytes and %v, want 2 and io.EOF", n, got, err)
		}
	}
	if _, err := blob.ReaderAt(t.Context(), newStore(t), "absent", 10).ReadAt(make([]byte, 1), 0); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
}

func openFile(t *testing.T, body string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFileOpensAnyRangeAndStaysOpen(t *testing.T) {
	f := openFile(t, "0123456789")
	for _, c := range []struct {
		request
		want string
	}{
		{request{0, -1}, "0123456789"},
		{request{3, 4}, "3456"},
		{request{8, 5}, "89"},
		{request{20, 1}, ""},
		{request{20, -1}, ""},
	} {
		r, err := blob.NewFile(f).Open(t.Context(), "any", c.Offset, c.Length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || string(got) != c.want {
			t.Errorf("%+v: got %q, %v, want %q", c.request, got, err, c.want)
		}
	}
	for _, c := range []request{{-1, 1}, {0, -2}} {
		if _, err := blob.NewFile(f).Open(t.Context(), "any", c.Offset, c.Length); fault.KindOf(err) != fault.Internal {
			t.Errorf("%+v: got %v, want Internal", c, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := blob.NewFile(f).Open(ctx, "any", 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestComposeReadsFilesBesideObjects(t *testing.T) {
	s, f := newStore(t), openFile(t, "head and more")
	put(t, s, "a", "body")
	info, err := s.Compose(t.Context(), "out", []blob.Part{
		{From: blob.NewFile(f), Key: "header", Length: 2},
		{From: blob.NewFile(f), Key: "header", Offset: 2, Length: 3},
		{From: s, Key: "a", Length: 4},
	})
	if err != nil || info.Size != 9 {
		t.Fatalf("got %+v, %v", info, err)
	}
	if got, err := blob.ReadRange(t.Context(), s, "out", 0, -1); err != nil || string(got) != "head body" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = s.Compose(t.Context(), "out", []blob.Part{{From: blob.NewFile(f), Key: "header", Length: 100}})
	if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), "header") {
		t.Errorf("a part beyond the end of the file: got %v of kind %s, want Corrupt and the part's name", err, fault.KindOf(err))
	}
}
