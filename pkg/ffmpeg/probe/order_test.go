package probe_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

func TestOnlyADecoderKnowsTheFramesOfBFramesFromAVI(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	encode := func(args, name string) string { return ffmpegtest.Clip(t, name, 1, strings.Fields(args)...) }
	packed := encode("-c:v libxvid -bf 2 -g 20", "packed.avi")
	apart := encode("-c:v mpeg4 -bf 2 -g 20", "apart.avi")
	remux := func(source, flags, name string) string {
		path := filepath.Join(t.TempDir(), name)
		ffmpegtest.Exec(t, "ffmpeg", slices.Concat([]string{"-v", "error", "-nostdin"}, strings.Fields(flags), []string{"-i", source, "-c", "copy", path})...)
		return path
	}
	for _, c := range []struct {
		name, path, demuxer string
		want                bool
	}{
		{"packed, in AVI", packed, "avi", true},
		{"not packed, in AVI", apart, "avi", false},
		{"packed, in MP4", remux(packed, "", "packed.mp4"), "mov", true},
		{"packed, in MP4 with presentation times", remux(packed, "-fflags +genpts", "timed.mp4"), "mov", true},
		{"packed, in Matroska", remux(packed, "-fflags +genpts", "packed.mkv"), "matroska", true},
		{"without presentation times, in MP4", remux(apart, "", "apart.mp4"), "mov", true},
		{"with presentation times, in MP4", remux(apart, "-fflags +genpts", "good.mp4"), "mov", false},
		{"with presentation times, in Matroska", remux(apart, "-fflags +genpts", "good.mkv"), "matroska", false},
		{"no B-frames", encode("-c:v mpeg4 -g 20", "forward.mp4"), "mov", false},
		{"MPEG-2 without B-frames, which declares that it may have some", encode("-c:v mpeg2video -g 20", "mpeg2.mkv"), "matroska", false},
		{"H.264", encode("-c:v libx264 -preset ultrafast", "h264.mp4"), "mov", false},
	} {
		in := ffmpeg.Input{Location: c.path, Demuxer: c.demuxer}
		found, err := probe.Inspect(t.Context(), tools, in)
		if err != nil {
			t.Fatal(err)
		}
		// The head is left empty: where the moov comes first, the first frame is not in it.
		got, err := probe.NeedsDecoder(t.Context(), tools, in, found.Streams[0], nil)
		if err != nil || got != c.want {
			t.Errorf("%s: got %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}
