package estimating

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// excerptLength is how much of a source an excerpt is, in microseconds. ffmpeg leaves out what comes before the first keyframe, and x264
// sets one every ten seconds by default.
const excerptLength = 20_000_000

// excerpt is a kind that copies video of a source without an index into a file that has one. The segments of such a source are known
// only after it was split.
type excerpt struct {
	tools        ffmpeg.Tools
	from, length media.Ticks // in microseconds; from counts from the source's beginning
	file         string
	only         bool // there are no other excerpts
}

// Name implements work.Kind.
func (excerpt) Name() string { return "excerpt" }

// Run implements work.Kind.
func (e excerpt) Run(ctx context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	var j film.Job
	if err := env.Decode(&j); err != nil {
		return work.Result{}, err
	}
	in, err := input.Source(ctx, env.Resolve, j.Source)
	if err != nil {
		return work.Result{}, err
	}
	declared, worker := input.Budget(env, j.Source)
	args := remux.ExcerptArgs(in, j.Source.Video.Stream, e.from, e.length, e.file)
	_, err = ffmpeg.Run(ctx, e.tools.FFmpeg, args, ffmpeg.RunOptions{Limits: worker.Limit(ctx, budget.Split(declared))})
	return work.Result{}, err
}

// excerpts returns where excerpts of a source begin, and how long they are: in its middle, its first third and its last one. Of a short
// source, all is one excerpt. The beginning, which has a keyframe, is for sources in which the others find none.
func excerpts(src film.Source) (starts []media.Ticks, length media.Ticks) {
	var first media.Ticks
	if src.Cut != nil && src.Cut.Start != nil {
		first = *src.Cut.Start - src.WholeOrigin().In(media.Microseconds)
	}
	const few = 3 * excerptLength
	if src.Duration <= few {
		return []media.Ticks{first}, max(src.Duration, excerptLength) // a keyframe may come late
	}
	room := src.Duration - excerptLength
	return []media.Ticks{first + room/2, first + room/6, first + room*5/6, first}, excerptLength
}

