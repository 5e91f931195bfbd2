package ffmpeg

import (
	"io"
	"strings"
	"testing"
)

func TestDamageLogFindsWhatDecodersReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"after a seek", "[h264 @ 0x5f] co located POCs unavailable\n[hevc @ 0x5f] Could not find ref with POC 8\n[h264 @ 0x5f] mmco: unref short failure\n", ""},
		{"one", "[h264 @ 0x5f] error while decoding MB 3 1, bytestream -5\n", "error while decoding MB 3 1, bytestream -5"},
		{
			"more, in 5.1", "[h264 @ 0x5f] error while decoding MB 3 1, bytestream -5\nError while decoding stream #0:1: Invalid data found when processing input\n",
			"error while decoding MB 3 1, bytestream -5",
		},
		{
			"7.1", "[vist#0:0/h264 @ 0x5f] Error submitting packet to decoder: Invalid data found when processing input\n",
			"Error submitting packet to decoder: Invalid data found when processing input",
		},
		{"Motion JPEG", "[mjpeg @ 0x5f] error count: 66\n[mjpeg @ 0x5f] error y=1 x=15\n", "error count: 66"},
		{"MPEG-2", "[mpeg2video @ 0x5f] end mismatch left=14872 4A109 at 0 5\n", "end mismatch left=14872 4A109 at 0 5"},
		{"a frame that was concealed without an error", "[warning] in.3gp: corrupt decoded frame in stream 0\n", "in.3gp: corrupt decoded frame in stream 0"},
		{"with levels", "[vist#0:0/h264 @ 0x5f] [dec:h264 @ 0x60] [error] error while decoding MB 3 1\n", "error while decoding MB 3 1"},
		{"with its level, in 5.1", "[error] Error while decoding stream #0:1: Invalid data\n", "Error while decoding stream #0:1: Invalid data"},
		{"a line that does not end", strings.Repeat("x", 1<<20), ""},
	} {
		var log DamageLog
		for rest := c.text; rest != ""; { // in pieces, as a pipe delivers them
			n := min(7, len(rest))
			if _, err := io.WriteString(&log, rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got := log.String(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if len(log.lines.partial) > maxLogLine {
			t.Errorf("%s: it holds %d bytes", c.name, len(log.lines.partial))
		}
	}
}
