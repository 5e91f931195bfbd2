// Package blobtest is the contract of blob.Store as a test suite. Every store passes it:
//
//	func TestStore(t *testing.T) {
//		blobtest.Run(t, func(t *testing.T) blob.Store { return newEmptyStore(t) })
//	}
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// pageOfKeys is one more object than S3 returns in a page of List, the largest page of any store.
const pageOfKeys = 1001

// Run tests that the stores returned by open keep the contract of blob.Store. Each call of open
// returns an empty store of the same type, which shares no object with the others. They may share a
// backend.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for name, test := range map[string]func(*testing.T, func(*testing.T) blob.Store){
		"Open reads any range of an object":               testRanges,
		"Put takes empty, small and large objects":        testSizes,
		"Put publishes nothing when its reader fails":     testPutFails,
		"Put replaces the object and its version":         testReplace,
		"concurrent Puts publish one whole object":        testConcurrentPuts,
		"an open reader never mixes two objects":          testReaderSurvives,
		"Compose joins bytes and ranges":                  testCompose,
		"Compose of large parts equals their bytes":       testComposeLarge,
		"Compose of many small parts equals their bytes":  testComposeMany,
		"Compose may read the object that it replaces":    testComposeSelf,
		"Compose publishes nothing when a part fails":     testComposeFails,
		"any Compose equals its parts joined":             testComposeProperty,
		"List is ordered, by prefix, and may stop early":  testList,
		"List continues beyond a page":                    testListPages,
		"Delete removes one object and is idempotent":     testDelete,
		"keys may hold any character":                     testKeys,
		"keys that leave the store are refused":           testBadKeys,
		"absent objects are NotFound":                     testAbsent,
		"invalid ranges and parts are refused":            testInvalidArguments,
		"a cancelled context ends every call":             testCancelled,
		"a context cancelled in a body publishes nothing": testCancelledMidway,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func testRanges(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	const size = 1000
	body := random(1, size)
	put(t, s, "a/b", body)
	for _, r := range []struct{ offset, length int64 }{
		{0, -1},
		{0, 0},
		{0, 1},
		{0, size},
		{0, size + 1},
		{1, -1},
		{1, 2},
		{size - 1, 1},
		{size - 1, -1},
		{size - 1, 5},
		{size, -1},
		{size, 0},
		{size, 1},
		{size + 1, -1},
		{size + 1, 7},
		{1 << 40, -1},
		{1 << 40, 1},
	} {
		got, err := readRange(t.Context(), s, "a/b", r.offset, r.length)
		if err != nil {
			t.Errorf("%d bytes from %d: %v", r.length, r.offset, err)
		} else if want := cut(body, r.offset, r.length); !bytes.Equal(got, want) {
			t.Errorf("%d bytes from %d: got %d bytes, want %d (or they differ)", r.length, r.offset, len(got), len(want))
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		offset := rapid.Int64Range(0, size+10).Draw(rt, "offset")
		length := rapid.Int64Range(-1, size+10).Draw(rt, "length")
		got, err := readRange(t.Context(), s, "a/b", offset, length)
		if want := cut(body, offset, length); err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("got %d bytes and %v, want %d", len(got), err, len(want))
		}
	})
}

func testSizes(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	// Near 5 MiB and 8 MiB S3 clients change from one request to several.
	for i, size := range []int{0, 1, 4096, 5<<20 - 1, 5 << 20, 8<<20 + 1, 21 << 20} {
		key := fmt.Sprint("size/", size)
		body := random(uint64(i), size)
		info, err := s.Put(t.Context(), key, onlyReader{bytes.NewReader(body)})
		if err != nil {
			t.Fatalf("put %d bytes: %v", size, err)
		}
		if info.Key != key || info.Size != int64(size) || info.Version == "" {
			t.Errorf("put %d bytes returns %+v", size, info)
		}
		holds(t, s, key, body)
		stat, err := s.Stat(t.Context(), key)
		if err != nil {
			t.Fatalf("stat: %v", err)
		}
		if diff := cmp.Diff(info, stat, cmpopts.IgnoreFields(blob.Info{}, "Modified")); diff != "" {
			t.Errorf("Put and Stat differ (-put +stat):\n%s", diff)
		}
		if stat.Modified.IsZero() {
			t.Errorf("stat returns no modification time of %s", key)
		}
	}
}

