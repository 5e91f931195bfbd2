package ffmpeg

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrameLogCollectsTimestamps(t *testing.T) {
	const text = "frame:0    pts:-512    pts_time:-0.04\nmapreel=1\nframe:1    pts:0       pts_time:0\nmapreel=1\n"
	var log FrameLog
	if _, err := log.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{-512, 0}, log.PTS()); diff != "" {
		t.Errorf("timestamps (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"frame:0 pts:NOPTS pts_time:NOPTS\n", "lavfi.x=1\n", "frame:0\n", "frame:0 pts:1x\n", "pts:1 frame:1\n"} {
		var log FrameLog
		if _, err := log.Write([]byte(bad)); err == nil {
			t.Errorf("%q gave %v, want an error", bad, log.PTS())
		}
	}
}

func FuzzFrameLog(f *testing.F) {
	f.Add("frame:0    pts:0       pts_time:0\nmapreel=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		var log FrameLog
		_, err := log.Write([]byte(text))
		if err == nil && len(log.PTS()) > strings.Count(text, "pts:") {
			t.Errorf("%d timestamps from %q", len(log.PTS()), text)
		}
	})
}
