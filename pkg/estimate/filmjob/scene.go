package filmjob

import (
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// whyUnknown says why the time of a scene cannot be told; "" where it can.
func whyUnknown(j film.Job, r Rendering) string {
	switch {
	case j.Render.Settings.Device == render.GPU:
		return "how long a GPU takes for the frames is not known, so there is no time and no cost"
	case !r.Known():
		return "how long Blender takes for a frame is not known, so there is no time and no cost: mapreel render with --dry-run --calibrate renders three to measure it"
	}
	return ""
}

// What is done with the frames of a scene besides rendering them, and where.
const (
	mergeTilesLow  = 200 // milliseconds of a core, for a frame
	mergeTilesHigh = 900
	processors     = 1.7 // of a function that renders
)

// measureRendering fills in what a group of units takes that render frames or tiles, or merge tiles. It returns the bytes of their files.
func measureRendering(to *estimate.Group, plan work.Plan, g work.Group, j film.Job, r Rendering) estimate.Range {
	files := estimate.Range{Low: g.Space.Scratch * spaceLow / 100, High: g.Space.Scratch * spaceHigh / 100}
	n := int64(j.Source.Video.Frames)
	if r.Bytes > 0 {
		files = estimate.Range{Low: n * r.Bytes * 9 / 10, High: n * r.Bytes * 11 / 10}
	}
	if g.Name == render.Kind && j.Render.Settings.Tiles != "" {
		to.CPU = estimate.Range{Low: n * mergeTilesLow, High: n * mergeTilesHigh}
		to.Longest = longest(to.CPU, to.Units)
		return files
	}
	if plan.Open { // by what the first frames take
		first := render.First(int(n))
		frame := float64(r.Frame.Low+r.Frame.High) / 2 / 1000 / processors
		pace := render.Pace{Start: float64(r.Start) / 1000, Frame: frame}
		to.Units = 1 + len(render.Divide(first, int(n), pace, max(j.Request.Compute.Concurrency, 1)))
	}
	starts := int64(to.Units) * r.Start
	to.CPU = estimate.Range{Low: n*r.Frame.Low + starts, High: n*r.Frame.High + starts}
	to.Longest, to.Renders = longest(to.CPU, to.Units), true
	return files
}
