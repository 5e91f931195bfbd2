package planner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/source"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// longestRender is how long rendering a scene should take at most.
const longestRender = 24 * time.Hour

// examineScene examines a Blender scene. One error names everything that is wrong with it.
func (p Planner) examineScene(ctx context.Context, env *work.PlanEnv, req film.Request) (source.Found, *render.Job, error) {
	scene, problems, err := job.Examine(ctx, p.Blender.Sharing(env.Session), env.Resolve, req.Source, req.Render, env.Dir, ahead(env, req), env.OneMachine)
	if err != nil {
		return source.Found{}, nil, err
	}
	var ps film.Problems
	for _, problem := range problems {
		ps = append(ps, film.Problem(problem))
	}
	if len(ps) > 0 {
		return source.Found{}, nil, ps.Err()
	}
	if env.Processors == 0 { // the units share this machine
		grid, err := render.ParseGrid(req.Render.Tiles)
		if err != nil {
			return source.Found{}, nil, film.Problems{{Pointer: "/render/tiles", Message: err.Error()}}.Err()
		}
		cores := runtime.NumCPU()
		scene.Threads = threadsOf(len(scene.Numbers)*max(grid.Count(), 1), cores, rendersAtOnce(req, cores))
		if env.OneMachine {
			scene.Workers = max(min(rendersAtOnce(req, cores), cores), 1)
		}
	}
	if err := p.addSound(ctx, env, req, &scene); err != nil {
		return source.Found{}, nil, err
	}
	if rate := media.Rational(req.Sequence.FrameRate); scene.SoundFile == nil && scene.Sound != nil && rate.Known() && rate != scene.Rate {
		scene.DropSound("the film has another frame rate than the scene")
	}
	if req.MakesFilm() {
		scene.WarnOfSilence()
	}
	found, err := source.OfScene(scene, req.Sequence)
	return found, &scene.Job, err
}

// addSound gives the film of a scene the sound of the file that a request names, if it names one.
func (p Planner) addSound(ctx context.Context, env *work.PlanEnv, req film.Request, scene *job.Scene) error {
	url := req.Render.Sound
	if url == "" {
		return nil
	}
	store, key, err := env.Resolve(ctx, url)
	var found source.Found
	if err == nil {
		found, err = source.Examine(ctx, p.Tools, store, key, url, source.Options{})
	}
	var digest string
	if err == nil {
		digest, err = digestOf(ctx, store, key)
	}
	if err == nil {
		err = scene.SetSound(found.Source, digest, cmp.Or(media.Rational(req.Sequence.FrameRate), scene.Rate))
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return film.Problems{{Pointer: film.SoundPointer, Message: fmt.Sprintf("cannot read %s: no such file", url)}}.Err()
	case fault.Invalid, fault.Unsupported, fault.Corrupt:
		return film.Problems{{Pointer: film.SoundPointer, Message: fmt.Sprintf("cannot use %s: %v", url, err)}}.Err()
	}
	return err
}

// digestOf returns the SHA-256 of an object.
func digestOf(ctx context.Context, store blob.Store, key string) (string, error) {
	r, err := store.Open(ctx, key, 0, -1)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, r.Close())
}

// ahead returns what the units of a scene will have, as far as that is known before Blender says how many frames it has. Where that is
// something else, they start Blender as if nothing were ahead.
func ahead(env *work.PlanEnv, req film.Request) blender.Ahead {
	if env.Session == nil || env.Processors > 0 || env.Memory == nil || req.Compute.Mode == work.RouteBatch {
		return blender.Ahead{}
	}
	pieces := render.MaxFrames
	if text := cmp.Or(req.Render.Redo, req.Render.Frames); text != "" {
		if numbers, err := render.ParseFrames(text, max(req.Render.Step, 1)); err == nil {
			pieces = len(numbers)
		}
	}
	if grid, err := render.ParseGrid(req.Render.Tiles); err == nil {
		pieces *= max(grid.Count(), 1)
	}
	cores := runtime.NumCPU()
	return blender.Ahead{
		Workers: min(rendersAtOnce(req, cores), cores, pieces), Threads: threadsOf(pieces, cores, rendersAtOnce(req, cores)),
		Memory: env.Memory(renderNeeds(film.Job{Request: req, Render: &render.Job{Settings: req.Render}})),
	}
}

