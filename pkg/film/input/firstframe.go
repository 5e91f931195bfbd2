package input

import (
	"context"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/media"
)

// FirstFrame decodes v from its Seek to the first frame that the decoder shows, and returns when
// that is shown; nil if there is none before v's End. dir is ffmpeg's working folder.
func FirstFrame(ctx context.Context, tools ffmpeg.Tools, dir string, v encode.Video, limits ffmpeg.Limits) (*media.Ticks, error) {
	first, _, err := FirstFrameDamage(ctx, tools, dir, v, limits)
	return first, err
}

// FirstFrameDamage does the same, and also returns what the decoder reports of damage until then; ""
// for none.
func FirstFrameDamage(ctx context.Context, tools ffmpeg.Tools, dir string, v encode.Video, limits ffmpeg.Limits) (first *media.Ticks, damage string, err error) {
	var log ffmpeg.FrameLog
	var found ffmpeg.DamageLog
	_, err = ffmpeg.Run(ctx, tools.FFmpeg, encode.FirstFrameArgs(v), ffmpeg.RunOptions{Dir: dir, Pipe: &log, Stderr: &found, Limits: limits})
	if times := log.PTS(); err == nil && len(times) > 0 {
		first = (*media.Ticks)(&times[0])
	}
	return first, found.String(), err
}
