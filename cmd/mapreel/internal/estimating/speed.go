package estimating

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// encoding is what the speed of a job depends on. Two jobs with the same one are as fast.
type encoding struct {
	Codec         string // of the source
	Width, Height int
	Renditions    []film.Rendition
	Pictures      int
	Keyframes     bool
}

func encodingOf(j film.Job) string {
	if j.Source.Video == nil {
		return ""
	}
	e := encoding{
		Codec: j.Source.Video.Codec, Width: j.Source.Video.Width, Height: j.Source.Video.Height,
		Renditions: slices.Clone(j.Renditions), Pictures: len(j.Pictures), Keyframes: j.Keyframes,
	}
	for i := range e.Renditions { // names, and where boundaries are, cost nothing
		e.Renditions[i].SizedFile = ""
		e.Renditions[i].Name, e.Renditions[i].SegmentDuration, e.Renditions[i].SampleAspect = "", 0, media.Rational{}
	}
	data, _ := json.Marshal(e) //nolint:errchkjson // numbers and texts
	return string(data)
}

// searchesAlike reports whether a past job found CRFs as this version does. Others took another number of encodes for a target quality, or for a
// size: their format, which is in their ID, was another.
func searchesAlike(j film.Job) bool {
	if !slices.ContainsFunc(j.Renditions, func(r film.Rendition) bool { return r.Quality.Target != 0 || r.Sized() }) {
		return true
	}
	id, err := film.ID(j.Request, j.Source, j.Encoder)
	return err == nil && id == j.ID
}

// How far a speed may be from that of the jobs or samples that it was taken from, in percent: other scenes take more or less.
const (
	historyLow, historyHigh = 88, 115
	sampleLow, sampleHigh   = 85, 118
)

// around returns the range from low to high percent of a number.
func around(n, low, high int64) estimate.Range {
	return estimate.Range{Low: n * low / 100, High: n * high / 100}
}

// fromHistory takes the speed from the jobs of a scratch folder that did the same with other sources, or with this one.
func fromHistory(ctx context.Context, scratch string, j film.Job) (filmjob.Speed, error) {
	var frames, cpu, written int64
	jobs, wanted := 0, encodingOf(j)
	err := local.Past(ctx, scratch, func(l ledger.Ledger, plan work.Plan) error {
		var past film.Job
		if plan.Planner != filmjob.Planner || json.Unmarshal(plan.Doc, &past) != nil || encodingOf(past) != wanted || !searchesAlike(past) {
			return nil //nolint:nilerr // a job of another version has nothing to say
		}
		before := frames
		for u, err := range engine.ReadUnits(ctx, l, plan.ID) {
			if err != nil {
				return err
			}
			used := u.Uses[u.Attempt].CPU
			switch {
			case used <= 0 || u.Done.Count <= 0:
			case work.Group{Name: film.VideoKind}.Contains(u.ID):
				frames, cpu, written = frames+u.Done.Count, cpu+used, written+u.Done.Bytes
			case work.Group{Name: film.PassKind}.Contains(u.ID): // of the same frames
				cpu += used
			}
		}
		if frames > before {
			jobs++
		}
		return nil
	})
	if err != nil || frames == 0 {
		return filmjob.Speed{}, err
	}
	return filmjob.Speed{
		CPU:   around(cpu*1000/frames, historyLow, historyHigh),
		Bytes: around(written*1000/frames, historyLow, historyHigh),
		Basis: fmt.Sprintf("%s of the same kind on this machine, %d frames", plural(jobs, "earlier job"), frames),
	}, nil
}

// How much of the source samples have, in microseconds. The difference of the first two, which begin at the same frame, is what
// frames take; what is left is what the start of a unit takes. That includes the first second of an encoder, whose frames take longer,
// those of x265 by a half, and whose keyframe has more bytes: so the short one is no shorter.
const (
	shortSample = 1_000_000
	longSample  = 3_000_000
)