// rendersAtOnce returns how many Blenders run at once on a machine: as many as the request says, else as there are processors. A GPU has
// one, as package local sees to: several would share its memory.
func rendersAtOnce(req film.Request, cores int) int {
	if req.Render.Device == render.GPU {
		return 1
	}
	return cmp.Or(req.Compute.Concurrency, cores)
}

// threadsOf returns how many threads each unit has where as many run at once on a machine: twice its share of the processors, so that
// none is idle while one Blender prepares a frame or has rendered its last one.
func threadsOf(frames, cores, together int) int {
	return max(min(2*cores/max(min(together, frames), 1), cores), 1)
}

// rendering is how the frames of a scene are rendered. nil: the source is no scene.
type rendering struct {
	phases []work.Phase
	units  int  // that make frames, of all phases
	tiles  int  // units that render tiles
	open   bool // most units follow from what the first frames take
}

func (r *rendering) isOpen() bool { return r != nil && r.open }

// groups returns the group of the units that render.
func (r *rendering) groups(j film.Job) []work.Group {
	if r == nil {
		return nil
	}
	list := []work.Group{{
		Name: render.Kind, Noun: "ranges of frames", Units: r.units,
		Total: work.Amount{Count: int64(j.Source.Video.Frames)}, Space: work.Space{Scratch: j.Source.Size},
	}}
	if mixesSound(j) {
		size := j.Render.Sound.Samples * int64(j.Render.Sound.Channels) * render.SoundBytes
		list = append(list, work.Group{Name: render.SoundKind, Noun: "sounds", Units: 1, Space: work.Space{Scratch: size}})
	}
	if r.tiles > 0 {
		grid, _ := render.ParseGrid(j.Render.Settings.Tiles) // as it was checked
		list = append(list, work.Group{
			Name: render.TileKind, Noun: "tiles of frames", Units: r.tiles,
			Total: work.Amount{Count: int64(j.Source.Video.Frames * grid.Count())}, Space: work.Space{Scratch: j.Source.Size},
		})
	}
	return list
}

// framesDealt is the number of frames for each worker up to which one machine does not measure the first frames. Blender would start once
// more for them while the other workers wait, which takes longer than it saves. Units have no time limit there. On a GPU all frames
// are one unit, because units run there one after another.
const framesDealt = 64

// planScene plans the units of a scene. Where they depend on how long frames take, the first frames are a phase of their own.
func planScene(j film.Job, segments []film.Segment) (work.Plan, error) {
	n := j.Source.Video.Frames
	grid, err := render.ParseGrid(j.Render.Settings.Tiles)
	if err != nil {
		return work.Plan{}, fault.Wrap(fault.Corrupt, err, "tiles of the scene")
	}
	switch unit, first := j.Render.Settings.Unit, render.First(n); {
	case grid.Count() > 0:
		return newPlan(j, segments, tiled(j, grid))
	case unit > 0:
		units := render.Split(0, n, (n+unit-1)/unit)
		return newPlan(j, segments, &rendering{phases: []work.Phase{renderPhase(j, phaseRender, units)}, units: len(units)})
	case j.Render.Workers > 0 && (n <= framesDealt*workersOf(j) || j.Render.Settings.Device == render.GPU):
		units := render.Deal(n, workersOf(j))
		return newPlan(j, segments, &rendering{phases: []work.Phase{renderPhase(j, phaseRender, units)}, units: len(units)})
	case first > 0:
		units := []render.Unit{{To: first}}
		return newPlan(j, nil, &rendering{phases: []work.Phase{renderPhase(j, phaseFirst, units)}, units: 1, open: true})
	}
	units := render.Split(0, n, min(n, workersOf(j)))
	return newPlan(j, segments, &rendering{phases: []work.Phase{renderPhase(j, phaseRender, units)}, units: len(units)})
}

// framesMerged is how many frames a unit merges at most: about a minute of work.
const framesMerged = 100

