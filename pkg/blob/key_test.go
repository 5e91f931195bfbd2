package blob_test

import (
	"math"
	"path"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// FuzzCheckKey checks what every store relies on: a key that passes cannot lead out of a folder.
func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a/b", "", "..", "a/../b", "a//b", "/a", "a/", ".mapreel-tmp-x", "...", "a\x00", "é #%"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if err := blob.CheckKey(key); err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q is refused as %s, want Invalid", key, fault.KindOf(err))
			}
			return
		}
		if got := path.Join("/root", key); got != "/root/"+key {
			t.Errorf("%q is accepted, but joins to %q", key, got)
		}
		if strings.Contains("/"+key, "/"+blob.Reserved) {
			t.Errorf("%q is accepted, but contains a reserved name", key)
		}
	})
}

func TestCheckPartsRefusesObjectsLargerThanAnyFile(t *testing.T) {
	huge := blob.Part{From: blob.NewFile(nil), Key: "a", Length: math.MaxInt64}
	for name, parts := range map[string][]blob.Part{
		"a range beyond the largest offset": {{From: huge.From, Key: "a", Offset: 1, Length: math.MaxInt64}},
		"a sum beyond the largest size":     {huge, {Bytes: []byte("x")}},
	} {
		if size, err := blob.CheckParts(parts); fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: got size %d, error %v, want Internal", name, size, err)
		}
	}
	if size, err := blob.CheckParts([]blob.Part{huge}); err != nil || size != math.MaxInt64 {
		t.Errorf("got %d, %v", size, err)
	}
}
