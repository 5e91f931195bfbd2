package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/planner"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// FilmKind is the name of the kind of units that encode the pictures of a tool, and the sound that goes with them.
const FilmKind = "toolfilm"

// filmUnit is the Spec of such a unit.
type filmUnit struct {
	Tool   int             `json:"tool"`
	Output int             `json:"output"`
	Spec   json.RawMessage `json:"spec,omitempty"` // that the unit has in a job of film
}

// filmPrefix returns what the names of a film's units begin with. The rest is the name that the unit has in a job of film.
func filmPrefix(t tool.Tool, output int) string {
	return fmt.Sprintf("%s/%s/%02d/", FilmKind, t.Name, output)
}

// films yields the outputs that are films, as indexes of tools and their outputs.
func (d document) films() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for i, t := range d.Request.Tools {
			for n, o := range t.Outputs {
				if o.Join == tool.JoinVideo && !yield(i, n) {
					return
				}
			}
		}
	}
}

// pixelFormats are those in which pictures are stored until they are encoded. Where the source has another one, it is the first.
var pixelFormats = []string{"yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"}

// picturesTrack returns the video track that the pictures of a tool make up: that of the source, upright, in another size and stored
// another way.
func picturesTrack(v film.VideoTrack, size media.Size) film.VideoTrack {
	if v.Rotation%180 != 0 && v.SampleAspect.Known() {
		v.SampleAspect = media.Rational{Num: v.SampleAspect.Den, Den: v.SampleAspect.Num}
	}
	if v.RGB() {
		v.Color.Space, v.Color.Range = "bt709", "tv"
	}
	if strings.HasPrefix(v.PixelFormat, "yuvj") {
		v.Color.Range = "pc"
	}
	if !slices.Contains(pixelFormats, v.PixelFormat) {
		v.PixelFormat, v.Depth = pixelFormats[0], 8
	}
	v.Start, v.End = v.Start*media.Ticks(v.Timebase.Num), v.End*media.Ticks(v.Timebase.Num)
	v.Timebase.Num = 1
	v.Stream, v.Codec, v.Width, v.Height = 0, "ffv1", size.Width, size.Height
	v.Rotation, v.Interlaced, v.Unordered, v.X264Build, v.DolbyVision = 0, "", false, 0, 0
	return v
}

// shownSize returns the size of the frames that tools get where they ask for no other.
func shownSize(v film.VideoTrack) media.Size {
	if v.Rotation%180 != 0 {
		return media.Size{Width: v.Height, Height: v.Width}
	}
	return media.Size{Width: v.Width, Height: v.Height}
}

// filmJob returns the film job that makes what an output wants of pictures of a size. Its source chunks are those that the units of the tool
// have stored. Its subtitles are the captions.
func (d document) filmJob(i, n int, size media.Size, captions ...captions) (film.Job, error) {
	t, o := d.Request.Tools[i], d.Request.Tools[i].Outputs[n]
	req, err := d.Request.Film(t, o)
	if err != nil {
		return film.Job{}, err
	}
	req.Compute.Threads = cmp.Or(d.Threads, 1)
	src := d.Source
	src.Video = new(picturesTrack(*d.Source.Video, size))
	src.Cover, src.Attachments = nil, nil // they are the source's, whose pictures these are not
	src.Files, src.Subtitles = nil, nil
	for _, c := range captions {
		src.Files = append(src.Files, c.file)
		src.AddSubtitles([]subtitle.File{c.track})
	}
	j, err := plan.Job(req, src, d.Encoder, func(codec string, in film.Container) bool { return remux.CopyableTo(codec, string(in)) })
	var problems film.Problems
	if errors.As(err, &problems) {
		for k := range problems {
			problems[k].Pointer = o.FilmPointer(fmt.Sprintf("/tools/%d/outputs/%d", i, n), problems[k].Pointer)
		}
		return j, problems.Err()
	}
	if err != nil {
		return j, err
	}
	for k := range j.Renditions {
		if r := &j.Renditions[k]; r.Codec == film.AV1 && r.SegmentDuration > 0 {
			r.AV1Forced = d.AV1Forced
		}
	}
	plan.AddThumbnails(&j)
	j.Split, j.Segments = true, d.Counts[t.Name]
	j.AudioRenditions = plan.DivideAudio(j, plan.AudioPartLength)
	return j, nil
}

