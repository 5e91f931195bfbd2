package probe_test

import (
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

func TestPacketsOfAPartOfAFileAreWeighed(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	for name, demuxer := range map[string]string{"in.mkv": "matroska", "in.mp4": "mov", "in.ts": "mpegts"} {
		path := ffmpegtest.Clip(t, name, 9, "-f", "lavfi", "-i", "sine=duration=9", "-c:v", "libx264", "-g", "60", "-bf", "3", "-c:a", "aac")
		got, err := probe.PacketBytes(t.Context(), tools, ffmpeg.Input{Location: path, Demuxer: demuxer}, 3_300_000, 6_100_000)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "packet=stream_index,pts_time,size", "-of", "csv=p=0", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]int64{}
		for line := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimSpace(line), ",")
			if len(f) < 3 { // ffprobe prints an empty line for a programme
				continue
			}
			at, _ := strconv.ParseFloat(f[1], 64)
			size, err := strconv.ParseInt(f[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if stream, _ := strconv.Atoi(f[0]); at >= 3.3 && at < 6.1 {
				want[stream] += size
			}
		}
		if len(want) != 2 || !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