// fromSamples encodes short samples of the source, as the job will.
func fromSamples(ctx context.Context, request json.RawMessage, o Options) (filmjob.Speed, error) {
	folder, err := os.MkdirTemp("", "mapreel-samples-")
	if err != nil {
		return filmjob.Speed{}, fault.Wrap(fault.KindOf(err), err, "folder for samples")
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system removes what is left of its temporary files
	var tree map[string]any
	if err := json.Unmarshal(request, &tree); err != nil {
		return filmjob.Speed{}, fault.Wrap(fault.Invalid, err, "request")
	}
	tree["destination"] = folder // packages write there while they are encoded
	sized := withoutSizes(tree)
	withoutBurns(tree)
	if request, err = json.Marshal(tree); err != nil {
		return filmjob.Speed{}, fault.Wrap(fault.Internal, err, "request")
	}
	plan, j, err := planned(ctx, request, o)
	if err != nil {
		return filmjob.Speed{}, err
	}
	list, heavier := samples(plan, j), 1.0
	var tried []local.Trial
	beginning := len(list) == 2 && (j.Source.Duration <= 0 || j.Source.Duration > shortSource) // all is one segment
	if j.Split {
		tried, beginning, heavier, err = ofExcerpts(ctx, plan, j, request, sized, o)
	} else if tried, err = try(ctx, plan, j.Source.URL, o.video(), list, o); err == nil && !sized {
		heavier = weigh(ctx, plan, j, list, o)
	}
	if ctx.Err() != nil {
		return filmjob.Speed{}, fault.ContextError(ctx)
	}
	if fault.KindOf(err) == fault.OutOfSpace { // the job may have its files elsewhere, and would not say so
		return filmjob.Speed{}, err
	}
	if err != nil {
		return filmjob.Speed{}, nil //nolint:nilerr // the job itself will say what is wrong
	}
	speed := ofTrials(tried, beginning)
	speed.Bytes = speed.Bytes.Over(heavier)
	if sized { // of which a segment takes a first pass and about two encodes
		speed.CPU = estimate.Range{Low: 2 * speed.CPU.Low, High: 3 * speed.CPU.High}
		speed.Bytes, speed.Head = estimate.Range{}, 0 // as the request says
	}
	return speed, nil
}

// video returns the kind that encodes video.
func (o Options) video() work.Kind {
	return o.Registry.Kinds[slices.IndexFunc(o.Registry.Kinds, func(k work.Kind) bool { return k.Name() == film.VideoKind })]
}

// try encodes units of a plan. A unit that has no frame, or took no time that was measured, is an error.
func try(ctx context.Context, plan work.Plan, source string, kind work.Kind, units []work.Unit, o Options) (tried []local.Trial, err error) {
	for _, unit := range units {
		t, err := local.Try(ctx, plan, source, o.Places, kind, unit)
		if err != nil {
			return nil, err
		}
		if t.Result.Done.Count == 0 || t.CPU == 0 {
			return nil, fault.New(fault.Unsupported, "a sample has no frame, or took no time")
		}
		tried = append(tried, t)
	}
	return tried, nil
}

// withoutSizes removes bit rates and sizes from a request, whose samples are then encoded at the default CRF: what a segment gets follows
// from all others. It reports whether there were any.
func withoutSizes(tree map[string]any) (found bool) {
	outputs, _ := tree["outputs"].([]any)
	for _, o := range outputs {
		output, _ := o.(map[string]any)
		found = found || output["targetSize"] != nil
		delete(output, "targetSize")
		videos, _ := output["video"].([]any)
		for _, v := range videos {
			video, _ := v.(map[string]any)
			found = found || video["bitrate"] != nil
			delete(video, "bitrate")
		}
	}
	return found
}

// withoutBurns removes the subtitles that are drawn into the picture from a request: a unit reads them before the video is encoded, and
// samples are encoded by themselves.
func withoutBurns(tree map[string]any) {
	outputs, _ := tree["outputs"].([]any)
	for _, o := range outputs {
		output, _ := o.(map[string]any)
		videos, _ := output["video"].([]any)
		for _, v := range videos {
			video, _ := v.(map[string]any)
			delete(video, "burn")
		}
	}
}

// ofTrials returns the speed that trials of samples show: the shortest first, then longer ones, of which the first begins where the
// shortest does. beginning is whether all are from the source's beginning, and may say little of the rest.
func ofTrials(tried []local.Trial, beginning bool) filmjob.Speed {
	if len(tried) < 2 {
		return filmjob.Speed{}
	}
	var frames, cpu, written []int64
	for _, t := range tried {
		frames, cpu, written = append(frames, t.Result.Done.Count), append(cpu, t.CPU.Microseconds()), append(written, t.Result.Done.Bytes*1000)
	}
	start, each := split(frames, cpu)
	head, bytes := split(frames, written)
	var total int64
	for _, n := range frames {
		total += n
	}
	of := "this source"
	if beginning {
		of = "the beginning of this source"
	}
	return filmjob.Speed{
		CPU: around(each, sampleLow, sampleHigh), Bytes: around(bytes, sampleLow, sampleHigh), Start: start / 1000, Head: head / 1000,
		Basis: fmt.Sprintf("%s of %s, %d frames", plural(len(tried), "sample"), of, total),
	}
}

// split divides what samples with so many frames have taken: into what each sample takes besides its frames, and what a frame takes, as
// the mean of the long samples.
func split(frames, took []int64) (once, each int64) {
	if more := frames[1] - frames[0]; more > 0 && took[1] > took[0] {
		once = max(took[0]-(took[1]-took[0])*frames[0]/more, 0)
	}
	var work, count int64
	for i := 1; i < len(frames); i++ {
		work, count = work+max(took[i]-once, took[i]/10), count+frames[i]
	}
	return once, work / count
}

// samples returns units that encode the beginning of a segment in the middle of the film, a little and more of it, and those of
// segments in its first third and in its last one. The first of two segments has none: its beginning is that of the film, which is often
// unlike the rest, and would stand for half of it.
func samples(plan work.Plan, j film.Job) []work.Unit {
	var units []work.Unit
	for _, phase := range plan.Phases {
		if phase.Units == nil {
			continue
		}
		for u := range phase.Units {
			if (work.Group{Name: film.VideoKind}).Contains(u.Name) {
				units = append(units, u)
			}
		}
	}
	if len(units) == 0 || j.Source.Video == nil {
		return nil
	}
	middle := len(units) / 2
	list := []work.Unit{shortened(units[middle], j, shortSample), shortened(units[middle], j, longSample)}
	for _, i := range slices.Compact([]int{len(units) / 6, len(units) * 5 / 6}) {
		if i != middle && len(units) != 2 {
			list = append(list, shortened(units[i], j, longSample))
		}
	}
	return list
}

// weigh returns by how much the source has more bytes of video a second where the samples are than on average: what has more there takes
// more when it is encoded, too. It is 1 where that is not known.
func weigh(ctx context.Context, plan work.Plan, j film.Job, samples []work.Unit, o Options) float64 {
	if j.Source.Sequence != nil || len(j.Source.Joined) > 0 || j.Request.Part != (film.Part{}) || j.Source.Duration <= 0 {
		return 1
	}
	if len(samples) == 0 {
		return 1
	}
	w := &weighing{tools: o.Tools}
	for _, unit := range samples[1:] { // the first is a part of the second
		if _, err := local.Try(ctx, plan, j.Source.URL, o.Places, w, unit); err != nil {
			return 1
		}
	}
	return w.heavier(j.Source)
}

// weighing is a kind that adds up what the source has in its units.
type weighing struct {
	tools         ffmpeg.Tools
	video, others int64       // bytes of packets
	micros        media.Ticks // how long all units are
}

// Name implements work.Kind.
func (*weighing) Name() string { return "weighing" }

// Run implements work.Kind.
func (w *weighing) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	var j film.Job
	var s film.Segment
	if err := errors.Join(env.Decode(&j), json.Unmarshal(u.Spec, &s)); err != nil {
		return work.Result{}, err
	}
	in, err := input.Source(ctx, env.Resolve, j.Source)
	if err != nil {
		return work.Result{}, err
	}
	timebase := j.Source.Video.Timebase
	from, to := media.Rescale(s.Start, timebase, media.Microseconds), media.Rescale(s.End, timebase, media.Microseconds)
	sums, err := probe.PacketBytes(ctx, w.tools, in, from, to)
	if err != nil { // its time must not count without its bytes
		return work.Result{}, err
	}
	for stream, n := range sums {
		if stream == j.Source.Video.Stream {
			w.video += n
		} else {
			w.others += n
		}
	}
	w.micros += to - from
	return work.Result{}, nil
}