// checkFilms checks what can be known of films before the tools have run.
func (d *document) checkFilms(ctx context.Context, tools ffmpeg.Tools, oneMachine bool) error {
	some := false
	for i, n := range d.films() {
		v := d.Source.Video
		switch t := d.Request.Tools[i]; {
		case v == nil:
			return refuse(i, "the source has no video")
		case t.As.Format != "mkv" && (v.Color.HDR() || v.DolbyVision != 0):
			return film.Problems{{
				Pointer: fmt.Sprintf("/tools/%d/outputs/%d/join", i, n),
				Message: "the film is HDR, which the 8 bits of " + t.As.Format + " cannot hold: use each: segment with as: {format: mkv}, or make a film without HDR first",
			}}.Err()
		}
		j, err := d.filmJob(i, n, shownSize(*v))
		if err != nil {
			return err
		}
		for _, out := range j.Outputs {
			if path.Clean(j.Request.URL(out.File)) == path.Clean(j.Source.URL) {
				return film.Problems{{Pointer: fmt.Sprintf("/tools/%d/outputs/%d", i, n), Message: "the output " + out.File + " would replace the source"}}.Err()
			}
		}
		if err := (planner.Planner{Tools: tools}).Prepare(ctx, &j, oneMachine); err != nil {
			return err
		}
		for _, r := range j.Renditions {
			d.AV1Forced = d.AV1Forced || r.AV1Forced
		}
		some = true
	}
	if !some {
		return nil
	}
	return tools.Require(ctx, []string{"ffv1"})
}

// mediaSegments returns the wanted length of a tool's pieces, and that of the media segments of packages that are made of its pictures, on
// whose multiples the pieces begin; 0 if there is no package. All packages of a tool have the same.
func (d document) mediaSegments(i int) (wanted, every time.Duration, err error) {
	unforced := false
	for k, n := range d.films() {
		if k != i {
			continue
		}
		j, err := d.filmJob(i, n, shownSize(*d.Source.Video))
		if err != nil {
			return 0, 0, err
		}
		if length := plan.PackageSegmentLength(j); length > 0 {
			wanted, every = max(wanted, plan.SegmentLength(j)), length
			unforced = unforced || plan.KeyframesUnforced(j)
		}
	}
	if unforced { // each piece is one media segment
		wanted = every
	}
	return wanted, every, nil
}

// filmPlans are the plans of films, as of jobs of their own.
type filmPlans struct {
	units    map[string][]work.Unit // by phase
	phases   map[string]work.Phase
	outputs  map[joined]int // number of outputs, by tool and output
	warnings []string
}

// planFilms adds the units of films to a plan.
func (d document) planFilms(p *work.Plan, pieces [][]piece) (filmPlans, error) {
	all := filmPlans{units: map[string][]work.Unit{}, phases: map[string]work.Phase{}, outputs: map[joined]int{}}
	for i, n := range d.films() {
		own, outputs, err := d.planFilm(i, n, pieces[i])
		if err != nil {
			return all, err
		}
		all.outputs[joined{Tool: i, Output: n}] = outputs
		// Notices may be about the size of the pictures, which is the tool's choice: the units that publish give them.
		all.warnings = append(all.warnings, slices.DeleteFunc(own.Warnings, film.IsNotice)...)
		prefix := filmPrefix(d.Request.Tools[i], n)
		for _, phase := range own.Phases {
			for u := range phase.Units {
				wrapped, err := unit(prefix+u.Name, filmUnit{i, n, u.Spec}, u.Needs)
				if err != nil {
					return all, err
				}
				wrapped.Needs.Load = work.Load{} // that of the source, which units of films do not read as a whole
				all.units[phase.Name] = append(all.units[phase.Name], wrapped)
			}
			phase.Units = nil
			all.phases[phase.Name] = phase
		}
		for _, g := range own.Groups {
			if strings.HasPrefix(g.Name, film.OutputKind+"/") || strings.HasPrefix(g.Name, film.PreviewKind+"/") {
				continue // they are of the phase that joins
			}
			g.Name, g.Noun = prefix+g.Name, g.Noun+" of the film of "+d.Request.Tools[i].Name
			p.Groups = append(p.Groups, g)
		}
	}
	for _, name := range planner.PhaseNames() {
		units := all.units[name]
		if len(units) == 0 {
			continue
		}
		slices.SortFunc(units, func(a, b work.Unit) int { return cmp.Compare(a.Name, b.Name) })
		phase := all.phases[name]
		phase.Units = slices.Values(units)
		p.Phases = append(p.Phases, phase)
	}
	slices.Sort(all.warnings)
	p.Warnings = append(p.Warnings, slices.Compact(all.warnings)...)
	return all, nil
}

