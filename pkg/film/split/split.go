// Package split is the kind of work that cuts a source without an index. It copies the video track
// once, without decoding, into source chunks that begin at keyframes and keep the original
// timestamps. Their sample tables give the index that the container lacks.
//
// The index is an object in scratch, from which the planner plans the segments: see ReadIndex.
package split

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kind cuts sources.
type Kind struct{ Tools ffmpeg.Tools }

var _ work.Kind = Kind{}

// Name implements work.Kind.
func (Kind) Name() string { return film.SplitKind }

// Run implements work.Kind. It needs memory and local disk for one source chunk at a time, however
// long the source is.
func (k Kind) Run(ctx context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	var j film.Job
	if err := env.Decode(&j); err != nil {
		return work.Result{}, err
	}
	r, err := (&attempt{Env: env, tools: k.Tools, job: j}).run(ctx)
	if err != nil {
		return r, fmt.Errorf("splitting %s: %w", j.Source.URL, err)
	}
	return r, nil
}

// attempt is one attempt at cutting a source.
type attempt struct {
	*work.Env
	tools ffmpeg.Tools
	job   film.Job
	size  int64 // bytes written to scratch
	jumps bool  // the source is read across jumps of its clock

	audioStarts []*media.Ticks // film.SplitFacts.AudioStarts

	appeared ffmpeg.NewStreamLog
	corrupt  ffmpeg.CorruptPackets
}

func (a *attempt) run(ctx context.Context) (work.Result, error) {
	written := work.Result{Artifacts: []work.Artifact{{Prefix: film.SourceChunkPrefix(a.Job)}}}
	in, err := input.Source(ctx, a.Resolve, a.job.Source)
	if err != nil {
		return work.Result{}, err
	}
	v := a.job.Source.Video
	// Source chunks begin at keyframes, so they may be longer than requested, but never shorter.
	// With shortest there are fewer than MaxSegments.
	shortest := time.Duration(a.job.Source.Duration) * time.Microsecond / plan.MaxSegments
	length := max(plan.SegmentLength(a.job), shortest+time.Second)
	s := remux.Split{
		Input: in, Stream: v.Stream, Timebase: v.Timebase, Start: int64(a.job.Source.WholeOrigin().In(media.Microseconds)),
		Seconds: int((length + time.Second - 1) / time.Second),
	}
	x, err := a.cut(ctx, s)
	for err != nil {
		switch {
		case errors.Is(err, errJump):
			// Start again, now as an encode of all streams would read the source.
			src := a.job.Source
			src.Jumps = true
			s.Input.Jumps = input.Jumps(src, v.Stream)
		case errors.Is(err, isobmff.ErrUnparsed) && !s.Parsed:
			s.Parsed = true
		default:
			return written, err
		}
		a.discard(ctx, len(x.Sync))
		a.jumps = s.Input.Jumps != nil
		x, err = a.cut(ctx, s)
	}
	if len(x.Sync) == 0 {
		return written, fault.New(fault.Corrupt, "the video track has no frame that can be decoded by itself")
	}
	if !slices.IsSorted(x.Sync) {
		return written, fault.WithHint(fault.New(fault.Unsupported, "the source's clock jumps back"),
			"give it one clock first, for example with: ffmpeg -i SOURCE -map 0 -c copy new.mkv")
	}
	if err := a.putIndex(ctx, x); err != nil {
		return written, err
	}
	r := written
	r.Artifacts[0].Size = a.size
	r.Done = work.Amount{Media: a.job.Source.Duration, Count: int64(len(x.Sync)), Bytes: a.size}
	if text := a.appeared.String(); text != "" {
		r.Warnings = append(r.Warnings, "left out: streams that begin within the source and that its first tables do not declare: "+text+" (by the source's clock)")
	}
	return r, r.SetFacts(film.SplitFacts{
		Chunks: len(x.Sync), Index: film.SourceIndexKey(a.Job), Jumps: a.jumps, AudioStarts: a.audioStarts,
		Damaged: a.corrupt.Has(v.Stream), ConstantRate: x.hasRate(v.ConstantRate, v.Timebase),
	})
}

// errJump says that the clock of a source jumps.
var errJump = errors.New("the source's clock jumps")

