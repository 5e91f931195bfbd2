// Package planner plans the jobs that transcode films: it examines the source, decides what is
// encoded, and divides that into units.
package planner

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/assemble"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/source"
	"github.com/mapreel/mapreel/pkg/film/split"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// Planner plans films. Tools is required.
type Planner struct {
	Tools ffmpeg.Tools
	// AudioPartLength is about how long the parts of a long audio track are; 0 means
	// plan.AudioPartLength. It must be the same when a job is continued.
	AudioPartLength time.Duration
	Blender         blender.Program // for scenes
}

var _ work.Planner = Planner{}

// Name implements work.Planner.
func (Planner) Name() string { return "film" }

// Accepts implements work.Planner. It accepts every request: a registry lists this planner last,
// and Plan reports what is wrong with a request of no known form.
func (Planner) Accepts(json.RawMessage) bool { return true }

// Names of the phases.
const (
	phaseSplit  = "split"
	phaseFirst  = "render-first"
	phaseTiles  = "render-tiles"
	phaseRender = "render"
	phaseEncode = "encode"
	phaseMerge  = "merge"
)

// Plan implements work.Planner. It reads the source's index, not its media.
func (p Planner) Plan(ctx context.Context, env *work.PlanEnv, request json.RawMessage) (work.Plan, error) {
	req, err := film.Parse(request)
	if err != nil {
		return work.Plan{}, err
	}
	// Threads are part of the job, because they change the bytes: its record says how many they were.
	req.Compute.Threads = cmp.Or(req.Compute.Threads, env.Processors)
	if err := readKeys(ctx, env, &req); err != nil {
		return work.Plan{}, err
	}
	found, scene, err := p.find(ctx, env, req)
	if err != nil {
		return work.Plan{}, err
	}
	following, err := p.join(ctx, env, req, &found)
	if err != nil {
		return work.Plan{}, err
	}
	if found.Source.Files, err = readFiles(ctx, env.Resolve, req); err != nil {
		return work.Plan{}, err
	}
	found.Source.AddSubtitles(req.SubtitleFiles)
	if found.Index, err = plan.Take(&found.Source, found.Index, req.Part); err != nil {
		return work.Plan{}, err
	}
	if req.WantsAutoCrop() {
		if err := p.findPicture(ctx, env, &found.Source); err != nil {
			return work.Plan{}, err
		}
	}
	j, err := plan.Job(req, found.Source, p.Tools.Build, copyable)
	if err != nil {
		return work.Plan{}, err
	}
	if err := plan.FitJoined(&j); err != nil {
		return work.Plan{}, err
	}
	j.Render = scene
	for i := range j.Renditions {
		switch r := &j.Renditions[i]; {
		case !j.Source.Rate.Known() || !r.Rate.Known():
		case r.Rate != j.Source.Rate:
			return work.Plan{}, fault.New(fault.Invalid, "the source is a raw stream, which is read at the first rate that is asked for: %v frames a second and %v in one job contradict each other",
				j.Source.Rate, r.Rate)
		default:
			r.Rate = media.Rational{} // the frames have this rate as they are read
		}
	}
	j.AudioRenditions = plan.DivideAudio(j, cmp.Or(p.AudioPartLength, plan.AudioPartLength))
	for _, out := range j.Outputs {
		if err := refuseToReplaceSource(ctx, env.Resolve, req, out); err != nil {
			return work.Plan{}, err
		}
	}
	if err := p.Prepare(ctx, &j, env.OneMachine); err != nil {
		return work.Plan{}, err
	}
	var segments []film.Segment
	switch {
	case len(j.Renditions)+len(j.Pictures) == 0: // audio only
	case following != nil:
		if segments, err = divideJoined(j, following); err != nil {
			return work.Plan{}, err
		}
	case found.Index == nil && !found.Splittable:
		// There is no index to divide it by, and Split cannot cut it into source chunks: one worker
		// encodes all of it.
		v := j.Source.Video
		first := j.Source.FirstFrame()
		segments = plan.TakeChunks(plan.SourceChunks(plan.Index{Start: first, End: v.End, Sync: []media.Ticks{first}}), j.Source)
	case found.Index == nil:
		j.Split = true
		// From here on, the video track is described as it is in the source chunks.
		v := *j.Source.Video
		v.Start, v.End, v.Timebase = v.Start*media.Ticks(v.Timebase.Num), 0, media.Rational{Num: 1, Den: v.Timebase.Den}
		j.Source.Video = &v
	default:
		segments = divide(j, *found.Index)
	}
	plan.AddThumbnails(&j)
	if !env.OneMachine {
		if err := plan.CheckDeadline(j); err != nil {
			return work.Plan{}, err
		}
	}
	if err := checkFrames(j, segments); err != nil {
		return work.Plan{}, err
	}
	if scene != nil {
		return planScene(j, segments)
	}
	return newPlan(j, segments, nil)
}

