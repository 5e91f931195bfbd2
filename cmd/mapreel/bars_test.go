package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var midRun = snapshot{
	Planned: true, Elapsed: 75 * time.Second, Segments: 30, Done: 12, AudioParts: 2, AudioDone: 1,
	VideoFraction: 0.412, AudioFraction: 0.87, FPS: 112.4, Speed: 4.678, Remaining: 98 * time.Second, Bytes: 14_230_000,
}

func TestBarsShowTheFieldsThatFitTheTerminal(t *testing.T) {
	audioOnly := snapshot{Planned: true, AudioParts: 1, AudioFraction: 0.5, Speed: 40.04, Remaining: 3 * time.Second, Bytes: 999}
	all := midRun
	all.Done, all.AudioDone = 30, 2
	start := midRun
	start.Remaining, start.Speed, start.FPS = -1, 0, 0
	for _, test := range []struct {
		name  string
		r     snapshot
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
		{"before the plan", snapshot{Elapsed: 61 * time.Second}, 80, "\nreading the source  1:01"},
		{"at the end", all, 80, "\nmerging  14.2 MB  1:15"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), strings.Join(formatBars(test.r, test.width), "\n")); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogLineHasTheSameFields(t *testing.T) {
	if got, want := formatLogLine(midRun), "41 %, 12/30 segments, 1:38 left, 112 fps, 4.68x, 14.2 MB"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestBarsAreNeverWiderThanTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := snapshot{
			Planned: rapid.Bool().Draw(t, "planned"), Elapsed: time.Duration(rapid.Int64().Draw(t, "elapsed")),
			Segments: rapid.IntRange(0, 99999).Draw(t, "segments"), AudioParts: rapid.IntRange(0, 999).Draw(t, "pieces"),
			VideoFraction: rapid.Float64Range(0, 1).Draw(t, "fraction"), AudioFraction: rapid.Float64Range(0, 1).Draw(t, "sound"),
			FPS: rapid.Float64Range(0, 1e9).Draw(t, "fps"), Speed: rapid.Float64Range(0, 1e9).Draw(t, "speed"),
			Remaining: time.Duration(rapid.Int64Range(-1, 1e18).Draw(t, "left")), Bytes: rapid.Int64Range(0, 1e18).Draw(t, "bytes"),
		}
		width := rapid.IntRange(-1, 300).Draw(t, "width")
		lines := formatBars(r, width)
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

func TestFormatsOfDurationsAndSizes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 12340 * time.Millisecond: "12.3 s", 59990 * time.Millisecond: "1:00", 245 * time.Second: "4:05", 3723 * time.Second: "1:02:03", -1: "0.0 s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_950: "1.0 MB", 14_230_000: "14.2 MB", 5e15: "5000.0 TB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}
