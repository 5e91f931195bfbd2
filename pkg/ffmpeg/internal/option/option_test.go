package option_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
)

// Every name of a pixel format of this ffmpeg is allowed in a graph.
func TestDeclaredAcceptsEveryPixelFormat(t *testing.T) {
	n := 0
	for line := range strings.Lines(ffmpegtest.Exec(t, ffmpegtest.Find(t).FFmpeg, "-v", "error", "-pix_fmts")) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.Trim(fields[0], "IOHPB.") != "" || fields[1] == "=" {
			continue
		}
		if n++; !option.Declared(fields[1]) {
			t.Errorf("Declared(%q) is false", fields[1])
		}
	}
	if n < 100 {
		t.Errorf("found only %d pixel formats", n)
	}
}
