// Package input opens a job's source for ffmpeg, and says what the limits of ffmpeg follow from.
package input

import (
	"context"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// locate returns the path or URL at which ffmpeg reads the source that a job began with.
func locate(ctx context.Context, resolve work.Resolver, src film.Source) (string, error) {
	store, key, err := resolve(ctx, src.URL)
	if err != nil {
		return "", err
	}
	return blob.AtVersion(store, src.Version).Locate(ctx, key)
}

// Source returns the ffmpeg input of a job's source.
func Source(ctx context.Context, resolve work.Resolver, src film.Source) (ffmpeg.Input, error) {
	if src.Sequence != nil {
		return ffmpeg.Input{}, fault.New(fault.Unsupported, "an image sequence has no streams but its video")
	}
	location, err := locate(ctx, resolve, src)
	return ffmpeg.Input{Location: location, Demuxer: src.Demuxer, Rate: src.Rate, ProbeBytes: src.ProbeBytes}, err
}

// NoStream is passed to Jumps to read what is neither video nor audio.
const NoStream = -1

// Jumps returns how ffmpeg must read one stream of a source whose clock jumps, so that it gets the
// same timestamps as one that reads all streams. It is nil where the clock does not jump.
func Jumps(src film.Source, stream int) *ffmpeg.Jumps {
	if !src.Jumps {
		return nil
	}
	j := &ffmpeg.Jumps{Start: int64(src.WholeOrigin().In(media.Microseconds))}
	if src.FileStart != nil {
		j.Start = int64(*src.FileStart)
	}
	if src.Video != nil {
		j.Step = ffmpeg.JumpStep(src.Video.FrameRate)
	}
	if src.Video != nil && src.Video.Stream != stream {
		j.Also = append(j.Also, src.Video.Stream)
	}
	for _, t := range src.Audio {
		j.Decoded = append(j.Decoded, t.Stream)
	}
	return j
}

// Budget returns what the limits of ffmpeg follow from: what a source declares of itself, and what an
// attempt has of the machine.
func Budget(env *work.Env, src film.Source) (budget.Source, budget.Worker) {
	return budget.Source{Size: src.Size, Duration: src.Duration}, budget.Worker{Memory: env.Memory, Dir: env.Dir}
}

// Video returns what the limits of an encode of the job's segments follow from, but for the number of
// frames.
func Video(j film.Job) budget.Video {
	v := budget.Video{
		Source:  budget.Source{Size: j.Source.Size, Duration: j.Source.Duration},
		Threads: j.Request.Compute.Threads, GPU: j.Request.Compute.GPU,
	}
	if p := j.Source.Video; p != nil {
		v.Width, v.Height = p.Width, p.Height
	}
	for _, p := range j.Pictures {
		v.Pictures = append(v.Pictures, budget.Picture{Width: p.Scaled.Width, Height: p.Scaled.Height})
	}
	for _, r := range j.Renditions {
		v.Renditions = append(v.Renditions, budget.Picture{Width: r.Width, Height: r.Height, Codec: string(r.Codec)})
	}
	return v
}
