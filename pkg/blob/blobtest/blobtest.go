// Package blobtest is the contract of blob.Store as a suite of tests. Every store passes it:
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

// pageOfKeys is one more object than S3 lists in a page, the largest of any store we know.
const pageOfKeys = 1001

// Run tests that the stores which open returns keep blob.Store's contract. Each call of open returns a store that is
// empty and shares no object with the others; they may be of one backend, and are of one type.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for name, test := range map[string]func(*testing.T, func(*testing.T) blob.Store){
		"Open reads any range of what was put":              testRanges,
		"Put takes empty, small and large objects":          testSizes,
		"Put publishes nothing when its reader fails":       testPutFails,
		"Put replaces the object and its version":           testReplace,
		"concurrent Puts publish one whole object":          testConcurrentPuts,
		"an open reader never mixes two objects":            testReaderSurvives,
		"Compose joins bytes and ranges":                    testCompose,
		"Compose of large parts equals their bytes":         testComposeLarge,
		"Compose of many small parts equals their bytes":    testComposeMany,
		"Compose may read what it replaces":                 testComposeSelf,
		"Compose publishes nothing when a part fails":       testComposeFails,
		"any Compose equals its parts joined":               testComposeProperty,
		"List is ordered, by prefix, and stops on demand":   testList,
		"List goes on beyond a page":                        testListPages,
		"Delete removes one object and is idempotent":       testDelete,
		"keys may hold any character":                       testKeys,
		"keys that climb are refused":                       testBadKeys,
		"what is absent is NotFound":                        testAbsent,
		"impossible ranges and parts are refused":           testDefects,
		"a cancelled context ends every call":               testCancelled,
		"a context cancelled in mid-body publishes nothing": testCancelledMidway,
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
	// Around 5 MiB and 8 MiB S3 clients change from one request to several.
	for i, size := range []int{0, 1, 4096, 5<<20 - 1, 5 << 20, 8<<20 + 1, 21 << 20} {
		key := fmt.Sprint("size/", size)
		body := random(uint64(i), size)
		info, err := s.Put(t.Context(), key, onlyReader{bytes.NewReader(body)})
		if err != nil {
			t.Fatalf("put %d bytes: %v", size, err)
		}
		if info.Key != key || info.Size != int64(size) || info.Version == "" {
			t.Errorf("put %d bytes says %+v", size, info)
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
			t.Errorf("stat says nothing of when %s was modified", key)
		}
	}
}

