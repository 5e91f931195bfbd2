package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var midway = reading{
	Planned: true, Elapsed: 75 * time.Second, Segments: 30, Done: 12, Pieces: 2, Heard: 1,
	Fraction: 0.412, Sound: 0.87, FPS: 112.4, Speed: 4.678, Left: 98 * time.Second, Bytes: 14_230_000,
}

func TestRowsShowAsMuchAsTheTerminalHasRoomFor(t *testing.T) {
	alone := reading{Planned: true, Pieces: 1, Sound: 0.5, Speed: 40.04, Left: 3 * time.Second, Bytes: 999}
	all := midway
	all.Done, all.Heard = 30, 2
	start := midway
	start.Left, start.Speed, start.FPS = -1, 0, 0
	for _, test := range []struct {
		name  string
		r     reading
		width int
		want  string
	}{
		{"wide", midway, 120, `
picture [================>                       ]  41%  12/30 segments  1:38 left  112 fps  4.68x  14.2 MB
sound   [==================================>     ]  87%  1/2 pieces`},
		{"80 columns", midway, 80, `
picture [=====>       ]  41%  12/30 segments  1:38 left  112 fps  4.68x  14.2 MB
sound   [===========> ]  87%  1/2 pieces`},
		{"narrow", midway, 50, `
picture [====>     ]  41%  12/30 segments  112 fps
sound   [========> ]  87%  1/2 pieces`},
		{"no rate yet", start, 80, `
picture [================>                       ]  41%  12/30 segments  14.2 MB
sound   [==================================>     ]  87%  1/2 pieces`},
		{"sound alone", alone, 80, `
sound   [==============>             ]  50%  0/1 pieces  0:03 left  40.0x  999 B`},
		{"before the plan", reading{Elapsed: 61 * time.Second}, 80, "\nreading the source  1:01"},
		{"at the end", all, 80, "\njoining the pieces  14.2 MB  1:15"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), strings.Join(barRows(test.r, test.width), "\n")); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALogLineSaysTheSame(t *testing.T) {
	if got, want := logLine(midway), "41 %, 12/30 segments, 1:38 left, 112 fps, 4.68x, 14.2 MB"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestRowsNeverOutgrowTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reading{
			Planned: rapid.Bool().Draw(t, "planned"), Elapsed: time.Duration(rapid.Int64().Draw(t, "elapsed")),
			Segments: rapid.IntRange(0, 99999).Draw(t, "segments"), Pieces: rapid.IntRange(0, 999).Draw(t, "pieces"),
			Fraction: rapid.Float64Range(0, 1).Draw(t, "fraction"), Sound: rapid.Float64Range(0, 1).Draw(t, "sound"),
			FPS: rapid.Float64Range(0, 1e9).Draw(t, "fps"), Speed: rapid.Float64Range(0, 1e9).Draw(t, "speed"),
			Left: time.Duration(rapid.Int64Range(-1, 1e18).Draw(t, "left")), Bytes: rapid.Int64Range(0, 1e18).Draw(t, "bytes"),
		}
		width := rapid.IntRange(-1, 300).Draw(t, "width")
		rows := barRows(r, width)
		if len(rows) == 0 {
			t.Fatal("no row")
		}
		for _, row := range rows {
			if len(row) > max(width, 0) {
				t.Fatalf("row of %d columns, want at most %d: %q", len(row), width, row)
			}
		}
	})
}

func TestNumbersReadWell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 12340 * time.Millisecond: "12.3 s", 59990 * time.Millisecond: "1:00", 245 * time.Second: "4:05", 3723 * time.Second: "1:02:03", -1: "0.0 s",
	} {
		if got := words(d); got != want {
			t.Errorf("words(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_950: "1.0 MB", 14_230_000: "14.2 MB", 5e15: "5000.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
