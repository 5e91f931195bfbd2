package estimating

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// excerptLength is how much of a source an excerpt is, in microseconds. ffmpeg leaves out what comes before the first keyframe, and x264
// sets one every ten seconds by default.
const excerptLength = 20_000_000

// shortSource is the length, in microseconds, up to which all of a source is one excerpt.
const shortSource = 3 * excerptLength

// excerpt is a kind that copies video of a source without an index into a file that has one. The segments of such a source are known
// only after it was split.
type excerpt struct {
	tools        ffmpeg.Tools
	from, length media.Ticks // in microseconds; from counts from the source's beginning
	runUp        media.Ticks // microseconds that are copied before from, so that a keyframe is among them
	most         int64       // bytes, after which the copy ends
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
	args := remux.ExcerptArgs(remux.Excerpt{
		Input: in, Stream: j.Source.Video.Stream, From: e.from - e.runUp, Length: e.runUp + e.length, Within: e.runUp > 0, Most: e.most, Path: e.file,
	})
	_, err = ffmpeg.Run(ctx, e.tools.FFmpeg, args, ffmpeg.RunOptions{Limits: worker.Limit(ctx, budget.Split(declared))})
	return work.Result{}, err
}

// excerpts returns where excerpts of a source begin, and how long they are: in its middle, its first third and its last one. All of a
// short source is one excerpt. Of a source whose length is not known, only the beginning is. The beginning, which has a keyframe, is also
// the last resort for sources in which the others find none.
func excerpts(src film.Source) (starts []media.Ticks, length media.Ticks) {
	var first media.Ticks
	if src.Cut != nil && src.Cut.Start != nil {
		first = *src.Cut.Start - src.WholeOrigin().In(media.Microseconds)
	}
	switch {
	case src.Duration <= 0:
		return []media.Ticks{first}, excerptLength
	case src.Duration <= shortSource:
		return []media.Ticks{first}, src.Duration
	}
	room := src.Duration - excerptLength
	return []media.Ticks{first + room/2, first + room/6, first + room*5/6, first}, excerptLength
}

// runUp returns how much to copy before an excerpt, in microseconds: a part that is shorter than the distance of keyframes may have none.
func runUp(from, length media.Ticks) media.Ticks {
	if length >= excerptLength {
		return 0
	}
	return min(max(from, 0), excerptLength)
}

// How large the file of an excerpt may be, in bytes. Where it ends early, it still has samples.
const (
	excerptPeak  = 4        // times the average of the source, for places that are heavier
	excerptSlack = 16 << 20 // on top, for sources that are small
	excerptMost  = 1 << 30  // in all, also where the average is not known: 20 s at 400 Mbit/s
)

// excerptSize returns how many bytes an excerpt of a job's source may have in a folder: at most half of the free ones, so that the samples have
// room, too. Negative free means that this is not known. An error is of kind fault.OutOfSpace.
func excerptSize(j film.Job, length media.Ticks, folder string, free int64) (most int64, err error) {
	src := j.Source
	most, needed := int64(excerptMost), min(src.Size, excerptSlack)
	if src.Size > 0 && src.Duration > 0 && j.Request.Part == (film.Part{}) { // else the source is longer than Duration, or its length is not known
		needed = int64(float64(src.Size) * min(float64(length)/float64(src.Duration), 1))
		most = min(most, needed*excerptPeak+excerptSlack)
		needed = min(needed, most) // of a heavier source, less than length is copied
	}
	if free < 0 {
		return most, nil
	}
	if free/2 < needed {
		return 0, fault.New(fault.OutOfSpace, "not enough space in %s: an excerpt of the source needs %s there and may use half of what is free, %s",
			folder, format.Bytes(needed), format.Bytes(free))
	}
	return min(most, free/2), nil
}