func testPutFails(t *testing.T, open func(*testing.T) blob.Store) {
	boom := errors.New("the source broke off")
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
	for i := range n { // at once, and of one size: neither clock nor size may be all that tells them apart
		body := []byte(fmt.Sprintf("body %03d", i))
		info := put(t, s, "a", body)
		if versions[info.Version] {
			t.Fatalf("replacement %d has a version that an earlier object had: %q", i, info.Version)
		}
		versions[info.Version] = true
		holds(t, s, "a", body)
		if stat, err := s.Stat(t.Context(), "a"); err != nil || stat.Version != info.Version {
			t.Fatalf("stat says version %q, %v; put said %q", stat.Version, err, info.Version)
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
		t.Errorf("the object of %d bytes is none of those written", len(got))
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
		return // to fail is allowed; to mix is not
	}
	if got := append(head, rest...); !bytes.Equal(got, first) && !bytes.Equal(got, second) {
		t.Errorf("the reader gave %d bytes of more than one object", len(got))
	}
}

func testCompose(t *testing.T, open func(*testing.T) blob.Store) {
	own, same := open(t), open(t)
	foreign := opaque{open(t)}
	a, b, c := random(1, 1000), random(2, 2000), random(3, 3000)
	put(t, own, "in/a", a)
	put(t, same, "in/b", b)
	put(t, foreign, "in/c", c)
	for name, parts := range map[string][]blob.Part{
		"nothing":        nil,
		"no bytes":       {{Bytes: []byte{}}},
		"an empty range": {{From: own, Key: "in/a", Offset: 7}},
		"bytes":          {{Bytes: []byte("one ")}, {Bytes: []byte("two")}},
		"one object":     {{From: own, Key: "in/a", Length: 1000}},
		"neighbours":     {{From: own, Key: "in/a", Length: 400}, {From: own, Key: "in/a", Offset: 400, Length: 600}},
		"backwards":      {{From: own, Key: "in/a", Offset: 500, Length: 500}, {From: own, Key: "in/a", Length: 500}},
		"another store of the type": {
			{Bytes: []byte("head")}, {From: same, Key: "in/b", Offset: 10, Length: 1990}, {Bytes: []byte("tail")},
		},
		"a store of another type": {
			{Bytes: []byte("head")}, {From: foreign, Key: "in/c", Offset: 1, Length: 2000}, {Bytes: []byte("tail")},
		},
		"all of them, twice": {
			{From: own, Key: "in/a", Length: 1000},
			{From: same, Key: "in/b", Length: 2000},
			{From: foreign, Key: "in/c", Length: 3000},
			{Bytes: []byte("x")},
			{From: own, Key: "in/a", Length: 1000},
			{From: same, Key: "in/b", Length: 2000},
			{From: foreign, Key: "in/c", Length: 3000},
		},
	} {
		t.Run(name, func(t *testing.T) { composeAndCompare(t, own, "out/of "+name, parts) })
	}
	holds(t, own, "in/a", a)
}

func testComposeLarge(t *testing.T, open func(*testing.T) blob.Store) {
	own, same := open(t), open(t)
	foreign := opaque{same}
	put(t, own, "a", random(1, 6<<20))
	put(t, own, "b", random(2, 13<<20+5))
	put(t, same, "c", random(3, 7<<20))
	composeAndCompare(t, own, "out", []blob.Part{
		{Bytes: random(4, 700)}, // a moov in front
		{From: own, Key: "a", Length: 6 << 20},
		{From: own, Key: "b", Offset: 3, Length: 13 << 20},
		{Bytes: []byte("between")},
		{From: same, Key: "c", Length: 7 << 20},
		{From: own, Key: "a", Offset: 100, Length: 1000},
		{From: foreign, Key: "c", Offset: 1, Length: 5 << 20},
		{From: own, Key: "b", Length: 5<<20 + 1},
		{Bytes: []byte("end")},
	})
}

func testComposeMany(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	const objects, perObject, length = 70, 30, 3000
	for i := range objects {
		put(t, s, fmt.Sprintf("in/%03d", i), random(uint64(i), perObject*length))
	}
	var parts []blob.Part
	for round := range perObject { // each object is visited again and again: more of them than a store keeps open
		for i := range objects {
			parts = append(parts, blob.Part{
				From: s, Key: fmt.Sprintf("in/%03d", i), Offset: int64(round * length), Length: length,
			})
		}
		parts = append(parts, blob.Part{Bytes: []byte{byte(round)}})
	}
	composeAndCompare(t, s, "out", parts)
}

func testComposeSelf(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	for _, size := range []int{10, 6 << 20} {
		body := random(1, size)
		put(t, s, "a", body)
		_, err := s.Compose(t.Context(), "a", []blob.Part{
			{Bytes: []byte("head")}, {From: s, Key: "a", Length: int64(size)}, {From: s, Key: "a", Length: 5},
		})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, "a", slices.Concat([]byte("head"), body, body[:5]))
	}
}