func testPutFails(t *testing.T, open func(*testing.T) blob.Store) {
	boom := errors.New("the source failed")
	for _, size := range []int{0, 10, 9 << 20} {
		s := open(t)
		failing := func() io.Reader {
			return io.MultiReader(bytes.NewReader(random(1, size)), iotest.ErrReader(boom))
		}
		if _, err := s.Put(t.Context(), "a/new", failing()); !errors.Is(err, boom) {
			t.Errorf("after %d bytes: got %v, want the reader's error", size, err)
		}
		wantKeys(t, s, "")
		put(t, s, "a/old", []byte("old"))
		if _, err := s.Put(t.Context(), "a/old", failing()); !errors.Is(err, boom) {
			t.Errorf("after %d bytes: got %v, want the reader's error", size, err)
		}
		holds(t, s, "a/old", []byte("old"))
		wantKeys(t, s, "", "a/old")
	}
}

func testReplace(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	versions := map[string]bool{}
	const n = 20
	for i := range n { // of equal size and in quick succession: size and a coarse clock must not be all of Version
		body := []byte(fmt.Sprintf("body %03d", i))
		info := put(t, s, "a", body)
		if versions[info.Version] {
			t.Fatalf("replacement %d has the version of an earlier object: %q", i, info.Version)
		}
		versions[info.Version] = true
		holds(t, s, "a", body)
		if stat, err := s.Stat(t.Context(), "a"); err != nil || stat.Version != info.Version {
			t.Fatalf("stat returns version %q, %v; put returned %q", stat.Version, err, info.Version)
		}
	}
	put(t, s, "a", []byte("shorter"))
	holds(t, s, "a", []byte("shorter"))
	wantKeys(t, s, "", "a")
}

