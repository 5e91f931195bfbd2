package input

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/sequence"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// bucket is a store whose objects ffmpeg would read by URLs.
type bucket struct{ blob.Store }

func (bucket) Locate(context.Context, string) (string, error) { return "https://bucket/object", nil }

// A worker gets the frames of its range, and no others, from a folder as from a bucket.
func TestTheFramesOfARangeAreStaged(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"shot/f_9.png", "shot/f_10.png", "shot/f_11.png", "shot/f_12.png", "shot/f_10.png.tmp", "shot/f_/7.png", "other/f_1.png"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := dir.New(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range []blob.Store{files, bucket{files}} {
		env := &work.Env{Dir: t.TempDir(), Resolve: func(context.Context, string) (blob.Store, string, error) { return store, "shot/f_%d.png", nil }}
		list, err := ListFrames(t.Context(), store, "shot/f_%d.png")
		if err != nil || len(list.Files) != 4 {
			t.Fatalf("%v, %v", list.Files, err)
		}
		src := film.Source{Sequence: &film.FrameSequence{Extension: "png"}}
		src.Version, _ = sequence.Version(list.Files)
		for range 2 { // a unit may stage twice
			in, names, err := Sequence(t.Context(), env, src, 1, 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"f_10.png", "f_11.png"}, names); diff != "" || in.FirstFrame != 1 {
				t.Errorf("from %d: %s", in.FirstFrame, diff)
			}
			for name, want := range map[string]string{"00000000.png": "shot/f_10.png", "00000001.png": "shot/f_11.png", "00000002.png": ""} {
				if got, _ := os.ReadFile(filepath.Join(in.Location, name)); string(got) != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		}
		if in, names, err := Sequence(t.Context(), env, src, 3, 1<<62); err != nil || in.FirstFrame != 3 || len(names) != 1 {
			t.Errorf("to the end: %+v, %v, %v", in, names, err)
		}
		src.Version = "of yesterday"
		if _, _, err := Sequence(t.Context(), env, src, 0, 1); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "have changed") {
			t.Errorf("changed frames: %v", err)
		}
	}
}
