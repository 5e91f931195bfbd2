package planner

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

const (
	cropSamples = 16 // over the film: a few of them are bright enough to show where the picture ends
	atOnce      = 4  // inputs of one ffmpeg: each has a decoder with frames of its own
)

// findPicture looks for black bars in single frames at even distances over the part of the source that the job takes.
func (p Planner) findPicture(ctx context.Context, env *work.PlanEnv, src *film.Source) error {
	if src.Video == nil {
		return nil
	}
	in, times, err := samples(ctx, env, *src)
	if err != nil {
		return err
	}
	var seen []film.Region
	for len(times) > 0 {
		n := min(atOnce, len(times))
		var log decode.BarsLog
		limits := budget.DecodedVideo(budget.Source{Size: src.Size, Duration: src.Duration}, src.Video.Width, src.Video.Height, 0)
		limits.Memory *= int64(n)
		args := decode.BarsArgs(decode.Bars{Input: in, Stream: src.Video.Stream, At: times[:n]})
		if _, err := ffmpeg.Run(ctx, p.Tools.FFmpeg, args, ffmpeg.RunOptions{Dir: env.Dir, Pipe: &log, Limits: budget.Worker{}.Limit(ctx, limits)}); err != nil {
			return fmt.Errorf("look for black bars: %w", err)
		}
		for _, r := range log.Frames {
			seen = append(seen, film.Region{Width: r.X2 - r.X1 + 1, Height: r.Y2 - r.Y1 + 1, X: r.X1, Y: r.Y1})
		}
		times = times[n:]
	}
	src.Picture = plan.Bars(seen, *src.Video)
	return nil
}

// samples returns an input, and times at which its frames are looked at. Of an image sequence, the input has these frames alone.
func samples(ctx context.Context, env *work.PlanEnv, src film.Source) (in ffmpeg.Input, times []int64, err error) {
	if src.Sequence == nil {
		in, err = input.Source(ctx, env.Resolve, src)
		return in, sampleTimes(src), err
	}
	store, key, err := env.Resolve(ctx, src.URL)
	if err != nil {
		return in, nil, err
	}
	list, err := input.ListFrames(ctx, store, key)
	if err != nil {
		return in, nil, err
	}
	v := src.Video
	n := min(cropSamples, v.End-v.Start)
	chosen := list.Files[:0:0]
	for i := range n {
		chosen = append(chosen, list.Files[v.Start+(v.End-v.Start)*(2*i+1)/(2*n)])
		us, _ := v.Timebase.CeilMicroseconds(i)
		times = append(times, us)
	}
	list.Files = chosen
	dir := filepath.Join(env.Dir, "samples")
	err = list.Stage(ctx, dir, src.Sequence.Extension, 0, len(chosen))
	return input.SequenceInput(*src.Sequence, dir, 0), times, err
}

// sampleTimes returns when frames are sampled, in microseconds from the beginning of the source. Of a source that does not say how long
// it is, or cannot be sought in, only the beginning is looked at.
func sampleTimes(src film.Source) []int64 {
	start := int64(0)
	if src.Cut != nil && src.Cut.Start != nil {
		start = int64(*src.Cut.Start - src.WholeOrigin().In(media.Microseconds))
	}
	if src.Duration <= 0 || src.Rate.Known() {
		return []int64{start}
	}
	times := make([]int64, cropSamples)
	for i := range times {
		times[i] = start + int64(src.Duration)*int64(2*i+1)/(2*cropSamples)
	}
	return times
}