func testConcurrentPuts(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	const writers = 8
	var group errgroup.Group
	bodies := make([][]byte, writers)
	for i := range writers {
		bodies[i] = bytes.Repeat([]byte{byte('a' + i)}, 300_000+i)
		group.Go(func() error {
			_, err := s.Put(t.Context(), "deep/er/key", onlyReader{bytes.NewReader(bodies[i])})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	got, err := readRange(t.Context(), s, "deep/er/key", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(bodies, func(b []byte) bool { return bytes.Equal(b, got) }) {
		t.Errorf("the object of %d bytes equals none of those written", len(got))
	}
	wantKeys(t, s, "", "deep/er/key")
}

func testReaderSurvives(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	const size = 3 << 20
	first, second := bytes.Repeat([]byte{1}, size), bytes.Repeat([]byte{2}, size)
	put(t, s, "a", first)
	r, err := s.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", second)
	rest, err := io.ReadAll(r)
	if err != nil {
		return // a reader may fail, but not mix objects
	}
	if got := append(head, rest...); !bytes.Equal(got, first) && !bytes.Equal(got, second) {
		t.Errorf("the reader returned %d bytes of more than one object", len(got))
	}
}

func testList(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	wantKeys(t, s, "")
	keys := []string{
		"a-b", "a.b", "a/b", "a/b.c/d", "a/b0", "a/c/d/e", "a0", "ab", "b/a", "b/\u00e9", "b/\U0001F3AC", "c d/e f", "z",
	}
	slices.Sort(keys)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(keys)) {
		put(t, s, keys[i], []byte(keys[i]))
	}
	for _, prefix := range []string{
		"", "a", "a/", "a/b", "a/b.", "a/b.c/", "a/b.c/d", "a/c/d/", "b/", "b/\u00e9", "c ", "c d/e", "z", "zz", "none/", "/", "a//",
		"../", "./", "a/../a", "a/b.c/d/",
	} {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		wantKeys(t, s, prefix, want...)
	}
	for info, err := range s.List(t.Context(), "a") { // after break, List must neither panic nor yield again
		if err != nil {
			t.Fatal(err)
		}
		stat, err := s.Stat(t.Context(), info.Key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stat, info, cmpopts.IgnoreFields(blob.Info{}, "Modified")); diff != "" {
			t.Errorf("List and Stat differ (-stat +list):\n%s", diff)
		}
		break
	}
}

func testListPages(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	var want []string
	var group errgroup.Group
	group.SetLimit(16)
	for i := range pageOfKeys {
		key := fmt.Sprintf("pages/%05d", i)
		want = append(want, key)
		group.Go(func() error {
			_, err := s.Put(t.Context(), key, strings.NewReader(key))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "pages/", want...)
}

func testDelete(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	put(t, s, "a/b/c", []byte("c"))
	put(t, s, "a/b/d", []byte("d"))
	for range 2 {
		if err := s.Delete(t.Context(), "a/b/c"); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, s, "", "a/b/d")
	}
	for _, key := range []string{"a", "a/b", "none", "none/at/all"} { // a folder is not an object
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s, which does not exist: %v", key, err)
		}
	}
	wantKeys(t, s, "", "a/b/d")
	if err := s.Delete(t.Context(), "a/b/d"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "")
	put(t, s, "a/b", []byte("in place of a folder"))
	holds(t, s, "a/b", []byte("in place of a folder"))
}

func testAbsent(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	check := func(key string) {
		t.Helper()
		_, statErr := s.Stat(t.Context(), key)
		_, openErr := readRange(t.Context(), s, key, 0, -1)
		_, rangeErr := readRange(t.Context(), s, key, 10, 5)
		_, emptyErr := readRange(t.Context(), s, key, 0, 0)
		_, locateErr := s.Locate(t.Context(), key)
		for op, err := range map[string]error{
			"Stat": statErr, "Open": openErr, "Open of a range": rangeErr, "Open of no bytes": emptyErr, "Locate": locateErr,
		} {
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("%s(%q): got %v of kind %q, want NotFound", op, key, err, fault.KindOf(err))
			}
		}
	}
	check("absent")
	put(t, s, "a/b", []byte("x"))
	check("a")
	check("a/c")
	check("a/b/c")
}

func testInvalidArguments(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	put(t, s, "a", []byte("abc"))
	for _, r := range []struct{ offset, length int64 }{{-1, 1}, {0, -2}} {
		if _, err := s.Open(t.Context(), "a", r.offset, r.length); fault.KindOf(err) != fault.Internal {
			t.Errorf("open %d bytes from %d: got %v, want Internal", r.length, r.offset, err)
		}
	}
	for name, part := range map[string]blob.Part{
		"bytes and a range": {Bytes: []byte("x"), From: s, Key: "a", Length: 1},
		"a key alone":       {Key: "a", Length: 1},
		"negative length":   {From: s, Key: "a", Length: -1},
		"negative offset":   {From: s, Key: "a", Offset: -1, Length: 1},
	} {
		if _, err := s.Compose(t.Context(), "out", []blob.Part{part}); fault.KindOf(err) != fault.Internal {
			t.Errorf("compose of %s: got %v, want Internal", name, err)
		}
	}
	wantKeys(t, s, "", "a")
}

func testCancelled(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	put(t, s, "a", []byte("abc"))
	cause := errors.New("the user had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, statErr := s.Stat(ctx, "a")
	_, openErr := readRange(ctx, s, "a", 0, -1)
	_, putErr := s.Put(ctx, "a", strings.NewReader("new"))
	_, composeErr := s.Compose(ctx, "a", []blob.Part{{Bytes: []byte("new")}})
	_, locateErr := s.Locate(ctx, "a")
	var listErr error
	for _, err := range s.List(ctx, "") {
		listErr = err
	}
	for op, err := range map[string]error{
		"Stat": statErr, "Open": openErr, "Put": putErr, "Compose": composeErr, "Locate": locateErr, "List": listErr,
		"Delete": s.Delete(ctx, "a"),
	} {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("%s: got %v, want one that wraps context.Canceled and the cause", op, err)
		}
	}
	holds(t, s, "a", []byte("abc"))
}

func testCancelledMidway(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	put(t, s, "a", []byte("old"))
	cause := errors.New("the user had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	endless := &cancellingReader{after: 12 << 20, cancel: func() { cancel(cause) }}
	if _, err := s.Put(ctx, "a", endless); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
	holds(t, s, "a", []byte("old"))
	wantKeys(t, s, "", "a")

	big := random(1, 8<<20)
	put(t, s, "big", big)
	ctx, cancel = context.WithCancelCause(t.Context())
	defer cancel(nil)
	r, err := s.Open(ctx, "big", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	if _, err := io.ReadAll(r); !errors.Is(err, cause) {
		t.Errorf("read after the context ended: got %v, want the cause", err)
	}
}
