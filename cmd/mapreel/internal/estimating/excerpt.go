package estimating

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"

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

// excerptLength is how much of a source an excerpt reads, in microseconds: a sample, and what comes before its first keyframe.
const excerptLength = 10_000_000

// excerpt is a kind that copies video of a source without an index into a file that has one. The segments of such a source are known
// only after it was split.
type excerpt struct {
	tools ffmpeg.Tools
	from  media.Ticks // in microseconds after the source's beginning
	file  string
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
	_, err = ffmpeg.Run(ctx, e.tools.FFmpeg, remux.ExcerptArgs(in, j.Source.Video.Stream, e.from, excerptLength, e.file), ffmpeg.RunOptions{Limits: worker.Limit(ctx, budget.Split(declared))})
	return work.Result{}, err
}

// payload is the share of such a source, in percent, that its streams have. A transport stream has a header in each packet of 188 bytes.
const payload = 95

// ofExcerpts does the job's request with excerpts of its source: the first is tried as the samples of a segment in the middle are, the others
// as those of other segments. heavier is by how much they are heavier than the source, as weigh returns it.
func ofExcerpts(
	ctx context.Context, plan work.Plan, j film.Job, tree map[string]any, folder string, kind work.Kind, o Options,
) (tried []local.Trial, heavier float64, err error) {
	tree = maps.Clone(tree)
	all, own := &weighing{tools: o.Tools}, &weighing{tools: o.Tools}
	for i, at := range excerpts(j.Source.Duration) {
		file := filepath.Join(folder, fmt.Sprintf("excerpt-%d.mkv", i))
		if _, err := local.Try(ctx, plan, j.Source.URL, o.Places, excerpt{o.Tools, at, file}, work.Unit{}); err != nil {
			return nil, 1, err
		}
		from := j.Source.Video.Start + media.Rescale(at, media.Microseconds, j.Source.Video.Timebase)
		there := film.Segment{Start: from, End: from + media.Rescale(excerptLength, media.Microseconds, j.Source.Video.Timebase)}
		spec, _ := json.Marshal(there) //nolint:errchkjson // integers
		if _, err := local.Try(ctx, plan, j.Source.URL, o.Places, all, work.Unit{Spec: spec}); err != nil {
			return nil, 1, err
		}
		onlyVideo(tree)
		tree["source"] = file
		request, err := json.Marshal(tree)
		if err != nil {
			return nil, 1, fault.Wrap(fault.Internal, err, "request")
		}
		part, err := local.Plan(ctx, request, local.Options{Registry: o.Registry})
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
		first := min(i, 1) // the short sample tells what each start takes, once
		more, err := try(ctx, part, file, kind, units[first:2], o)
		if err == nil {
			_, err = local.Try(ctx, part, file, o.Places, own, units[1])
		}
		if err != nil {
			return nil, 1, err
		}
		tried = append(tried, more...)
	}
	src := j.Source
	src.Size = src.Size * payload / 100
	own.others = all.others * int64(own.micros) / int64(all.micros)
	return tried, own.heavier(src), nil
}

// excerpts returns where excerpts of a source begin: in its middle, its first third and its last one. A short source has one.
func excerpts(duration media.Ticks) []media.Ticks {
	const few = 3 * excerptLength
	if duration < few {
		return []media.Ticks{0}
	}
	const sixths = 6
	middle := duration/2 - excerptLength/2
	return []media.Ticks{middle, duration / sixths, duration * (sixths - 1) / sixths}
}

// onlyVideo removes from a request what an excerpt does not have: other streams, other programs, and all but the excerpt itself.
func onlyVideo(tree map[string]any) {
	for _, name := range []string{"part", "program", "subtitleFiles"} {
		delete(tree, name)
	}
	outputs, _ := tree["outputs"].([]any)
	for _, o := range outputs {
		output, _ := o.(map[string]any)
		if name, _ := output["container"].(string); output == nil || film.Container(name).Preview() {
			continue
		}
		for _, name := range []string{"subtitleTracks", "defaultSubtitles", "forcedSubtitles"} {
			delete(output, name)
		}
		output["audio"], output["subtitles"] = map[string]any{"codec": string(film.AudioNone)}, "none"
	}
}