// ofExcerpts encodes samples of excerpts of the job's source as the request says: two of the first excerpt, as of a segment in the middle,
// and one of each other. beginning is whether all are from the beginning of a source that is not short. heavier is as that of weigh.
func ofExcerpts(
	ctx context.Context, plan work.Plan, j film.Job, request json.RawMessage, sized bool, o Options,
) (tried []local.Trial, beginning bool, heavier float64, err error) {
	folder, err := os.MkdirTemp("", "mapreel-excerpt-")
	if err != nil {
		return nil, false, 1, fault.Wrap(fault.KindOf(err), err, "folder for an excerpt")
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system removes what is left of its temporary files
	file := filepath.Join(folder, "excerpt.mkv")
	if request, err = ofVideo(request, file); err != nil {
		return nil, false, 1, err
	}
	starts, length := excerpts(j.Source)
	free, err := process.FreeDisk(folder)
	if err != nil {
		free = -1
	}
	most, err := excerptSize(j, length, filepath.Dir(folder), free)
	if err != nil {
		return nil, false, 1, err
	}
	var all, own *weighing
	if windowed(j, sized) {
		all, own = &weighing{tools: o.Tools}, &weighing{tools: o.Tools}
	}
	var failed error
	for i, from := range starts {
		if beginning = i == len(starts)-1; beginning && len(tried) > 0 {
			return tried, false, heavierThan(j, all, own), nil
		}
		e := excerpt{tools: o.Tools, from: from, length: length, most: most, file: file, only: len(starts) == 1}
		if e.only {
			e.runUp = runUp(from, length)
		}
		more, weight, err := ofExcerpt(ctx, plan, j, request, e, len(tried) == 0, sized, o, own)
		if ctx.Err() != nil {
			return nil, false, 1, fault.ContextError(ctx)
		}
		if fault.KindOf(err) == fault.OutOfSpace && len(tried) == 0 { // others would not have more
			return nil, false, 1, err
		}
		failed = errors.Join(failed, err)
		if tried = append(tried, more...); e.only {
			return tried, beginning && j.Source.Duration <= 0, weight, failed
		}
		if err == nil && all != nil {
			failed = errors.Join(failed, window(ctx, plan, j, from, length, all, o))
		}
	}
	if len(tried) == 0 {
		return nil, false, 1, failed
	}
	return tried, beginning, heavierThan(j, all, own), nil
}

// ofExcerpt encodes samples of one excerpt. own learns how heavy they are, unless it is nil. alone is whether there are no samples of other
// excerpts: the short sample, which shows what each start takes, is encoded once. heavier is by how much the samples are heavier than an
// excerpt that is the only one.
func ofExcerpt(
	ctx context.Context, plan work.Plan, j film.Job, request json.RawMessage, e excerpt, alone, sized bool, o Options, own *weighing,
) (tried []local.Trial, heavier float64, err error) {
	if err := os.RemoveAll(e.file); err != nil {
		return nil, 1, fault.Wrap(fault.KindOf(err), err, "excerpt")
	}
	if _, err := local.Try(ctx, plan, j.Source.URL, o.Places, e, work.Unit{}); err != nil {
		return nil, 1, err
	}
	part, of, err := planned(ctx, request, o)
	if err == nil && e.runUp > 0 {
		if request, err = within(request, e, of.Source); err == nil {
			part, of, err = planned(ctx, request, o)
		}
	}
	if err != nil {
		return nil, 1, err
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
	switch {
	case e.only && !sized:
		return tried, weigh(ctx, part, of, units, o), nil
	case own != nil:
		_, err = local.Try(ctx, part, e.file, o.Places, own, units[len(units)-1])
	}
	return tried, 1, err
}

// planned returns the plan of a request, and its job.
func planned(ctx context.Context, request json.RawMessage, o Options) (plan work.Plan, j film.Job, err error) {
	if plan, err = local.Plan(ctx, request, local.Options{Registry: o.Registry, Places: o.Places}); err == nil {
		err = fault.Wrap(fault.Corrupt, json.Unmarshal(plan.Doc, &j), "plan")
	}
	return plan, j, err
}

// within returns the request with the part of an excerpt that follows its run-up. src describes the excerpt.
func within(request json.RawMessage, e excerpt, src film.Source) (json.RawMessage, error) {
	var tree map[string]any
	if err := json.Unmarshal(request, &tree); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request")
	}
	start := e.runUp - src.Origin.In(media.Microseconds) // parts count from the first frame, and the excerpt from where it was cut
	if start+e.length <= 0 {
		return nil, fault.New(fault.Unsupported, "an excerpt has no frame of the part")
	}
	at := func(t media.Ticks) film.Seconds { return film.Seconds(media.Microseconds.Duration(max(t, 0))) }
	tree["part"] = film.Part{Start: at(start), End: at(start + e.length)}
	request, err := json.Marshal(tree)
	return request, fault.Wrap(fault.Internal, err, "request")
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

// stuffed is the percentage below which a file counts as stuffed: its windows hold packets of less than that share of the file's bytes in
// the same time. A transport stream of a constant rate is filled up with empty packets. The size of such a file does not say how many bytes
// the video has, so its samples are not weighed.
const stuffed = 80

// windowed reports whether the windows of a source are weighed. It is false where the request says how many bytes the outputs have, and
// where the source's bytes a second are not known: its size is that of the whole file, also where the job takes a part.
func windowed(j film.Job, sized bool) bool {
	return !sized && j.Request.Part == (film.Part{}) && j.Source.Duration > 0
}

// heavierThan returns by how much samples are heavier than the source, whose windows have what all says; 1 where that is not known. all
// and own are nil where nothing was weighed.
func heavierThan(j film.Job, all, own *weighing) float64 {
	src := j.Source
	if all == nil || own == nil || all.micros <= 0 || own.micros <= 0 {
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
