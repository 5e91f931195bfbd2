package ffmpeg

import "testing"

func TestStreamsThatAppearWhileReadingAreFound(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]string{
		"[mpegts @ 0x55d0] New audio stream 0:1 at pos:13348 and DTS:21.4s\n":                                 "audio from 21.4 s on",
		"[in#0/mpegts @ 0x55d0] New subtitle stream with index 2 at pos:13348 and DTS:10s\nNew data stream\n": "subtitle from 10 s on",
		"New audio stream 0:1 at pos:1 and DTS:1s\nNew video stream 0:2 at pos:9 and DTS:2.5s\n":              "audio from 1 s on, video from 2.5 s on",
		"New audio stream 0:1 at pos:1 and DTS:":                                                              "",
	} {
		var l NewStreamLog
		for i := range log { // as it may arrive
			if _, err := l.Write([]byte(log[i : i+1])); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.String(); got != want {
			t.Errorf("%q: got %q, want %q", log, got, want)
		}
	}
}