// planFilm returns the plan of a film as of a job of its own, and how many outputs it has.
func (d document) planFilm(i, n int, pieces []piece) (work.Plan, int, error) {
	j, err := d.filmJob(i, n, shownSize(*d.Source.Video))
	if err != nil {
		return work.Plan{}, 0, err
	}
	j.Split = false // the tool does this
	num := media.Ticks(d.Source.Video.Timebase.Num)
	var segments []film.Segment
	for k, c := range pieces {
		s := *c.Segment
		segments = append(segments, film.Segment{
			Index: k, Last: s.Last, Start: s.Start * num, End: s.End * num, Seek: s.Start * num, LeadSync: s.Start * num, Frames: s.Frames,
			MidScene: s.MidScene, Boundary: s.Boundary,
		})
	}
	p, err := planner.Divide(j, segments)
	return p, len(j.Outputs), err
}

// Films runs the units of films with the kinds that encode any other film.
type Films struct{ Kinds []work.Kind }

var _ work.Kind = Films{}

// Name implements work.Kind.
func (Films) Name() string { return FilmKind }

// Run implements work.Kind.
func (k Films) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	var spec filmUnit
	if err := decode(u.Spec, &spec, u.Name); err != nil {
		return work.Result{}, err
	}
	f, err := openFilm(ctx, env, spec.Tool, spec.Output)
	if err != nil {
		return work.Result{}, err
	}
	inner := work.Unit{Name: strings.TrimPrefix(u.Name, f.prefix), Needs: u.Needs, Spec: spec.Spec}
	if inner.Name == film.SharesUnit && f.job.SizesFile() { // subtitles are a part of the file
		if _, err := f.addCaptions(ctx, env, spec.Tool, k.Kinds); err != nil {
			return work.Result{}, err
		}
	}
	if !decodes(inner.Name) {
		return run(ctx, k.Kinds, f.env, inner)
	}
	var s film.Segment
	if err := decode(spec.Spec, &s, u.Name); err != nil {
		return work.Result{}, err
	}
	chunks, frames, err := f.chunks(ctx, s.Index)
	if err != nil {
		return work.Result{}, err
	}
	f.env.Scratch = chunks
	if s.Frames > 0 || len(f.job.Pictures) == 0 { // without the times of frames, a picture may show a frame of the segment before
		s.Frames = frames
	}
	if inner.Spec, err = json.Marshal(s); err != nil {
		return work.Result{}, fault.Wrap(fault.Internal, err, "record of "+u.Name)
	}
	result, err := run(ctx, k.Kinds, f.env, inner)
	if err == nil {
		err = checkFrames(result, u.Name, frames)
	}
	return result, err
}

// decodes reports whether a unit of a film decodes a segment.
func decodes(unit string) bool {
	return strings.HasPrefix(unit, film.VideoKind+"/") || strings.HasPrefix(unit, film.PassKind+"/")
}

// checkFrames checks that a segment was encoded with all its frames: of a source that is damaged, fewer would do.
func checkFrames(result work.Result, unit string, want int) error {
	var facts film.SegmentFacts
	if err := decode(result.Facts, &facts, unit); err != nil {
		return err
	}
	if facts.Frames != want {
		return fault.New(fault.Corrupt, "%s has %d frames of %d", unit, facts.Frames, want)
	}
	return nil
}

// chunks returns scratch with the source chunks that the unit of a segment reads, and the number of the segment's frames.
func (f openedFilm) chunks(ctx context.Context, segment int) (c *sourceChunks, frames int, err error) {
	c = &sourceChunks{Store: f.env.Scratch, keys: map[string]string{}}
	first := segment
	if slices.ContainsFunc(f.job.Renditions, film.Rendition.NeedsNeighbours) {
		first = max(first-1, 0)
	}
	for i := first; i <= segment+1 && i < f.job.Segments; i++ { // with the next one, as of any source that was split
		facts, chunk, err := f.pictures(ctx, i)
		if err != nil {
			return nil, 0, err
		}
		if facts.Size() != f.size {
			return nil, 0, f.differs(i, facts.Size())
		}
		c.keys[film.SourceChunkKey(f.job.ID, f.job.Source.Jumps, i)] = chunk
		if i == segment {
			frames = facts.Frames
		}
	}
	return c, frames, nil
}