// ofExcerpts encodes samples of excerpts of the job's source as the request says: two of the first excerpt, as of a segment in the middle,
// and one of each other. heavier is as that of weigh.
func ofExcerpts(ctx context.Context, plan work.Plan, j film.Job, request json.RawMessage, o Options) (tried []local.Trial, heavier float64, err error) {
	folder, err := os.MkdirTemp("", "mapreel-excerpt-")
	if err != nil {
		return nil, 1, fault.Wrap(fault.KindOf(err), err, "folder for an excerpt")
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system removes what is left of its temporary files
	file := filepath.Join(folder, "excerpt.mkv")
	if request, err = ofVideo(request, file); err != nil {
		return nil, 1, err
	}
	starts, length := excerpts(j.Source)
	all, own := &weighing{tools: o.Tools}, &weighing{tools: o.Tools}
	var failed error
	for i, from := range starts {
		if i == len(starts)-1 && i > 0 && len(tried) > 0 {
			break
		}
		more, weight, err := ofExcerpt(ctx, plan, j, request, excerpt{o.Tools, from, length, file, len(starts) == 1}, len(tried) == 0, o, own)
		if ctx.Err() != nil {
			return nil, 1, fault.ContextError(ctx)
		}
		failed = errors.Join(failed, err)
		if tried = append(tried, more...); len(starts) == 1 {
			return tried, weight, failed
		}
		if err == nil {
			failed = errors.Join(failed, window(ctx, plan, j, from, length, all, o))
		}
	}
	if len(tried) == 0 {
		return nil, 1, failed
	}
	return tried, heavierThan(j, all, own), nil
}

// ofExcerpt encodes samples of one excerpt, of which own learns how heavy they are. alone is whether there are none of others; the short sample
// tells what each start takes, once. heavier is by how much they are heavier than the excerpt.
func ofExcerpt(
	ctx context.Context, plan work.Plan, j film.Job, request json.RawMessage, e excerpt, alone bool, o Options, own *weighing,
) (tried []local.Trial, heavier float64, err error) {
	if err := os.RemoveAll(e.file); err != nil {
		return nil, 1, fault.Wrap(fault.KindOf(err), err, "excerpt")
	}
	if _, err := local.Try(ctx, plan, j.Source.URL, o.Places, e, work.Unit{}); err != nil {
		return nil, 1, err
	}
	part, err := local.Plan(ctx, request, local.Options{Registry: o.Registry, Places: o.Places})
	if err != nil {
		return nil, 1, err
	}
	var of film.Job
	if err := json.Unmarshal(part.Doc, &of); err != nil {
		return nil, 1, fault.Wrap(fault.Corrupt, err, "plan")
	}
	units := samples(part, of)
	if len(units) < 2 {
		return nil, 1, fault.New(fault.Unsupported, "an excerpt has no segment")
	}
	if !e.only { // the other places of the film are in other excerpts
		units = units[:2]
	}
	if !alone {
		units = units[1:2]
	}
	if tried, err = try(ctx, part, e.file, o.video(), units, o); err != nil {
		return nil, 1, err
	}
	if e.only {
		return tried, weigh(ctx, part, of, units, o), nil
	}
	_, err = local.Try(ctx, part, e.file, o.Places, own, units[len(units)-1])
	return tried, 1, err
}

// window has all weigh what the source has where an excerpt of it is.
func window(ctx context.Context, plan work.Plan, j film.Job, from, length media.Ticks, all *weighing, o Options) error {
	timebase := j.Source.Video.Timebase
	start := media.Rescale(j.Source.WholeOrigin().In(media.Microseconds)+from, media.Microseconds, timebase)
	spec, err := json.Marshal(film.Segment{Start: start, End: start + media.Rescale(length, media.Microseconds, timebase)})
	if err == nil {
		_, err = local.Try(ctx, plan, j.Source.URL, o.Places, all, work.Unit{Spec: spec})
	}
	return err
}

// payload is the percentage of such a file that belongs to its streams. The rest is the headers of packets.
const payload = 95

// stuffed is the percentage of a file below which the streams of its excerpts leave it unknown what the rest is: a transport stream of a
// constant rate is filled with empty packets.
const stuffed = 80

// heavierThan returns by how much samples are heavier than the source, whose windows have what all says; 1 where that is not known.
func heavierThan(j film.Job, all, own *weighing) float64 {
	src := j.Source
	if j.Request.Part != (film.Part{}) || src.Duration <= 0 || all.micros <= 0 || own.micros <= 0 {
		return 1
	}
	if seen := float64(all.video+all.others) / float64(all.micros); seen*100 < float64(src.Size)/float64(src.Duration)*stuffed {
		return 1
	}
	src.Size = src.Size * payload / 100
	own.others = int64(float64(all.others) * float64(own.micros) / float64(all.micros))
	return own.heavier(src)
}

// ofVideo returns a request for a file that has only the video of its source, and begins and ends elsewhere. Previews are left out: they show
// pictures at times that it may not have.
func ofVideo(request json.RawMessage, file string) (json.RawMessage, error) {
	var tree map[string]any
	if err := json.Unmarshal(request, &tree); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request")
	}
	tree["source"] = file
	for _, name := range []string{"part", "program", "subtitleFiles"} {
		delete(tree, name)
	}
	outputs, _ := tree["outputs"].([]any)
	outputs = slices.DeleteFunc(outputs, func(o any) bool {
		output, ok := o.(map[string]any)
		container, _ := output["container"].(string)
		return !ok || film.Container(container).Preview()
	})
	for _, o := range outputs {
		output, _ := o.(map[string]any)
		for _, name := range []string{"subtitleTracks", "defaultSubtitles", "forcedSubtitles"} {
			delete(output, name)
		}
		output["audio"], output["subtitles"] = map[string]any{"codec": string(film.AudioNone)}, "none"
	}
	tree["outputs"] = outputs
	request, err := json.Marshal(tree)
	return request, fault.Wrap(fault.Internal, err, "request")
}