func testComposeFails(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	put(t, s, "small", random(1, 100))
	put(t, s, "large", random(2, 12<<20))
	boom := errors.New("the other store broke off")
	large := blob.Part{From: s, Key: "large", Length: 12 << 20}
	for name, bad := range map[string]struct {
		part blob.Part
		is   error
		kind fault.Kind
	}{
		"absent":                {part: blob.Part{From: s, Key: "absent", Length: 1}, kind: fault.NotFound},
		"absent elsewhere":      {part: blob.Part{From: opaque{s}, Key: "absent", Length: 1}, kind: fault.NotFound},
		"ends too early":        {part: blob.Part{From: s, Key: "small", Offset: 50, Length: 51}, kind: fault.Corrupt},
		"begins beyond the end": {part: blob.Part{From: s, Key: "small", Offset: 200, Length: 1}, kind: fault.Corrupt},
		"large, ends too early": {part: blob.Part{From: s, Key: "large", Offset: 1, Length: 12 << 20}, kind: fault.Corrupt},
		"short elsewhere":       {part: blob.Part{From: opaque{s}, Key: "small", Length: 101}, kind: fault.Corrupt},
		"breaks off elsewhere":  {part: blob.Part{From: broken{opaque{s}, boom}, Key: "small", Length: 100}, is: boom},
	} {
		for where, parts := range map[string][]blob.Part{
			"alone":       {bad.part},
			"after large": {large, bad.part},
		} {
			t.Run(name+" "+where, func(t *testing.T) {
				put(t, s, "out", []byte("old"))
				_, err := s.Compose(t.Context(), "out", parts)
				switch {
				case err == nil:
					t.Errorf("got no error")
				case bad.is != nil && !errors.Is(err, bad.is):
					t.Errorf("got %v, want %v", err, bad.is)
				case bad.kind != "" && fault.KindOf(err) != bad.kind:
					t.Errorf("got kind %s of %v, want %s", fault.KindOf(err), err, bad.kind)
				}
				holds(t, s, "out", []byte("old"))
				wantKeys(t, s, "", "large", "out", "small")
			})
		}
	}
}

func testComposeProperty(t *testing.T, open func(*testing.T) blob.Store) {
	own, foreign := open(t), opaque{open(t)}
	const size = 5000
	for _, s := range []blob.Store{own, foreign} {
		for i, key := range []string{"a", "b", "c/d"} {
			put(t, s, key, random(uint64(i), size))
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) blob.Part {
			from := rapid.SampledFrom([]blob.Store{nil, own, own, foreign}).Draw(rt, "from")
			if from == nil {
				return blob.Part{Bytes: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "bytes")}
			}
			offset := rapid.Int64Range(0, size).Draw(rt, "offset")
			return blob.Part{
				From: from, Key: rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(rt, "key"),
				Offset: offset, Length: rapid.Int64Range(0, size-offset).Draw(rt, "length"),
			}
		}), 0, 8).Draw(rt, "parts")
		want, err := join(t.Context(), parts)
		if err != nil {
			rt.Fatal(err)
		}
		info, err := own.Compose(t.Context(), "out", parts)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := readRange(t.Context(), own, "out", 0, -1)
		if err != nil || !bytes.Equal(got, want) || info.Size != int64(len(want)) {
			rt.Fatalf("got %d bytes (info %d) and %v, want %d", len(got), info.Size, err, len(want))
		}
	})
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
	for info, err := range s.List(t.Context(), "a") { // leaving early must not panic, nor yield again
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
	for _, key := range []string{"a", "a/b", "none", "none/at/all"} { // a folder on the way is no object
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s, which is not there: %v", key, err)
		}
	}
	wantKeys(t, s, "", "a/b/d")
	if err := s.Delete(t.Context(), "a/b/d"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "")
	put(t, s, "a/b", []byte("where a folder was"))
	holds(t, s, "a/b", []byte("where a folder was"))
}

// awkward are keys that break careless escaping.
var awkward = []string{
	"with space", "hash#tag", "per%cent", "per%20cent", "plus+plus", "quote'single", `quote"double`, "question?mark=1&b=2",
	"été/日本語/🎬.mp4", "semi;colon,comma", "[brackets]{braces}", "..dots..", "...", ".hidden", "tilde~", "a=b", "back\\slash",
	"<less>", "dollar$(id)", "colon:colon", "e\u0301 decomposed", "new\nline", "-dash", "*star", "@at!", "|pipe^caret`",
}

func testKeys(t *testing.T, open func(*testing.T) blob.Store) {
	s, other := open(t), open(t)
	for _, key := range awkward {
		t.Run(key, func(t *testing.T) {
			key := "in " + key + "/" + key
			body := []byte("body of " + key)
			put(t, s, key, body)
			holds(t, s, key, body)
			wantKeys(t, s, key, key)
			if info, err := s.Stat(t.Context(), key); err != nil || info.Key != key {
				t.Errorf("stat: %+v, %v", info, err)
			}
			if where, err := s.Locate(t.Context(), key); err != nil || where == "" {
				t.Errorf("locate: %q, %v", where, err)
			}
			composeAndCompare(t, other, key, []blob.Part{{From: s, Key: key, Length: int64(len(body))}})
			if err := s.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
			wantKeys(t, s, "in "+key)
		})
	}
}