// run runs a unit of a film with the kind that its name says.
func run(ctx context.Context, kinds []work.Kind, env *work.Env, u work.Unit) (work.Result, error) {
	kind, err := work.Registry{Kinds: kinds}.Kind(u.Name)
	if err != nil {
		return work.Result{}, err
	}
	return kind.Run(ctx, env, u)
}

// openedFilm is a film as its units see it.
type openedFilm struct {
	env    *work.Env // in which the job is that of the film
	tool   tool.Tool
	output int
	prefix string
	job    film.Job
	size   media.Size
	own    work.Results // of the job of tools
}

// openFilm returns the film of an output. Its size is that of the first piece's pictures.
func openFilm(ctx context.Context, env *work.Env, i, n int) (openedFilm, error) {
	var doc document
	if err := env.Decode(&doc); err != nil {
		return openedFilm{}, err
	}
	if i < 0 || i >= len(doc.Request.Tools) || n < 0 || n >= len(doc.Request.Tools[i].Outputs) {
		return openedFilm{}, fault.New(fault.Corrupt, "%s is of no output of its job", env.Unit)
	}
	f := openedFilm{tool: doc.Request.Tools[i], output: n, own: env.Results}
	f.prefix = filmPrefix(f.tool, n)
	first, _, err := f.pictures(ctx, 0)
	if err != nil {
		return f, err
	}
	f.size = first.Size()
	j, err := doc.filmJob(i, n, f.size)
	if err != nil {
		return f, err
	}
	inner := *env
	inner.Results = filmResults{env.Results, f.prefix}
	f.env = &inner
	return f, f.set(j)
}

// set makes j the job of the film's units. Its media lie in folders of the job of tools, whose ID stands for the captions, too.
func (f *openedFilm) set(j film.Job) (err error) {
	plan.FitSheets(&j)
	j.ID = f.env.Job
	for i := range j.Outputs {
		switch out := &j.Outputs[i]; {
		case out.Container.Packaged():
			out.Folder = film.MediaFolder(out.Name, j.ID)
		case out.Container == film.PreviewSet:
			out.Folder = film.MediaFolder(film.PreviewFolder(out.Name), j.ID)
		}
	}
	f.job = j
	f.env.Doc, err = json.Marshal(f.job)
	return fault.Wrap(fault.Internal, err, "record of a film")
}

// pictures returns what a piece has of the film, and its key in scratch.
func (f openedFilm) pictures(ctx context.Context, i int) (pictures, string, error) {
	name := unitName(f.tool, i)
	r, done, err := f.own.Result(ctx, name)
	if err != nil {
		return pictures{}, "", err
	}
	var own facts
	if done {
		err = decode(r.Facts, &own, name)
	}
	if err != nil {
		return pictures{}, "", err
	}
	for k, file := range own.Files {
		if file.Pictures != nil && slices.Contains(file.Outputs, f.output) && k < len(r.Artifacts) {
			return *file.Pictures, r.Artifacts[k].Key, nil
		}
	}
	return pictures{}, "", fault.New(fault.Corrupt, "%s has no pictures for its film", name)
}

func (f openedFilm) differs(i int, size media.Size) error {
	return fault.New(fault.Unsupported, "%s: its pictures have %dx%d pixels, those of the first piece %dx%d",
		unitName(f.tool, i), size.Width, size.Height, f.size.Width, f.size.Height)
}

// filmResults are the results of a film's units, under the names that they have in a job of film.
type filmResults struct {
	work.Results
	prefix string
}

// Result implements work.Results.
func (r filmResults) Result(ctx context.Context, unit string) (work.Result, bool, error) {
	return r.Results.Result(ctx, r.prefix+unit)
}

// All implements work.Results.
func (r filmResults) All(ctx context.Context, prefix string) iter.Seq2[work.Finished, error] {
	return func(yield func(work.Finished, error) bool) {
		for f, err := range r.Results.All(ctx, r.prefix+prefix) {
			f.Unit = strings.TrimPrefix(f.Unit, r.prefix)
			if !yield(f, err) {
				return
			}
		}
	}
}
