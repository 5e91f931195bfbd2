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
// tells its start apart, in which it has one thread, with what the first frame takes more than the others.
func renderSamples(ctx context.Context, plan work.Plan, j film.Job, o Options) (r filmjob.Rendering, err error) {
	kind := slices.IndexFunc(o.Registry.Kinds, func(k work.Kind) bool { return k.Name() == render.Kind })
	if kind < 0 {
		return r, fault.New(fault.Internal, "no kind renders frames")
	}
	whole := *j.Render
	whole.Settings.Tiles, whole.Threads = "", 0 // a frame takes as much as its tiles
	j.Render = &whole
	unit := render.Unit{To: j.Source.Video.Frames}
	if n := unit.To; n > framesSampled {
		unit = render.Unit{From: n / 6, To: n/6 + n/3*2 + 1, Step: n / 3}
	}
	spec, err := json.Marshal(unit)
	if err == nil {
		plan.Doc, err = json.Marshal(j)
	}
	if err != nil {
		return r, fault.Wrap(fault.Internal, err, "frames to measure")
	}
	t, err := local.Try(ctx, plan, j.Source.URL, o.Places, o.Registry.Kinds[kind], work.Unit{Name: unit.Name(), Spec: spec})
	if err != nil {
		return r, err
	}
	var facts job.Facts
	if err := json.Unmarshal(t.Result.Facts, &facts); err != nil {
		return r, fault.Wrap(fault.Internal, err, "facts of frames")
	}
	cpu, frames := t.CPU.Milliseconds(), max(t.Result.Done.Count, 1)
	start := min(int64(facts.Pace.Start*1000), cpu)
	return filmjob.Rendering{
		Start: start, Frame: around((cpu - start) / frames), Bytes: t.Result.Done.Bytes / frames,
		Basis: fmt.Sprintf("%s of this scene", plural(int(frames), "frame")),
	}, nil
}

// around returns what frames may take of which some took so many milliseconds each.
func around(each int64) estimate.Range {
	return estimate.Range{Low: each * framesLow / 100, High: max(each*framesHigh/100, 1)}
}
