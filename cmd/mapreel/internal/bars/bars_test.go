package bars

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/progress"
	"github.com/mapreel/mapreel/pkg/work"
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
	first := midRun
	first.Done, first.VideoFraction, first.Passes, first.PassesDone, first.PassFraction = 0, 0, 30, 9, 0.35
	tools := progress.Snapshot{Planned: true, Elapsed: 61 * time.Second, Groups: []progress.Group{
		toolGroup("tool/captions", "pieces of captions", 4, 10, 75*time.Second), toolGroup("tool/a", "pieces of a", 0, 10, -1),
		toolGroup("tooljoin/a", "outputs", 0, 1, -1),
	}}
	published := tools
	published.Groups = []progress.Group{toolGroup("tool/a", "pieces of a", 10, 10, 0), toolGroup("tooljoin/a", "outputs", 0, 1, -1)}
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
		{"first pass", first, 80, `
video [==============>                         ]  35%  9/30 segments  first pass
audio [==================================>     ]  87%  1/2 parts`},
		{"audio only", audioOnly, 80, `
audio [===============>               ]  50%  0/1 parts  0:03 left  40.0x  999 B`},
		{"before the plan", progress.Snapshot{Elapsed: 61 * time.Second}, 80, "\nreading the source  1:01"},
		{"at the end", all, 80, "\nmerging  14.2 MB  1:15"},
		{"tools", tools, 80, `
captions [================>                       ]  40%  4/10 pieces  1:15 left
a        [>                                       ]   0%  0/10 pieces`},
		{"tools, narrow", tools, 50, `
captions [====>     ]  40%  4/10 pieces  1:15 left
a        [>                    ]   0%  0/10 pieces`},
		{"results of tools", published, 80, "\npublishing  1:01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), strings.Join(Lines(test.r, test.width), "\n")); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// toolGroup returns the progress of a group of units.
func toolGroup(name, noun string, done, units int, remaining time.Duration) progress.Group {
	return progress.Group{GroupProgress: engine.GroupProgress{Group: work.Group{Name: name, Noun: noun, Units: units}, Done: done}, Remaining: remaining}
}

func TestTheBarOfAToolShowsThePiecesThatAreBeingDone(t *testing.T) {
	t.Parallel()
	begun := toolGroup("tool/a", "pieces of a", 4, 10, -1)
	begun.Begun = 1.5
	for want, g := range map[string]progress.Group{" 40%": toolGroup("tool/a", "pieces of a", 4, 10, -1), " 55%": begun} {
		if got := groupLines([]progress.Group{g}, 80); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("the bar is %q, want%s", got, want)
		}
	}
}

func TestLogLineHasTheSameFields(t *testing.T) {
	if got, want := LogLine(midRun), "41 %, 12/30 segments, 1:38 left, 112 fps, 4.68x, 14.2 MB"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	first := progress.Snapshot{Planned: true, Segments: 30, Passes: 30, PassesDone: 9, PassFraction: 0.35}
	if got, want := LogLine(first), "35 %, 9/30 segments, first pass"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	scene := progress.Snapshot{Planned: true, Segments: 1, Frames: 24, FramesDone: 6}
	if got, want := LogLine(scene), "25 %, 6/24 frames, rendering"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	tools := progress.Snapshot{Planned: true, Groups: []progress.Group{
		toolGroup("tool/a", "pieces of a", 4, 10, 75*time.Second), toolGroup("tool/b", "pieces of b", 0, 10, -1), toolGroup("tooljoin/a", "outputs", 0, 1, -1),
	}}
	if got, want := LogLine(tools), "4/10 pieces of a, 1:15 left; 0/10 pieces of b"; got != want {
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
