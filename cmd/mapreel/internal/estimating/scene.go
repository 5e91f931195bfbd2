package estimating

import (
	"context"
	"encoding/json"
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

// frameRange returns what frames may take of which some took so many milliseconds each.
func frameRange(each int64) estimate.Range { return around(max(each, 1), framesLow, framesHigh) }

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
	var done, cpu, written, units int64
	kind, pieces, noun, err := piecesOf(scene.Settings)
	if err != nil {
		return r, err
	}
	err = local.Past(ctx, scratch, func(l ledger.Ledger, plan work.Plan) error {
		var past film.Job
		if plan.Planner != filmjob.Planner || json.Unmarshal(plan.Doc, &past) != nil || past.Render == nil || past.Render.Look != scene.Look ||
			past.Render.Settings.Device == render.GPU || past.Render.Settings.Tiles != scene.Settings.Tiles {
			return nil //nolint:nilerr // a job of another version has nothing to say
		}
		for u, err := range engine.ReadUnits(ctx, l, plan.ID) {
			if err != nil {
				return err
			}
			used := u.Uses[u.Attempt].CPU
			if !(work.Group{Name: kind}).Contains(u.ID) || used <= 0 || u.Attempt > 1 { // an earlier attempt rendered some of its frames
				continue
			}
			done, cpu, written, units = done+u.Done.Count, cpu+used, written+u.Done.Bytes, units+1
		}
		return nil
	})
	if err != nil || done == 0 {
		return r, err
	}
	start := min(usualStart, cpu/units/2)
	return filmjob.Rendering{
		Start: start, Frame: frameRange((cpu - units*start) * pieces / done), Bytes: written * pieces / done,
		Basis: "earlier jobs of this scene on this machine, " + plural(int(done), noun),
	}, nil
}

// piecesOf returns the kind of the units that render a scene, how many pieces a frame has, and what they are called.
func piecesOf(s render.Settings) (kind string, pieces int64, noun string, err error) {
	grid, err := render.ParseGrid(s.Tiles)
	switch {
	case err != nil:
		return "", 0, "", fault.Wrap(fault.Corrupt, err, "tiles of the scene")
	case grid.Count() > 0:
		return render.TileKind, int64(grid.Count()), "tile", nil
	}
	return render.Kind, 1, "frame", nil
}

// renderSamples renders three frames, of the first third of the scene, of its middle, and of its last third, in one Blender. Of a scene
// whose frames are rendered in tiles, it renders a tile of each, another one each time.
func renderSamples(ctx context.Context, plan work.Plan, j film.Job, o Options) (r filmjob.Rendering, err error) {
	whole := *j.Render
	whole.Threads = 0
	j.Render = &whole
	if plan.Doc, err = json.Marshal(j); err != nil {
		return r, fault.Wrap(fault.Internal, err, "plan")
	}
	name, pieces, noun, err := piecesOf(whole.Settings)
	if err != nil {
		return r, err
	}
	kind := o.Registry.Kinds[slices.IndexFunc(o.Registry.Kinds, func(k work.Kind) bool { return k.Name() == name })]
	tiles := 0
	if name == render.TileKind {
		tiles = int(pieces)
	}
	var cpu, starts, done, written int64
	units := framesToMeasure(j.Source.Video.Frames, tiles)
	for _, u := range units {
		spec, err := json.Marshal(u)
		if err != nil {
			return r, fault.Wrap(fault.Internal, err, "frames to measure")
		}
		unit := work.Unit{Name: u.Unit.Name(), Spec: spec}
		if tiles > 0 {
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
		cpu, starts = cpu+t.CPU.Milliseconds(), starts+min(startOf(facts), t.CPU.Milliseconds())
		done, written = done+t.Result.Done.Count, written+t.Result.Done.Bytes
	}
	done = max(done, 1)
	return filmjob.Rendering{
		Start: starts / int64(len(units)), Frame: frameRange((cpu - starts) * pieces / done), Bytes: written * pieces / done,
		Basis: plural(int(done), noun) + " of this scene",
	}, nil
}

// startOf returns what Blender took to start, in milliseconds by the clock: it has one thread then. What the first frame took more than
// the others counts, too, as shaders are compiled for it, but no more than the start itself: these frames are far from each other, and the
// first may just be heavier.
func startOf(f job.Facts) int64 { return int64(min(f.Pace.Start, 2*f.Start) * 1000) }

// framesToMeasure returns the units that render three of n frames, or all if there are fewer: one unit, or one for each tile.
func framesToMeasure(n, tiles int) []render.TileUnit {
	all := render.Unit{To: n}
	if n > framesSampled {
		from, last := n/6, n-1-n/6
		step := (last - from) / 2
		all = render.Unit{From: from, To: from + 2*step + 1, Step: step}
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
