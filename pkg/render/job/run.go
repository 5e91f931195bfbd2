package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kind renders a range of frames, or merges them from their tiles. A frame is stored as soon as it is whole, and a frame that is stored
// is not rendered again.
type Kind struct {
	Blender blender.Program
	tiles   bool
}

var _ work.Kind = Kind{}

// Tiles returns the kind that renders the same tile of each frame of a range. It stores tiles as Kind stores frames.
func Tiles(b blender.Program) Kind { return Kind{Blender: b, tiles: true} }

// Name implements work.Kind.
func (k Kind) Name() string {
	if k.tiles {
		return render.TileKind
	}
	return render.Kind
}

// Facts are those of a unit.
type Facts struct {
	Pace     render.Pace `json:"pace"`
	Start    float64     `json:"start"`    // seconds of the first run of Blender until its first frame began
	Rendered int         `json:"rendered"` // by the attempt that completed the unit
}

// Run implements work.Kind.
func (k Kind) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	var doc struct {
		Render *render.Job `json:"render"`
	}
	if err := env.Decode(&doc); err != nil {
		return work.Result{}, err
	}
	var spec render.TileUnit
	if err := json.Unmarshal(u.Spec, &spec); err != nil || doc.Render == nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, errors.Join(err, errors.New("it is of no scene")), "record of "+u.Name)
	}
	a := &attempt{Env: env, blender: k.Blender.Sharing(env.Session), job: *doc.Render, unit: spec.Unit, sizes: map[int]int64{}}
	all, err := render.ParseFrames(a.job.Frames, 1)
	if err != nil || a.unit.From < 0 || a.unit.To > len(all) || a.unit.From >= a.unit.To || a.unit.Step < 0 {
		return work.Result{}, fault.New(fault.Corrupt, "%s is not a range of the frames of its job", u.Name)
	}
	a.places = a.unit.Places()
	for _, i := range a.places {
		a.numbers = append(a.numbers, all[i])
	}
	if a.grid, err = render.ParseGrid(a.job.Settings.Tiles); err != nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, err, "tiles of the job of "+u.Name)
	}
	run := a.run
	switch {
	case k.tiles:
		if spec.Tile < 0 || spec.Tile >= a.grid.Count() {
			return work.Result{}, fault.New(fault.Corrupt, "%s is no tile of the frames of its job", u.Name)
		}
		a.tile = &spec.Tile
	case a.grid.Count() > 0:
		run = a.merge
	}
	facts, err := run(ctx)
	result := a.result()
	if err != nil {
		return result, err
	}
	return result, result.SetFacts(facts)
}

// attempt is one attempt at a unit.
type attempt struct {
	*work.Env
	blender blender.Program
	job     render.Job
	unit    render.Unit
	grid    render.Grid
	tile    *int          // nil: whole frames
	places  []int         // of the unit's frames in the job's list
	numbers []int         // of the unit's frames
	sizes   map[int]int64 // of the frames that are stored, by their numbers
}

func (a *attempt) key(number int) string {
	i, _ := slices.BinarySearch(a.numbers, number)
	if a.tile != nil {
		return render.TileKey(a.Job, a.places[i], *a.tile)
	}
	return render.Key(a.Job, a.places[i], a.job.Settings.Format)
}

// picture returns what a frame or tile must be.
func (a *attempt) picture() render.Picture {
	p := render.Picture{Width: a.job.Width, Height: a.job.Height, Alpha: a.job.Alpha, Format: a.job.Settings.Format}
	if t := a.place(); t != nil {
		p.Width, p.Height = t.Width, t.Height
	}
	return p
}

// place returns where the tile lies in the frame; nil for whole frames.
func (a *attempt) place() *render.Tile {
	if a.tile == nil {
		return nil
	}
	t := a.grid.Tile(*a.tile, a.job.Width, a.job.Height)
	return &t
}

// missing lists the frames that are not stored.
func (a *attempt) missing() (list []int) {
	for _, n := range a.numbers {
		if _, ok := a.sizes[n]; !ok {
			list = append(list, n)
		}
	}
	return list
}

// result lists the frames that are stored.
func (a *attempt) result() (r work.Result) {
	for _, n := range a.numbers {
		if size, ok := a.sizes[n]; ok {
			r.Artifacts = append(r.Artifacts, work.Artifact{Prefix: a.key(n), Size: size})
			r.Done.Bytes += size
			r.Done.Count++
		}
	}
	return r
}

// findStored finds the frames that are stored already. It lists them: a function may not look for single objects that may be missing.
func (a *attempt) findStored(ctx context.Context) error {
	first, last := a.key(a.numbers[0]), a.key(a.numbers[len(a.numbers)-1])
	common := 0
	for common < len(first) && common < len(last) && first[common] == last[common] {
		common++
	}
	sizes, err := work.Sizes(ctx, a.Scratch, first[:common])
	for _, n := range a.numbers {
		if size, ok := sizes[a.key(n)]; ok {
			a.sizes[n] = size
		}
	}
	return err
}

