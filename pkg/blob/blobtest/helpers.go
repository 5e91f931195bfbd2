package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mapreel/mapreel/pkg/blob"
)

// put stores body at key.
func put(t *testing.T, s blob.Store, key string, body []byte) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, onlyReader{bytes.NewReader(body)})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return info
}

// holds checks that the object at key equals want.
func holds(t *testing.T, s blob.Store, key string, want []byte) {
	t.Helper()
	got, err := readRange(t.Context(), s, key, 0, -1)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s holds %d bytes %.20q…, want %d bytes %.20q…", key, len(got), got, len(want), want)
	}
}

// wantKeys checks that List yields exactly these keys, in this order.
func wantKeys(t *testing.T, s blob.Store, prefix string, want ...string) {
	t.Helper()
	var got []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		got = append(got, info.Key)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("list %q (-want +got):\n%s", prefix, diff)
	}
}

// readRange reads a range to its end, also if Open returns more bytes than it was asked for.
func readRange(ctx context.Context, s blob.Opener, key string, offset, length int64) ([]byte, error) {
	r, err := s.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

// cut is the model of Open: it returns the range of b.
func cut(b []byte, offset, length int64) []byte {
	b = b[min(offset, int64(len(b))):]
	if length >= 0 {
		b = b[:min(length, int64(len(b)))]
	}
	return b
}

// random returns n pseudo-random bytes that depend on seed alone.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// onlyReader hides the other methods of a reader, such as Seek or WriteTo. A store must not need them.
type onlyReader struct{ io.Reader }

// opaque hides the type of a store, so that it looks like one of another backend.
type opaque struct{ blob.Store }

// failing is a store whose readers fail after half of their range.
type failing struct {
	blob.Store
	err error
}

func (f failing) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := f.Store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, length/2), iotest.ErrReader(f.err)), r}, nil
}

// cancellingReader returns bytes without end, and cancels after the given number.
type cancellingReader struct {
	after  int
	cancel func()
}

func (c *cancellingReader) Read(p []byte) (int, error) {
	if c.after -= len(p); c.after < 0 {
		c.cancel()
	}
	return len(p), nil
}
