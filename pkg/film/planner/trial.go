package planner

import (
	"context"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
)

// requireGPU refuses a job whose encoders need a GPU that this machine does not have, before anything is done. Each of them encodes a frame.
func (p Planner) requireGPU(ctx context.Context, encoders []string) error {
	for _, name := range encoders {
		if !strings.HasSuffix(name, encode.GPUSuffix) {
			continue
		}
		limits := budget.Worker{}.Limit(ctx, budget.Video{Width: encode.TrialSide, Height: encode.TrialSide, Frames: 1, Threads: 1, GPU: true}.Limits())
		_, err := ffmpeg.Run(ctx, p.Tools.FFmpeg, encode.TrialArgs(name), ffmpeg.RunOptions{Limits: limits})
		if err == nil || ctx.Err() != nil {
			continue
		}
		return film.Problems{{Pointer: "/compute/gpu", Message: "this machine cannot encode with " + name + ": " + err.Error() +
			"; NVENC needs a GPU of NVIDIA that has it, and its driver. Leave out gpu to encode on the processor"}}.Err()
	}
	return ctx.Err()
}

// tryKeyframes finds out whether SVT-AV1 sets keyframes where it is told, and notes it in the renditions of packages that need it. ffmpeg
// passes them on since 6.1, if it was built with SVT-AV1 1.5 or later: a trial says it, a version does not.
func (p Planner) tryKeyframes(ctx context.Context, j *film.Job) error {
	if !plan.KeyframesUnforced(*j) {
		return nil
	}
	limits := budget.Worker{}.Limit(ctx, budget.Video{Width: encode.TrialSide, Height: encode.TrialSide, Frames: 16, Threads: 1}.Limits())
	var log encode.PacketLog
	if _, err := ffmpeg.Run(ctx, p.Tools.FFmpeg, encode.KeyframeTrialArgs(), ffmpeg.RunOptions{Pipe: &log, Limits: limits}); err != nil {
		return err
	}
	for i := range j.Renditions {
		if r := &j.Renditions[i]; r.Codec == film.AV1 && r.SegmentDuration > 0 {
			r.AV1Forced = encode.ObeysTrial(&log)
		}
	}
	return nil
}