// elastic is by what power of a source's bytes those of what is encoded from it grow: by less than in proportion, as measured with the
// sources of go run ./internal/bench -estimates.
const elastic = 0.8

// heavier returns how many times as many bytes of video a second the units have as the source, and so about how many more they give. That
// of the source is what the other streams leave of it, which have about as much everywhere.
func (w *weighing) heavier(src film.Source) float64 {
	const most = 3.0 // beyond that, something else is in the file
	lasts := src.Duration
	if v := src.Video; v != nil && v.End > v.Start { // the duration of a Matroska file also counts what comes before its first frame
		lasts = media.Rescale(v.End-v.Start, v.Timebase, media.Microseconds)
	}
	mean := float64(src.Size)/float64(lasts) - float64(w.others)/float64(w.micros)
	here := float64(w.video) / float64(w.micros)
	if ratio := here / mean; ratio > 1/most && ratio < most { // also not where there is no number
		return math.Pow(ratio, elastic)
	}
	return 1
}

// shortened returns a unit that encodes the beginning of its segment.
func shortened(unit work.Unit, j film.Job, micros media.Ticks) work.Unit {
	var s film.Segment
	if json.Unmarshal(unit.Spec, &s) != nil {
		return unit
	}
	unknown := s.End <= s.Start // as of a raw stream
	if end := s.Start + media.Rescale(micros, media.Microseconds, j.Source.Video.Timebase); end < s.End || unknown {
		s.End, s.Frames, s.Last = end, 0, false
	}
	unit.Spec, _ = json.Marshal(s) //nolint:errchkjson // integers
	return unit
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
