package filmjob

import (
	"slices"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// whyUnknown says why the time of a scene cannot be told; "" where it can.
func whyUnknown(j film.Job, r Rendering) string {
	switch {
	case j.Render.Settings.Device == render.GPU:
		return "how long a GPU takes for a frame is not known, and --calibrate measures processors alone, so there is no time and no cost"
	case !r.Known():
		return "how long Blender takes for a frame is not known, so there is no time and no cost: mapreel render SCENE --dry-run --calibrate renders three frames to measure it"
	}
	return ""
}

// What merging the tiles of a frame takes, in milliseconds of a core: assumptions for frames of 1080p.
const (
	mergeTilesLow  = 200
	mergeTilesHigh = 900
)

// renderProcessors is how many processors a function that renders has by default.
const renderProcessors = 3008. / 1769

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
	if plan.Open {
		to.Units = 1 + len(render.Divide(render.First(int(n)), int(n), r.pace(j), max(j.Request.Compute.Concurrency, 1)))
	}
	to.CPU = r.cpu(n, to.Units)
	to.Longest, to.Renders, to.Start = longest(to.CPU, to.Units), true, r.Start
	return files
}

// cpu returns what so many units take for so many frames.
func (r Rendering) cpu(frames int64, units int) estimate.Range {
	starts := int64(units) * r.Start
	return estimate.Range{Low: frames*r.Frame.Low + starts, High: frames*r.Frame.High + starts}
}

// pace returns what the first frames will be found to take by the clock of a function, by which the others are divided.
func (r Rendering) pace(j film.Job) render.Pace {
	p := render.Pace{Start: float64(r.Start) / 1000, Frame: float64(r.Frame.Low+r.Frame.High) / 2 / 1000 / renderProcessors}
	if j.Request.Compute.Mode == film.Batch {
		p.Start += render.BatchStart
	}
	return p
}

// withFirst returns the groups of a scene with the unit of its first frames apart. The others are planned and begin when it is done.
func withFirst(groups []estimate.Group, frames int, r Rendering) []estimate.Group {
	at := slices.IndexFunc(groups, func(g estimate.Group) bool { return g.Renders })
	if at < 0 || groups[at].Units < 2 {
		return groups
	}
	for i := range groups {
		if groups[i].Phase > groups[at].Phase {
			groups[i].Phase++
		}
	}
	first, others := groups[at], groups[at]
	n := render.First(frames)
	first.Units, first.CPU = 1, r.cpu(int64(n), 1)
	first.Longest = first.CPU
	others.Units, others.Phase = others.Units-1, others.Phase+1
	others.CPU = r.cpu(int64(frames-n), others.Units)
	others.Longest = longest(others.CPU, others.Units)
	return slices.Concat(groups[:at], []estimate.Group{first, others}, groups[at+1:])
}
