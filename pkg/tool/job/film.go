package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// FilmKind is the name of the kind of units that encode the pictures of a tool, and the sound that goes with them.
const FilmKind = "toolfilm"

// filmUnit is the Spec of such a unit.
type filmUnit struct {
	Tool    int           `json:"tool"`
	Output  int           `json:"output"`
	Segment *film.Segment `json:"segment,omitempty"` // of the units of video
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

// filmJob returns the film job that makes an output from pictures of a size. Its source chunks are those that the units of the tool have
// stored. Its subtitles are the captions.
func (d document) filmJob(i, n int, size media.Size, captions ...captions) (film.Job, error) {
	t := d.Request.Tools[i]
	req, err := d.Request.Film(t, t.Outputs[n])
	if err != nil {
		return film.Job{}, err
	}
	req.Compute.Threads = cmp.Or(d.Threads, 1)
	src := d.Source
	src.Video = new(picturesTrack(*d.Source.Video, size))
	src.Cover, src.Attachments = nil, nil // they are the source's, whose pictures these are not
	if len(captions) > 0 {
		req.Outputs[0].Subtitles = film.SubtitlesAuto
		src.Files, src.Subtitles = nil, nil
	}
	for _, c := range captions {
		src.Files = append(src.Files, c.file)
		src.AddSubtitles([]subtitle.File{c.track})
	}
	j, err := plan.Job(req, src, d.Encoder, func(codec string, in film.Container) bool { return remux.CopyableTo(codec, string(in)) })
	var problems film.Problems
	if errors.As(err, &problems) {
		for k := range problems {
			rest, _ := strings.CutPrefix(problems[k].Pointer, "/outputs/0/video/0")
			problems[k].Pointer = fmt.Sprintf("/tools/%d/outputs/%d/video%s", i, n, strings.TrimPrefix(rest, "/outputs/0/video"))
		}
		return j, problems.Err()
	}
	if err != nil {
		return j, err
	}
	j.Split, j.Segments = true, d.Counts[t.Name]
	j.AudioRenditions = plan.DivideAudio(j, plan.AudioPartLength)
	return j, nil
}

// requireFilms checks what can be known of films before the tools have run.
func (d document) requireFilms(ctx context.Context, tools ffmpeg.Tools) error {
	var names []string
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
		for _, r := range j.Renditions {
			name, _ := encode.Encoder(string(r.Codec), false)
			names = append(names, name)
		}
		for _, r := range j.AudioRenditions {
			if name, ok := encode.AudioEncoder(string(r.Codec)); ok {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return tools.Require(ctx, append(slices.Compact(names), "ffv1"))
}

// addFilms adds the units of films to a plan.
func (d document) addFilms(p *work.Plan, pieces [][]piece) error {
	var units []work.Unit
	for i, n := range d.films() {
		t := d.Request.Tools[i]
		j, err := d.filmJob(i, n, shownSize(*d.Source.Video))
		if err != nil {
			return err
		}
		prefix := filmPrefix(t, n)
		before := len(units)
		for k := range j.AudioParts() {
			u, err := unit(prefix+film.AudioUnit(k), filmUnit{Tool: i, Output: n}, work.Needs{Class: work.ClassAudio, Route: work.RouteLambda})
			if err != nil {
				return err
			}
			units = append(units, u)
		}
		for k, c := range pieces[i] {
			s := *c.Segment
			num := media.Ticks(d.Source.Video.Timebase.Num)
			s = film.Segment{
				Index: k, Last: s.Last, Start: s.Start * num, End: s.End * num, Seek: s.Start * num, LeadSync: s.Start * num,
				MidScene: s.MidScene, Boundary: s.Boundary,
			}
			u, err := unit(prefix+film.VideoUnit(k), filmUnit{i, n, &s}, work.Needs{Class: work.ClassEncode, Route: work.RouteLambda})
			if err != nil {
				return err
			}
			units = append(units, u)
		}
		p.Groups = append(p.Groups, work.Group{
			Name: strings.TrimSuffix(prefix, "/"), Noun: "parts of the film of " + t.Name, Units: len(units) - before, Total: amount(pieces[i]),
		})
	}
	if len(units) > 0 {
		slices.SortFunc(units, func(a, b work.Unit) int { return cmp.Compare(a.Name, b.Name) })
		p.Phases = append(p.Phases, work.Phase{Name: "film", Units: slices.Values(units)})
	}
	return nil
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
	inner := work.Unit{Name: strings.TrimPrefix(u.Name, f.prefix), Needs: u.Needs}
	if s := spec.Segment; s != nil {
		if f.env.Scratch, err = f.chunks(ctx, s); err != nil {
			return work.Result{}, err
		}
		if inner.Spec, err = json.Marshal(s); err != nil {
			return work.Result{}, fault.Wrap(fault.Internal, err, "record of "+u.Name)
		}
	}
	result, err := run(ctx, k.Kinds, f.env, inner)
	if err == nil && spec.Segment != nil {
		err = checkFrames(result, u.Name, spec.Segment.Frames)
	}
	return result, err
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

// chunks returns scratch with the source chunks that the unit of a segment reads, and completes the segment.
func (f openedFilm) chunks(ctx context.Context, s *film.Segment) (*sourceChunks, error) {
	c := &sourceChunks{Store: f.env.Scratch, keys: map[string]string{}}
	first := s.Index
	if slices.ContainsFunc(f.job.Renditions, film.Rendition.NeedsNeighbours) {
		first = max(first-1, 0)
	}
	for i := first; i <= s.Index+1 && i < f.job.Segments; i++ { // with the next one, as of any source that was split
		facts, chunk, err := f.pictures(ctx, i)
		if err != nil {
			return nil, err
		}
		if facts.Size() != f.size {
			return nil, f.differs(i, facts.Size())
		}
		c.keys[film.SourceChunkKey(f.job.ID, f.job.Source.Jumps, i)] = chunk
		if i == s.Index {
			s.Frames = facts.Frames
		}
	}
	return c, nil
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
	if f.job, err = doc.filmJob(i, n, f.size); err != nil {
		return f, err
	}
	inner := *env
	inner.Results = filmResults{env.Results, f.prefix}
	f.env = &inner
	return f, f.record()
}

// record makes the film's job that of its environment.
func (f *openedFilm) record() (err error) {
	f.job.ID = f.env.Job
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
