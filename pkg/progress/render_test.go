package progress

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/progress/progresstest"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// ofScene is the plan of a scene of 100 frames in so many units, of which some are done.
func ofScene(kind string, done int) engine.Event {
	e := progresstest.Planned(2, 0, 0, 4e6, 100)
	e.Groups = append(e.Groups, engine.GroupProgress{Group: work.Group{Name: kind, Units: 4, Total: work.Amount{Count: 100}}, Done: done})
	return e
}

// The frames of a scene are counted before its segments, and not in the rates of the encoders.
func TestFramesAreCountedWhileASceneIsRendered(t *testing.T) {
	t.Parallel()
	frames, tiles := render.Kind, render.TileKind
	for name, c := range map[string]struct {
		events map[float64][]engine.Event
		done   int
		noun   string
		left   bool // whether frames are left
	}{
		"some": {map[float64][]engine.Event{
			0: {ofScene(frames, 0), {Type: engine.Started, Unit: "frames/000000"}, {Type: engine.Progress, Unit: "frames/000000", Amount: work.Amount{Count: 12}}},
			9: {{Type: engine.Progress, Unit: "sound/mix", Amount: work.Amount{Count: 50}}},
		}, 12, "frame", true},
		"of an earlier run": {map[float64][]engine.Event{
			0: {ofScene(frames, 2), {Type: engine.Skipped, Unit: "frames/000000", Amount: work.Amount{Count: 20}}},
			1: {{Type: engine.Progress, Unit: "frames/000003", Amount: work.Amount{Count: 3}}},
		}, 20 + 25 + 3, "frame", true},
		"planned again": {map[float64][]engine.Event{
			0: {ofScene(frames, 0), {Type: engine.Done, Unit: "frames/000000", Amount: work.Amount{Count: 10}}},
			1: {ofScene(frames, 1), {Type: engine.Progress, Unit: "frames/000001", Amount: work.Amount{Count: 5}}},
		}, 15, "frame", true},
		"tiles": {map[float64][]engine.Event{
			0: {func() engine.Event {
				e := ofScene(frames, 0)
				e.Groups = append(e.Groups, ofScene(tiles, 0).Groups[len(e.Groups)-1])
				return e
			}(), {Type: engine.Progress, Unit: "tiles/000000.00", Amount: work.Amount{Count: 7}}},
			1: {{Type: engine.Progress, Unit: "frames/000000", Amount: work.Amount{Count: 90}}},
		}, 7, "tile", true},
		"all": {map[float64][]engine.Event{
			0: {ofScene(frames, 3), {Type: engine.Done, Unit: "frames/000000", Amount: work.Amount{Count: 25}}},
			1: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 25}}},
		}, 100, "segment", false},
	} {
		s := newTracker(c.events).Snapshot(atSecond(10))
		done, all, noun := s.Finished()
		if s.FramesDone != c.done || s.Rendering() != c.left || noun != c.noun {
			t.Errorf("%s: %d frames, %d of %d %ss", name, s.FramesDone, done, all, noun)
		}
		if c.left && (done != c.done || all != 100 || !approxEqual(s.Fraction(), float64(c.done)/100) || s.FPS != 0) {
			t.Errorf("%s: %d of %d %ss, fraction %v, %+v", name, done, all, noun, s.Fraction(), s)
		}
	}
}
