package bars

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/progress"
)

var midRun = progress.Snapshot{
	Planned: true, Elapsed: 75 * time.Second, Segments: 30, Done: 12, AudioParts: 2, AudioDone: 1,
	VideoFraction: 0.412, AudioFraction: 0.87, FPS: 112.4, Speed: 4.678, Remaining: 98 * time.Second, Bytes: 14_230_000,
}

func TestBarsShowTheFieldsThatFitTheTerminal(t *testing.T) {
	audioOnly := progress.Snapshot{Planned: true, AudioParts: 1, AudioFraction: 0.5, Speed: 40.04, Remaining: 3 * time.Second, Bytes: 999}
	all := midRun
	all.Done, all.AudioDone = 30, 2
	start := midRun
	start.Remaining, start.Speed, start.FPS = -1, 0, 0
	for _, test := range []struct {
		name  string
		r     progress.Snapshot
		width int
		want  string
	}{
		{"wide", midRun, 120, `
video [================>                       ]  41%  12/30 segments  1:38 left  112 fps  4.68x  14.2 MB
audio [==================================>     ]  87%  1/2 parts`},
		{"80 columns", midRun, 80, `
video [======>        ]  41%  12/30 segments  1:38 left  112 fps  4.68x  14.2 MB
audio [=============> ]  87%  1/2 parts`},
		{"narrow", midRun, 50, `
video [====>     ]  41%  12/30 segments  1:38 left
audio [========> ]  87%  1/2 parts`},
		{"no rate yet", start, 80, `
video [================>                       ]  41%  12/30 segments  14.2 MB
audio [==================================>     ]  87%  1/2 parts`},
		{"audio only", audioOnly, 80, `
audio [===============>               ]  50%  0/1 parts  0:03 left  40.0x  999 B`},
		{"before the plan", progress.Snapshot{Elapsed: 61 * time.Second}, 80, "\nreading the source  1:01"},
		{"at the end", all, 80, "\nmerging  14.2 MB  1:15"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), strings.Join(Lines(test.r, test.width), "\n")); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogLineHasTheSameFields(t *testing.T) {
	if got, want := LogLine(midRun), "41 %, 12/30 segments, 1:38 left, 112 fps, 4.68x, 14.2 MB"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestBarsAreNeverWiderThanTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := progress.Snapshot{
			Planned: rapid.Bool().Draw(t, "planned"), Elapsed: time.Duration(rapid.Int64().Draw(t, "elapsed")),
			Segments: rapid.IntRange(0, 99999).Draw(t, "segments"), AudioParts: rapid.IntRange(0, 999).Draw(t, "pieces"),
			VideoFraction: rapid.Float64Range(0, 1).Draw(t, "fraction"), AudioFraction: rapid.Float64Range(0, 1).Draw(t, "sound"),
			FPS: rapid.Float64Range(0, 1e9).Draw(t, "fps"), Speed: rapid.Float64Range(0, 1e9).Draw(t, "speed"),
			Remaining: time.Duration(rapid.Int64Range(-1, 1e18).Draw(t, "left")), Bytes: rapid.Int64Range(0, 1e18).Draw(t, "bytes"),
		}
		width := rapid.IntRange(-1, 300).Draw(t, "width")
		lines := Lines(r, width)
		if len(lines) == 0 {
			t.Fatal("no line")
		}
		for _, line := range lines {
			if len(line) > max(width, 0) {
				t.Fatalf("line of %d columns, want at most %d: %q", len(line), width, line)
			}
		}
	})
}
