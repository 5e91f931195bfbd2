package source

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
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

func TestPacketsOfMP4AreReadAsFfprobeReadsThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "in.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("3")+" -c:v libx264 -preset ultrafast -bf 2 -g 20", path)
	found := examine(t, path)
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	store, err := dir.New(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	reader := blob.ReaderAt(t.Context(), store, filepath.Base(path), found.Source.Size)
	file, err := readIndex(t.Context(), reader, probe.Container{Demuxer: "mov", Indexed: true})
	if err != nil {
		t.Fatal(err)
	}
	in := ffmpeg.Input{Location: path, Demuxer: "mov"}
	sync := found.Index.Sync[1:]
	got, err := newPacketReader(ffmpeg.Tools{FFprobe: filepath.Join(t.TempDir(), "none")}, in, reader, &found.Source, file.mp4Track(0))(t.Context(), sync)
	if err != nil || len(got.Packets) != 1+len(sync) || len(sync) < 2 {
		t.Fatalf("%d packets of %d sync frames, %v", len(got.Packets), len(sync), err)
	}
	want, err := newPacketReader(tools, in, reader, &found.Source, nil)(t.Context(), sync)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ffprobe's packets (-) and those read (+):\n%s", diff)
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
