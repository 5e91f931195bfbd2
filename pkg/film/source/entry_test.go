package source

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
)

func TestIntraRefreshIsFoundInTheIndex(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, params string
		gradual      bool
	}{
		{"refresh.mp4", "intra-refresh=1:keyint=25", true},
		{"refresh.mkv", "intra-refresh=1:keyint=25", true},
		{"keyframes.mp4", "keyint=25", false},
		{"open.mp4", "open-gop=1:keyint=25", false},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		mediatest.FFmpeg(t, mediatest.Picture("6")+" -c:v libx264 -preset ultrafast -bf 2 -x264-params "+c.params, path)
		found := examine(t, path)
		if found.Index == nil || len(found.Index.Sync) < 3 {
			t.Fatalf("%s: index %+v", c.name, found.Index)
		}
		refresh := found.Source.Video.Timebase.Ticks(1e9)
		if got := found.Index.Recovery; got > 0 != c.gradual || got > 2*refresh {
			t.Errorf("%s: decoding is whole after %d ticks, want gradual %t, and at most two refreshes of %d", c.name, got, c.gradual, refresh)
		}
	}
}

func TestOldFullChromaOfX264IsNotDivided(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "in.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("3")+" -c:v libx264 -preset ultrafast -pix_fmt yuv444p -g 25", path)
	if found := examine(t, path); found.Index == nil {
		t.Fatal("4:4:4 of a new x264 is not divided")
	}
	data := bytes.ReplaceAll(mediatest.ReadFile(t, path), []byte("x264 - core 1"), []byte("x264 - core 0"))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if found := examine(t, path); found.Index != nil || found.Splittable {
		t.Errorf("index %v, splittable %t; want one segment", found.Index, found.Splittable)
	}
}
