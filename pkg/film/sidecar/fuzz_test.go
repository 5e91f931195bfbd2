package sidecar

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
)

// FuzzEscapeWebVTT reads a WebVTT file whose cues hold what a stranger wrote. No cue gets a tag that
// ffmpeg's encoder does not write, or a line that ends it.
func FuzzEscapeWebVTT(f *testing.F) {
	for _, text := range []string{"plain", "<b>bold</b> & <c>", "a --> b", "<script>x</script>", "", "00:00.000 --> 00:01.000\nx", "\xff<"} {
		f.Add("WEBVTT\n\n00:00.000 --> 00:01.000\n"+text+"\n\n", int64(len(text)), uint8(1))
	}
	f.Add("WEBVTT", int64(1<<62), uint8(3))
	f.Add(" --> \n", int64(-1), uint8(2))
	f.Fuzz(func(t *testing.T, file string, size int64, n uint8) {
		events := make([]remux.SubtitleEvent, n)
		for i := range events {
			events[i].Size = size
		}
		out, err := escapeWebVTT([]byte(file), events)
		if err != nil {
			return
		}
		if len(out) > 5*len(file) || len(out) < len(file) { // "&amp;" for "&"
			t.Errorf("%d bytes become %d", len(file), len(out))
		}
		if got := escapeCue(file); strings.Contains(got, "-->") {
			t.Errorf("a cue ends in its text: %q", got)
		}
	})
}
