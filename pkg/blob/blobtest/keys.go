package blobtest

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// awkward lists keys that need correct escaping.
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
