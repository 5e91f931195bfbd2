package planner

import (
	"context"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
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