// tiled returns how the frames of a scene are rendered in tiles. A unit renders one tile of one frame, or of as many as the request says.
// Units of a second phase merge the tiles.
func tiled(j film.Job, grid render.Grid) *rendering {
	n := j.Source.Video.Frames
	size := max(j.Render.Settings.Unit, 1)
	ranges := render.Split(0, n, (n+size-1)/size)
	merges := render.Split(0, n, min(n, max(workersOf(j), (n+framesMerged-1)/framesMerged)))
	tiles := work.Phase{Name: phaseTiles, Independent: true, Intermediate: true, Units: tileUnits(j, ranges, grid)}
	return &rendering{phases: []work.Phase{tiles, renderPhase(j, phaseRender, merges)}, units: len(merges), tiles: len(ranges) * grid.Count()}
}

// tileUnits yields a unit for each tile of each range of frames.
func tileUnits(j film.Job, ranges []render.Unit, grid render.Grid) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		for _, u := range ranges {
			for t := range grid.Count() {
				u := render.TileUnit{Unit: u, Tile: t}
				spec, _ := json.Marshal(u) //nolint:errchkjson // integers only
				if !yield(work.Unit{Name: u.Name(), Spec: spec, Needs: renderNeeds(j)}) {
					return
				}
			}
		}
	}
}

// extendScene plans the units of all frames but the first, by what those have taken.
func extendScene(ctx context.Context, env *work.PlanEnv, open work.Plan, j film.Job) (work.Plan, error) {
	n := j.Source.Video.Frames
	first := render.Unit{To: render.First(n)}
	var facts job.Facts
	if err := work.Facts(ctx, env.Results, first.Name(), &facts); err != nil {
		return open, err
	}
	if facts.Pace == (render.Pace{}) { // they were there already
		facts.Pace = render.Pace{Start: 1, Frame: 1}
	}
	if renderNeeds(j).Route == work.RouteBatch && j.Render.Workers == 0 {
		facts.Pace.Start += render.BatchStart
	}
	units := render.Divide(first.To, n, facts.Pace, workersOf(j))
	segments := divide(j, *source.FramesIndex(n))
	if len(j.Renditions)+len(j.Pictures) == 0 {
		segments = nil
	}
	before := work.Phase{Name: phaseFirst, Independent: true} // whose units the ledger holds already
	return newPlan(j, segments, &rendering{phases: []work.Phase{before, renderPhase(j, phaseRender, units)}, units: 1 + len(units)})
}

// workersOf returns how many units run at once.
func workersOf(j film.Job) int {
	return max(cmp.Or(j.Render.Workers, j.Request.Compute.Concurrency), 1)
}

// renderPhase returns the phase of units that render. A frame is worth having where others fail.
func renderPhase(j film.Job, name string, units []render.Unit) work.Phase {
	list := renderUnits(j, units)
	if name == phaseRender && mixesSound(j) {
		mix := work.Unit{Name: render.SoundUnit, Needs: needs(j, work.ClassRender)}
		list = chain(slices.Values([]work.Unit{mix}), list)
	}
	return work.Phase{Name: name, Independent: true, Units: list}
}

// mixesSound reports whether a unit mixes the sound of a scene's sequencer: whether any output has it.
func mixesSound(j film.Job) bool { return j.Render.Sound != nil && len(j.AudioRenditions) > 0 }

// renderNeeds returns where Blender runs.
func renderNeeds(j film.Job) work.Needs {
	n := work.Needs{Class: work.ClassRender, Route: j.Request.Compute.Mode}
	if j.Render.Settings.Device == render.GPU {
		n.Route, n.GPU = work.RouteBatch, true
	}
	return n
}

func renderUnits(j film.Job, units []render.Unit) iter.Seq[work.Unit] {
	of := renderNeeds(j)
	if j.Render.Settings.Tiles != "" { // they are merged
		of = needs(j, work.ClassRender)
	}
	return func(yield func(work.Unit) bool) {
		for _, u := range units {
			spec, _ := json.Marshal(u) //nolint:errchkjson // integers only
			if !yield(work.Unit{Name: u.Name(), Spec: spec, Needs: of}) {
				return
			}
		}
	}
}
