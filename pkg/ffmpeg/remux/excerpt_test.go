package remux

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
)

// The paths hold a colon, with which ffmpeg would take what is before it for a protocol.
func TestExcerptArgsAreExactlyThese(t *testing.T) {
	x := Excerpt{Input: ffmpeg.Input{Location: "/in/a:b.mpg", Demuxer: "mpeg"}, Stream: 1, From: 30_500_000, Length: 20_000_000, Most: 5_000, Path: "concat:x/e.mkv"}
	within := x
	within.Within = true
	for name, c := range map[string]struct {
		excerpt Excerpt
		option  string
	}{"from the keyframe before": {x, ""}, "within": {within, "-copypriorss 0 "}} {
		want := strings.Fields("-nostdin -v error " + ffmpegtest.AllocationLimits + " -ss 30.500000 -fflags +genpts -protocol_whitelist file -f mpeg " +
			"-i file:/in/a:b.mpg -map 0:1 -map_metadata -1 -map_chapters -1 -c copy -t 20.000000 " + c.option + "-fs 5000 -f matroska file:concat:x/e.mkv")
		if diff := cmp.Diff(want, ExcerptArgs(c.excerpt)); diff != "" {
			t.Errorf("%s: arguments (-want +got):\n%s", name, diff)
		}
	}
}