// Prepare checks that the programs can make what is planned, on this machine if it does all the work, and notes how their encoders set keyframes.
func (p Planner) Prepare(ctx context.Context, j *film.Job, oneMachine bool) error {
	encoders, err := requiredEncoders(*j)
	if err == nil {
		err = p.Tools.Require(ctx, encoders)
	}
	if err == nil && oneMachine {
		err = p.requireGPU(ctx, encoders)
	}
	if err == nil {
		err = p.tryKeyframes(ctx, j)
	}
	if err == nil && len(j.Burns) > 0 {
		err = p.requireLibass(ctx)
	}
	if err == nil && j.WantsMetric(target.VMAF) {
		err = p.requireVMAF(ctx)
	}
	return err
}

// Divide returns the plan of a job whose segments are known, of a source that need not be split first.
func Divide(j film.Job, segments []film.Segment) (work.Plan, error) {
	if err := checkFrames(j, segments); err != nil {
		return work.Plan{}, err
	}
	return newPlan(j, segments, nil)
}

// PhaseNames lists the phases that Divide makes units for, in their order.
func PhaseNames() []string {
	return []string{film.JoinPhase, film.LoudnessPhase, film.BurnPhase, film.PassPhase, film.SharesPhase, phaseEncode, film.SlicesPhase}
}

// find examines the source of a request. Of a scene, it also returns how its frames are rendered.
func (p Planner) find(ctx context.Context, env *work.PlanEnv, req film.Request) (source.Found, *render.Job, error) {
	if film.IsScene(req.Source) {
		return p.examineScene(ctx, env, req)
	}
	found, err := p.examine(ctx, env, req)
	return found, nil, err
}

// examine examines the source of a request.
func (p Planner) examine(ctx context.Context, env *work.PlanEnv, req film.Request) (source.Found, error) {
	store, key, err := env.Resolve(ctx, req.Source)
	if err != nil {
		return source.Found{}, err
	}
	is, err := source.IsSequence(ctx, store, key)
	switch {
	case err != nil:
		return source.Found{}, err
	case is:
		return source.ExamineSequence(ctx, p.Tools, store, key, req.Source, env.Dir, req.Sequence)
	case req.Sequence != film.Sequence{}:
		return source.Found{}, film.Problems{{Pointer: "/sequence", Message: "the source is a file, not an image sequence"}}.Err()
	}
	return source.Examine(ctx, p.Tools, store, key, req.Source, source.Options{Rate: requestedRate(req), Program: req.Program})
}

// requestedRate returns the constant frame rate that a request asks for, the first of several; zero
// if it asks for none.
func requestedRate(req film.Request) media.Rational {
	for _, out := range req.Outputs {
		for _, v := range out.Video {
			if r := media.Rational(v.FrameRate); r.Known() {
				return r
			}
		}
	}
	return media.Rational{}
}

// Extend implements work.Planner: it plans the segments of a source that was split, and the units that render most of a scene.
func (p Planner) Extend(ctx context.Context, env *work.PlanEnv, open work.Plan) (work.Plan, error) {
	var j film.Job
	if err := json.Unmarshal(open.Doc, &j); err != nil {
		return open, fault.Wrap(fault.Corrupt, err, "record of job "+open.ID)
	}
	if j.Render != nil {
		return extendScene(ctx, env, open, j)
	}
	var facts film.SplitFacts
	if err := work.Facts(ctx, env.Results, film.SplitUnit, &facts); err != nil {
		return open, err
	}
	index, err := split.ReadIndex(ctx, env.Scratch, facts.Index)
	if err != nil {
		return open, err
	}
	segments := plan.SourceChunks(index)
	if len(segments) == 0 {
		return open, fault.New(fault.Corrupt, "the index of the source chunks is empty")
	}
	v := *j.Source.Video
	if !facts.ConstantRate {
		v.ConstantRate = media.Rational{}
	}
	j.Source.Video, j.Source.Jumps, j.Source.Damaged = &v, facts.Jumps, facts.Damaged
	j.Source.Audio = startingAt(j.Source.Audio, facts.AudioStarts)
	// Of a source that begins within a GOP, the first packet is not the one that is shown first.
	plan.Recut(&j.Source, index.Start, index.End)
	if segments = plan.TakeChunks(segments, j.Source); v.Start >= v.End {
		return open, film.Problems{{Pointer: "/part", Message: "the source's video has no frame in it"}}.Err()
	}
	if err := checkFrames(j, segments); err != nil {
		return open, err
	}
	extended, err := newPlan(j, segments, nil)
	if err != nil {
		return open, err
	}
	extended.Phases[0].Units = nil // the ledger holds them already
	return extended, nil
}

// sameStart is how far apart two readings of a track's start may lie, in microseconds, beyond which
// they are not the same time that was rounded differently.
const sameStart = 1000

