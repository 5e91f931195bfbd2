package estimating

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// How far what Blender takes for other frames may be from what it took for those that were measured, in percent: a camera that comes
// near something makes frames several times as heavy, so that a few frames say less than seconds of a film do.
const framesLow, framesHigh = 70, 140

const (
	framesSampled = 3
	usualStart    = 1000 // milliseconds of a processor that Blender takes until its first frame begins, where that is not measured
)

// ofScene returns what Blender takes for the frames of a scene, if that is known, and how fast they are encoded. No sample of a scene can
// be encoded, because its frames are not there.
func ofScene(ctx context.Context, plan work.Plan, j film.Job, o Options) (s filmjob.Speed, err error) {
	if s, err = fromHistory(ctx, o.Scratch, j); err != nil {
		return s, err
	}
	if !s.Known() {
		s = filmjob.Assumed(j)
		s.Basis = "common sources"
	}
	if j.Render.Settings.Device == render.GPU {
		return s, nil
	}
	if !o.Calibrate {
		s.Render, err = renderedBefore(ctx, o.Scratch, *j.Render)
		return s, err
	}
	s.Render, err = renderSamples(ctx, plan, j, o)
	return s, err
}

// renderedBefore takes what frames need from earlier jobs that rendered frames of the same scene, which look the same.
func renderedBefore(ctx context.Context, scratch string, scene render.Job) (r filmjob.Rendering, err error) {
	var frames, cpu, written, units int64
	err = local.Past(ctx, scratch, func(l ledger.Ledger, plan work.Plan) error {
		var past film.Job
		if plan.Planner != filmjob.Planner || json.Unmarshal(plan.Doc, &past) != nil || past.Render == nil || past.Render.Look != scene.Look ||
			past.Render.Settings.Device == render.GPU || past.Render.Settings.Tiles != "" {
			return nil //nolint:nilerr // a job of another version has nothing to say
		}
		for u, err := range engine.ReadUnits(ctx, l, plan.ID) {
			if err != nil {
				return err
			}
			used := u.Uses[u.Attempt].CPU
			if !(work.Group{Name: render.Kind}).Contains(u.ID) || used <= 0 || u.Attempt > 1 { // an earlier attempt rendered some of its frames
				continue
			}
			frames, cpu, written, units = frames+u.Done.Count, cpu+used, written+u.Done.Bytes, units+1
		}
		return nil
	})
	if err != nil || frames == 0 {
		return r, err
	}
	start := min(usualStart, cpu/units/2)
	return filmjob.Rendering{
		Start: start, Frame: around((cpu - units*start) / frames), Bytes: written / frames,
		Basis: fmt.Sprintf("earlier jobs of this scene on this machine, %d frames", frames),
	}, nil
}

// renderSamples renders three frames, of the first third of the scene, of its middle, and of its last third, in one Blender. The clock
// tells its start apart, in which it has one thread, with what the first frame takes more than the others. Of a scene whose frames are
// rendered in tiles, it renders a tile of each, another one each time.
func renderSamples(ctx context.Context, plan work.Plan, j film.Job, o Options) (r filmjob.Rendering, err error) {
	whole := *j.Render
	whole.Threads = 0
	j.Render = &whole
	if plan.Doc, err = json.Marshal(j); err != nil {
		return r, fault.Wrap(fault.Internal, err, "plan")
	}
	grid, err := render.ParseGrid(whole.Settings.Tiles)
	if err != nil {
		return r, fault.Wrap(fault.Corrupt, err, "tiles of the scene")
	}
	name, pieces := render.Kind, int64(1)
	if grid.Count() > 0 {
		name, pieces = render.TileKind, int64(grid.Count())
	}
	kind := o.Registry.Kinds[slices.IndexFunc(o.Registry.Kinds, func(k work.Kind) bool { return k.Name() == name })]
	var cpu, starts, done, written int64
	units := framesToMeasure(j.Source.Video.Frames, grid.Count())
	for _, u := range units {
		spec, err := json.Marshal(u)
		if err != nil {
			return r, fault.Wrap(fault.Internal, err, "frames to measure")
		}
		unit := work.Unit{Name: u.Unit.Name(), Spec: spec}
		if grid.Count() > 0 {
			unit.Name = u.Name()
		}
		t, err := local.Try(ctx, plan, j.Source.URL, o.Places, kind, unit)
		if err != nil {
			return r, err
		}
		var facts job.Facts
		if err := json.Unmarshal(t.Result.Facts, &facts); err != nil {
			return r, fault.Wrap(fault.Internal, err, "facts of frames")
		}
		cpu, starts = cpu+t.CPU.Milliseconds(), starts+min(int64(facts.Pace.Start*1000), t.CPU.Milliseconds())
		done, written = done+t.Result.Done.Count, written+t.Result.Done.Bytes
	}
	done = max(done, 1)
	noun := "frame"
	if pieces > 1 {
		noun = "tile"
	}
	return filmjob.Rendering{
		Start: starts / int64(len(units)), Frame: around((cpu - starts) * pieces / done), Bytes: written * pieces / done,
		Basis: fmt.Sprintf("%s of this scene", plural(int(done), noun)),
	}, nil
}

// framesToMeasure returns the units that render three of n frames, or all if there are fewer: one unit, or one for each tile.
func framesToMeasure(n, tiles int) []render.TileUnit {
	all := render.Unit{To: n}
	if n > framesSampled {
		all = render.Unit{From: n / 6, To: n/6 + n/3*2 + 1, Step: n / 3}
	}
	if tiles == 0 {
		return []render.TileUnit{{Unit: all}}
	}
	var list []render.TileUnit
	for i, at := range all.Places() {
		list = append(list, render.TileUnit{Unit: render.Unit{From: at, To: at + 1}, Tile: (2*i + 1) * tiles / (2 * framesSampled)})
	}
	return list
}

// around returns what frames may take of which some took so many milliseconds each.
func around(each int64) estimate.Range {
	return estimate.Range{Low: each * framesLow / 100, High: max(each*framesHigh/100, 1)}
}