// cut copies the video track into source chunks in scratch, and returns their index. It stops with
// errJump at the first jump of the clock, unless s already reads a source that jumps.
func (a *attempt) cut(ctx context.Context, s remux.Split) (index, error) {
	a.size = 0
	var x index
	check := s.Input.Jumps == nil && mayJump(a.job.Source.Demuxer)
	for _, t := range a.job.Source.Audio {
		s.Audio = append(s.Audio, t.Stream)
	}
	if check {
		s.Steps = filepath.Join(a.Dir, "steps.txt")
	} else if a.jumps {
		s.Starts = filepath.Join(a.Dir, "starts.txt")
	}
	log := &remux.SourceChunkLog{Split: s, Each: func(p remux.SourceChunk) error {
		return a.add(ctx, filepath.Join(a.Dir, p.Name), &x, check)
	}}
	declared, worker := input.Budget(a.Env, a.job.Source)
	a.appeared, a.corrupt = ffmpeg.NewStreamLog{}, ffmpeg.CorruptPackets{}
	_, err := ffmpeg.Run(ctx, a.tools.FFmpeg, remux.SplitArgs(s), ffmpeg.RunOptions{
		Dir: a.Dir, Pipe: log, Stderr: io.MultiWriter(&a.appeared, &a.corrupt), Limits: worker.Limit(ctx, budget.Split(declared)),
		OnProgress: func(p ffmpeg.Progress) {
			a.Progress(work.Amount{Media: media.Ticks(max(p.OutTime, 0)), Bytes: max(p.Bytes, 0)})
		},
	})
	if err == nil && s.Starts != "" && len(s.Audio) > 0 {
		var list []byte
		if list, err = os.ReadFile(s.Starts); err == nil {
			a.audioStarts, err = s.AudioStarts(list)
		}
	}
	if err != nil || !check {
		return x, err
	}
	steps, err := os.ReadFile(s.Steps) // a line for each packet that steps back
	if err == nil && remux.SteppedBack(steps) {
		err = errJump
	}
	return x, err
}

// mayJump reports whether a container's clock may jump, as in a recorded broadcast.
func mayJump(demuxer string) bool { return demuxer == "mpegts" || demuxer == "mpeg" }

// maxTicks is how many consecutive samples of one tick show that the clock jumped back. After such
// a jump ffmpeg spaces decode times by one tick, until the source's own are past the last one
// before the jump.
const maxTicks = 3

// jumped reports whether the clock jumps within a source chunk, or between it and the chunk before,
// which ends at end. end is nil for the first chunk. step is the longest step in seconds that is not
// a jump.
func jumped(chunk isobmff.Chunk, end *media.Ticks, step int) bool {
	longest := int64(step) * int64(chunk.Track.Timescale)
	if end != nil {
		if by := chunk.Start - int64(*end); by > longest || -by > longest {
			return true
		}
	}
	single := 0 // consecutive samples of one tick
	for _, s := range chunk.Samples {
		if int64(s.Duration) > longest {
			return true
		}
		if single++; s.Duration > 1 {
			single = 0
		}
		if single == maxTicks {
			return true
		}
	}
	return false
}

// discard removes the first n chunks of a cut that was abandoned. Those that cannot be removed now go
// with the job's scratch.
func (a *attempt) discard(ctx context.Context, n int) {
	for i := range n {
		key := film.SourceChunkKey(a.Job, a.jumps, i)
		if err := a.Scratch.Delete(ctx, key); err != nil {
			a.Log.WarnContext(ctx, "superfluous source chunk not removed", "key", key, "error", err)
			return
		}
	}
}

// add moves a finished source chunk from the working folder to scratch, and adds its frames to the
// index.
func (a *attempt) add(ctx context.Context, path string, x *index, check bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	chunk, extents, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return err
	}
	if len(chunk.Samples) == 0 {
		return fault.New(fault.Corrupt, "a source chunk holds no frame")
	}
	chunk = chunk.Shift(-ffmpeg.Offset * int64(chunk.Track.Timescale))
	var end *media.Ticks // of the chunk before
	if len(x.Sync) > 0 {
		end = &x.End
	}
	if check && jumped(chunk, end, ffmpeg.JumpStep(a.job.Source.Video.FrameRate)) {
		return errJump
	}
	overlaps := false
	if len(x.Sync) > 0 {
		chunk, overlaps = afterFrame(chunk, x.last)
	}
	x.add(chunk, a.job.Source.Video.ConstantRate)
	if err := a.readEntry(ctx, filepath.Base(path), isobmff.Payload(f, extents), chunk, x); err != nil {
		return err
	}
	var info blob.Info
	key := film.SourceChunkKey(a.Job, a.jumps, len(x.Sync)-1)
	if overlaps {
		chunk = chunk.Shift(ffmpeg.Offset * int64(chunk.Track.Timescale))
		info, err = blob.Write(ctx, a.Scratch, key, func(w io.Writer) error { return chunk.Write(w, isobmff.Payload(f, extents)) })
	} else {
		info, err = a.Scratch.Put(ctx, key, f)
	}
	if err != nil {
		return err
	}
	a.size += info.Size
	return os.Remove(path)
}