func testBadKeys(t *testing.T, open func(*testing.T) blob.Store) {
	s := open(t)
	for _, key := range []string{
		"", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a/./b", "./a", "a//b", "a/", "//", "a\x00b",
		blob.Reserved + "x", "a/" + blob.Reserved + "x/b", strings.Repeat("long/", 205),
	} {
		_, statErr := s.Stat(t.Context(), key)
		_, openErr := s.Open(t.Context(), key, 0, -1)
		_, putErr := s.Put(t.Context(), key, strings.NewReader("x"))
		_, composeErr := s.Compose(t.Context(), key, nil)
		_, partErr := s.Compose(t.Context(), "fine", []blob.Part{{From: s, Key: key, Length: 1}})
		_, locateErr := s.Locate(t.Context(), key)
		for op, err := range map[string]error{
			"Stat": statErr, "Open": openErr, "Put": putErr, "Compose": composeErr, "Compose of it": partErr,
			"Locate": locateErr, "Delete": s.Delete(t.Context(), key),
		} {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s(%.20q): got %v of kind %q, want Invalid", op, key, err, fault.KindOf(err))
			}
		}
	}
	wantKeys(t, s, "")
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

func testDefects(t *testing.T, open func(*testing.T) blob.Store) {
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
	endless := &cancelling{after: 12 << 20, cancel: func() { cancel(cause) }}
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
		t.Errorf("a reader whose context ended: got %v, want the cause", err)
	}
}

// put stores body at key.
func put(t *testing.T, s blob.Store, key string, body []byte) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, onlyReader{bytes.NewReader(body)})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return info
}

// holds checks that the object at key is want.
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

// wantKeys checks that List yields these keys in this order, with sizes.
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

func composeAndCompare(t *testing.T, s blob.Store, key string, parts []blob.Part) {
	t.Helper()
	want, err := join(t.Context(), parts)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Compose(t.Context(), key, parts)
	if err != nil {
		t.Fatalf("compose %s: %v", key, err)
	}
	holds(t, s, key, want)
	stat, err := s.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(info, stat, cmpopts.IgnoreFields(blob.Info{}, "Modified")); diff != "" {
		t.Errorf("Compose and Stat differ (-compose +stat):\n%s", diff)
	}
}

// join is the model of Compose: the parts' bytes, read by Open, one after the other.
func join(ctx context.Context, parts []blob.Part) ([]byte, error) {
	var all []byte
	for _, p := range parts {
		b := p.Bytes
		if p.From != nil {
			var err error
			if b, err = readRange(ctx, p.From, p.Key, p.Offset, p.Length); err != nil {
				return nil, err
			}
		}
		all = append(all, b...)
	}
	return all, nil
}

func readRange(ctx context.Context, s blob.Store, key string, offset, length int64) ([]byte, error) {
	r, err := s.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

// cut is the model of Open's range.
func cut(b []byte, offset, length int64) []byte {
	b = b[min(offset, int64(len(b))):]
	if length >= 0 {
		b = b[:min(length, int64(len(b)))]
	}
	return b
}

// random returns n bytes that are the same for the same seed and not for another.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// onlyReader hides what else a reader can do, such as Seek or WriteTo: a store may not need it.
type onlyReader struct{ io.Reader }

// opaque hides a store's type, as a store of another backend would.
type opaque struct{ blob.Store }

// broken is a store whose readers fail after half of what they should give.
type broken struct {
	blob.Store
	err error
}

func (b broken) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := b.Store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, length/2), iotest.ErrReader(b.err)), r}, nil
}

// cancelling gives bytes without end and cancels on the way.
type cancelling struct {
	after  int
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.after -= len(p); c.after < 0 {
		c.cancel()
	}
	return len(p), nil
}
