package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

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
	for round := range perObject { // cycles through more objects than a store keeps open
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
	boom := errors.New("the other store failed")
	large := blob.Part{From: s, Key: "large", Length: 12 << 20}
	for name, bad := range map[string]struct {
		part blob.Part
		is   error
		kind fault.Kind
	}{
		"absent":                {part: blob.Part{From: s, Key: "absent", Length: 1}, kind: fault.NotFound},
		"absent in another":     {part: blob.Part{From: opaque{s}, Key: "absent", Length: 1}, kind: fault.NotFound},
		"ends too early":        {part: blob.Part{From: s, Key: "small", Offset: 50, Length: 51}, kind: fault.Corrupt},
		"begins beyond the end": {part: blob.Part{From: s, Key: "small", Offset: 200, Length: 1}, kind: fault.Corrupt},
		"large, ends too early": {part: blob.Part{From: s, Key: "large", Offset: 1, Length: 12 << 20}, kind: fault.Corrupt},
		"short in another":      {part: blob.Part{From: opaque{s}, Key: "small", Length: 101}, kind: fault.Corrupt},
		"fails in another":      {part: blob.Part{From: failing{opaque{s}, boom}, Key: "small", Length: 100}, is: boom},
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
					t.Error("got no error")
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

// composeAndCompare composes parts and compares the object with their bytes.
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

// join is the model of Compose: it concatenates the bytes of parts, read by Open.
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