func (a *attempt) run(ctx context.Context) (f Facts, err error) {
	if err := a.findStored(ctx); err != nil {
		return f, err
	}
	todo := a.missing()
	if len(todo) == 0 {
		return f, nil
	}
	at, err := blender.Stage(ctx, blender.Resolver(a.Resolve), a.job.Scene, a.job.Settings.Files, a.Dir)
	if err != nil {
		return f, err
	}
	scene, err := watch(at, a.job)
	if err != nil {
		return f, err
	}
	store := func(frame blender.Frame) error {
		if err := scene.check(); err != nil {
			return err
		}
		f.Rendered++
		return a.store(ctx, frame)
	}
	var failed []blender.Failure
	for idle := 0; len(todo) > 0; {
		pace, bad, err := a.blender.Render(ctx, at, blender.Range{
			Settings: a.job.Settings, Numbers: todo, Threads: a.job.Threads, Memory: a.Memory, Tile: a.place(), Files: scene.files(),
		}, a.Dir, store)
		if f.Pace == (render.Pace{}) {
			f.Pace, f.Start = paceOf(pace), pace.Start
		}
		failed = append(failed, bad...)
		before := len(todo)
		todo = remaining(a.missing(), failed)
		switch {
		case len(todo) == 0:
		case err == nil:
			return f, fault.New(fault.Unsupported, "Blender ended without rendering frame %d", todo[0])
		case ctx.Err() != nil || fault.KindOf(err) != fault.Unsupported:
			return f, a.slow(err, f.Rendered+len(failed))
		case len(todo) < before: // Blender broke off at a frame: once more, from there
			idle = 0
		case idle > 0:
			return f, err
		default: // twice at the same frame: the others first
			idle++
			failed = append(failed, blender.Failure{Number: todo[0], Error: err.Error()})
			todo = todo[1:]
		}
	}
	if len(failed) > 0 {
		return f, a.failure(failed)
	}
	return f, nil
}

// slow returns err with what helps if the time was over before an attempt was done with a single frame.
func (a *attempt) slow(err error, ended int) error {
	switch {
	case fault.KindOf(err) != fault.OutOfTime || ended > 0:
		return err
	case a.tile != nil:
		return fault.WithHint(err, "smaller tiles may be rendered in time")
	default:
		return fault.WithHint(err, "no frame was rendered in the time that a worker has: --tiles (render.tiles) divides each frame among several workers, where the scene allows it")
	}
}

func (a *attempt) failure(failed []blender.Failure) error {
	text := blender.FormatFailures(failed)
	if a.tile != nil {
		text = fmt.Sprintf("tile %d of ", *a.tile+1) + text
	}
	return fault.WithHint(fault.New(fault.Unsupported, "%s", text), "all others of the unit are kept; the same command renders these again")
}

// remaining returns the frames of list that have not failed.
func remaining(list []int, failed []blender.Failure) (rest []int) {
	for _, n := range list {
		if !slices.ContainsFunc(failed, func(f blender.Failure) bool { return f.Number == n }) {
			rest = append(rest, n)
		}
	}
	return rest
}

// paceOf returns the pace of a run. The first frame has what Blender does once, such as compiling shaders, so that counts for its start.
func paceOf(p blender.Pace) render.Pace {
	if len(p.Frames) == 0 {
		return render.Pace{}
	}
	pace := render.Pace{Start: p.Start, Frame: slices.Min(p.Frames)}
	if len(p.Frames) > 1 {
		pace.Frame = 0
		for _, s := range p.Frames[1:] {
			pace.Frame += s / float64(len(p.Frames)-1)
		}
		pace.Start += max(p.Frames[0]-pace.Frame, 0)
	}
	return pace
}

// store checks a frame and stores it.
func (a *attempt) store(ctx context.Context, frame blender.Frame) error {
	data, err := frame.Read()
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "read a frame")
	}
	if data, err = render.Clean(data, a.picture()); err != nil {
		return blender.Damaged{Err: err} // the others may be good, and the unit fails at its end
	}
	if err := a.put(ctx, frame.Number, data); err != nil {
		return err
	}
	err = frame.Remove()
	return fault.Wrap(fault.KindOf(err), err, "remove a frame that is stored")
}

// put stores what was rendered or merged.
func (a *attempt) put(ctx context.Context, number int, data []byte) error {
	info, err := a.Scratch.Put(ctx, a.key(number), bytes.NewReader(data))
	if err != nil {
		return err
	}
	a.sizes[number] = info.Size
	a.Progress(a.result().Done)
	return nil
}
