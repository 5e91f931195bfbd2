package main

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
)

// AVI has no presentation times. A file that was remuxed from it has decode times in their place, or
// two frames in a packet.
func TestBFramesFromAVIAreAllShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, codec, flags, output string }{
		{"packed, in MP4", "libxvid", "", "packed.mp4"},
		{"packed, in Matroska", "libxvid", "-fflags +genpts", "packed.mkv"},
		{"not packed, in MP4", "mpeg4", "", "apart.mp4"},
	} {
		dir := t.TempDir()
		avi, source := filepath.Join(dir, "a.avi"), filepath.Join(dir, c.output)
		mediatest.FFmpeg(t, mediatest.Picture("3")+" -c:v "+c.codec+" -bf 2 -g 20", avi)
		mediatest.FFmpeg(t, c.flags+" -i", avi, "-c", "copy", source)
		want := len(mediatest.FrameHashes(t, source, "v:0"))
		output, r := transcode(t, source, ".mp4", "--segment", "1s")
		if r.code != exitDone || r.stderr != "" {
			t.Errorf("%s: exit %d, standard error %q", c.name, r.code, r.stderr)
			continue
		}
		if list := streamsOf(t, output); list[0].Packets != strconv.Itoa(want) {
			t.Errorf("%s: %s frames, one pass shows %d", c.name, list[0].Packets, want)
		}
		expectGood(t, source, output)
	}
}