// startingAt returns tracks with the starts that were found in reading across jumps of the source's
// clock. The start that the container declares of a track behind a jump is not on the same clock.
func startingAt(tracks []film.AudioTrack, starts []*media.Ticks) []film.AudioTrack {
	tracks = slices.Clone(tracks)
	for i := range min(len(tracks), len(starts)) {
		t, at := &tracks[i], starts[i]
		if at == nil {
			continue
		}
		declared := media.Rescale(t.Start, t.Timebase, media.Microseconds)
		if max(declared-*at, *at-declared) > sameStart {
			t.Start = media.Rescale(*at, media.Microseconds, t.Timebase)
		}
	}
	return tracks
}

// checkFrames refuses segments with more frames than a worker can hold.
func checkFrames(j film.Job, segments []film.Segment) error {
	if j.Source.Video == nil {
		return nil
	}
	if len(segments) > 0 { // of a source that has to be split, the end is not known before
		if err := plan.CheckPictures(j); err != nil {
			return err
		}
	}
	return plan.CheckFrames(j.Renditions, *j.Source.Video, segments)
}

// divide returns the segments of a source with an index.
func divide(j film.Job, index plan.Index) []film.Segment {
	if length := plan.PackageSegmentLength(j); length > 0 {
		return plan.AlignedSegments(index, j.Source.Video.Timebase, plan.IndexedSegmentLength(j, index), length)
	}
	return plan.Segments(index, j.Source.Video.Timebase, plan.IndexedSegmentLength(j, index))
}

// refuseToReplaceSource refuses an output that would replace the job's own source.
func refuseToReplaceSource(ctx context.Context, resolve work.Resolver, req film.Request, out film.OutputPlan) error {
	for _, url := range append([]string{req.Source}, req.Join...) {
		if err := refuseToReplace(ctx, resolve, url, req.URL(out.File)); err != nil {
			return err
		}
	}
	return nil
}

// refuseToReplace refuses an output at a URL where the source is.
func refuseToReplace(ctx context.Context, resolve work.Resolver, source, output string) error {
	from, key, err := resolve(ctx, source)
	if err != nil {
		return err
	}
	to, target, err := resolve(ctx, output)
	if err != nil {
		return err
	}
	switch _, err := to.Stat(ctx, target); {
	case fault.KindOf(err) == fault.NotFound:
		return nil
	case err != nil:
		return err
	}
	a, err := from.Locate(ctx, key)
	if _, ok := media.ParsePattern(key); ok && fault.KindOf(err) == fault.NotFound {
		return nil // no frame of a sequence has the name of an output
	}
	if err != nil {
		return err
	}
	b, err := to.Locate(ctx, target)
	if err != nil {
		return err
	}
	a, _, _ = strings.Cut(a, "?")
	if b, _, _ = strings.Cut(b, "?"); a == b {
		return fault.New(fault.Invalid, "the output %s would replace its own source", path.Base(output))
	}
	return nil
}

// copyable adapts ffmpeg's table of containers to plan.Job.
func copyable(codec string, in film.Container) bool { return remux.CopyableTo(codec, string(in)) }

// requireVMAF refuses to measure by VMAF with an ffmpeg that has no libvmaf.
func (p Planner) requireVMAF(ctx context.Context) error {
	has, err := p.Tools.HasFilter(ctx, "libvmaf")
	if err != nil || has {
		return err
	}
	return fault.WithHint(fault.New(fault.Unsupported, "ffmpeg %s was built without libvmaf, which measures vmaf", p.Tools.Version),
		"choose the metric xpsnr or ssim, or put an ffmpeg that was configured with --enable-libvmaf first in PATH")
}

// requireLibass refuses to draw subtitles with an ffmpeg that has no libass.
func (p Planner) requireLibass(ctx context.Context) error {
	has, err := p.Tools.HasFilter(ctx, "ass")
	if err != nil || has {
		return err
	}
	return fault.WithHint(fault.New(fault.Unsupported, "ffmpeg %s was built without libass, which draws subtitles", p.Tools.Version),
		"put an ffmpeg that was configured with --enable-libass first in PATH")
}

// requiredEncoders lists the ffmpeg encoders that a job needs.
func requiredEncoders(j film.Job) ([]string, error) {
	var names []string
	for _, r := range j.Renditions {
		name, ok := encode.Encoder(string(r.Codec), j.Request.Compute.GPU)
		if !ok {
			return nil, fault.New(fault.Unsupported, "there is no GPU encoder for %s; leave gpu out", r.Codec)
		}
		names = append(names, name)
	}
	for _, r := range j.AudioRenditions {
		if name, ok := encode.AudioEncoder(string(r.Codec)); ok {
			names = append(names, name)
		}
	}
	for _, p := range j.Pictures {
		names = append(names, encode.PictureEncoder(string(p.Format)))
	}
	for _, out := range j.Outputs {
		for _, p := range out.Previews {
			switch {
			case p.Form == film.GIF: // needs none
			case p.Form.Animated():
				names = append(names, assemble.Encoder(p.Extension()))
			default:
				names = append(names, encode.PictureEncoder(string(p.Format)))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
