package console

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/progress"
)

func TestARowNamesTheFilesThatWereMade(t *testing.T) {
	t.Parallel()
	x := history.Execution{
		Name: "film", Status: history.Running,
		Input:  json.RawMessage(`{"source":"/films/film.mkv","outputs":[{"name":"film","container":"hls"}]}`),
		Output: json.RawMessage(`{"outputs":[{"url":"/films/out/film.m3u8"}]}`),
	}
	for _, c := range []struct {
		status history.Status
		want   string
	}{{history.Running, "film.hls"}, {history.Succeeded, "film.m3u8"}} {
		if x.Status = c.status; !slices.Equal(rowOf(x).Outputs, []string{c.want}) {
			t.Errorf("%s: %q, want %s", c.status, rowOf(x).Outputs, c.want)
		}
	}
}

// A first pass over the source has its own progress, as nothing is encoded before it is done.
func TestARowShowsTheFirstPass(t *testing.T) {
	t.Parallel()
	s := progress.Snapshot{Planned: true, Segments: 4, Passes: 4, PassesDone: 1, PassFraction: 0.375}
	if row := (Row{}).withProgress(s, 0); row.Phase != firstPass || row.Done != 1 || row.Units != 4 || row.Fraction != 0.375 {
		t.Errorf("%+v, want 1 of 4 of the first pass", row)
	}
	s.PassesDone, s.PassFraction, s.VideoFraction = 4, 1, 0.25
	if row := (Row{}).withProgress(s, 0); row.Phase != working || row.Done != 0 || row.Units != 4 || row.Fraction != 0.25 {
		t.Errorf("%+v after the first pass, want none of 4 segments", row)
	}
}

func TestTheProgressOfAnotherProcessIsThatOfAllItsPhases(t *testing.T) {
	t.Parallel()
	runs := []history.MapRun{{Items: history.Counts{Total: 4, Succeeded: 1}}, {Items: history.Counts{Total: 8, Succeeded: 3, Aborted: 5}}, {Items: history.Counts{Total: 2, Succeeded: 2}}}
	if row := (Row{}).withCounts(runs); row.Done != 6 || row.Units != 9 || row.Fraction != 0.666 || row.Phase != elsewhere {
		t.Errorf("%+v, want 6 of 9 units", row)
	}
	if row := (Row{}).withCounts(nil); row.Units != 0 || row.Fraction != 0 || row.Phase != elsewhere {
		t.Errorf("before the first phase: %+v", row)
	}
}

func TestARowCountsFramesWhileASceneIsRendered(t *testing.T) {
	t.Parallel()
	s := progress.Snapshot{Planned: true, Segments: 2, AudioParts: 1, Frames: 24, FramesDone: 6}
	if row := (Row{}).withProgress(s, 0); row.Done != 6 || row.Units != 24 || row.Noun != "frames" || row.Fraction != 0.25 {
		t.Errorf("%+v, want 6 of 24 frames", row)
	}
	s.FramesDone, s.Done, s.VideoFraction = 24, 1, 0.5
	if row := (Row{}).withProgress(s, 0); row.Done != 1 || row.Units != 3 || row.Noun != "" || row.Fraction != 0.5 {
		t.Errorf("%+v, want 1 of 3 units", row)
	}
}
