package ffmpeg

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const progressText = "frame=0\nfps=0.00\nstream_0_0_q=0.0\nbitrate=N/A\ntotal_size=N/A\nout_time_us=N/A\nout_time_ms=N/A\n" +
	"out_time=N/A\ndup_frames=0\ndrop_frames=0\nspeed=N/A\nprogress=continue\n" +
	"frame=954\nfps=23.98\nstream_0_0_q=-1.0\nbitrate= 699.5kbits/s\ntotal_size=3333477\nout_time_us=38040000\nout_time_ms=38040000\n" +
	"out_time=00:00:38.040000\ndup_frames=1\ndrop_frames=2\nspeed= 1.1x\nprogress=end\n"

var progressWant = []Progress{
	{OutTime: -1, Bytes: -1},
	{Frame: 954, OutTime: 38_040_000, Bytes: 3_333_477, End: true},
}

func TestProgressIsParsedInPiecesOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got []Progress
		parser := newProgressParser(func(p Progress) { got = append(got, p) })
		for rest := progressText; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "bytes")
			if _, err := parser.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if diff := cmp.Diff(progressWant, got); diff != "" {
			t.Fatalf("reports (-want +got):\n%s", diff)
		}
	})
}

func FuzzProgress(f *testing.F) {
	f.Add(progressText)
	f.Add("frame=-5\nout_time_us=-9223372036854775808\nspeed=1e+300x\nfps=NaN\nprogress=\n")
	f.Add(strings.Repeat("x", 2*maxProgressLine) + "\nprogress=end\n")
	f.Fuzz(func(t *testing.T, text string) {
		parser := newProgressParser(func(p Progress) {
			if p.Frame < 0 || p.OutTime < -1 || p.Bytes < -1 {
				t.Errorf("a report out of range: %+v", p)
			}
		})
		if _, err := parser.Write([]byte(text)); err != nil {
			t.Errorf("Write: %v", err)
		}
	})
}
