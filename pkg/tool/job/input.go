package job

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// threads is how many threads of ffmpeg make the input of a tool. The number is part of the result.
const threads = 2

// prepare makes the input of the tool in the attempt's folder, and returns its path; "" if there is nothing to run the tool for.
func (a *attempt) prepare(ctx context.Context) (string, error) {
	t := a.tool
	switch {
	case t.Each.Tool != "":
		return a.fetch(ctx)
	case t.Each.Part == tool.File:
		store, key, err := a.Resolve(ctx, a.doc.Source.URL)
		if err != nil {
			return "", err
		}
		return store.Locate(ctx, key)
	case t.Each.Part == tool.Sound:
		if t.As.Cut == tool.AtSilence {
			if err := a.cut(ctx); err != nil {
				return "", err
			}
		}
		path := filepath.Join(a.input, "sound."+t.As.Format)
		return path, a.extractSound(ctx, path)
	case t.Each.Part == tool.Frames:
		return a.input, a.extractVideo(ctx, a.input)
	}
	path := filepath.Join(a.input, "segment."+t.As.Format)
	return path, a.extractVideo(ctx, path)
}

// fetch copies the files of the unit that the tool needs. It returns the path of the only one, or of their folder.
func (a *attempt) fetch(ctx context.Context) (string, error) {
	unit := ToolKind + "/" + a.tool.Each.Tool + "/" + filepath.Base(a.Unit)
	r, done, err := a.Results.Result(ctx, unit)
	if err != nil {
		return "", err
	}
	if !done {
		return "", fault.New(fault.Corrupt, "%s is not done", unit)
	}
	var f facts
	if err := decode(r.Facts, &f, unit); err != nil {
		return "", err
	}
	if len(f.Files) != len(r.Artifacts) {
		return "", fault.New(fault.Corrupt, "%s has %d files and %d artifacts", unit, len(f.Files), len(r.Artifacts))
	}
	a.piece.Start, a.piece.End = f.Start, f.End
	var last string
	count := 0
	for i, from := range f.Files {
		if from.Made || !a.tool.Each.Matches(from.Name) {
			continue
		}
		path := filepath.Join(a.input, filepath.FromSlash(from.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", fault.Wrap(fault.KindOf(err), err, "input of a tool")
		}
		if err := copyTo(ctx, path, a.Scratch, r.Artifacts[i]); err != nil {
			return "", err
		}
		last = path
		count++
	}
	if count > 1 {
		return a.input, nil
	}
	return last, nil
}

// copyTo copies an artifact to a file.
func copyTo(ctx context.Context, path string, store blob.Store, from work.Artifact) (err error) {
	body, err := store.Open(ctx, from.Key, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	to, err := os.Create(path)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "input of a tool")
	}
	n, err := io.Copy(to, body)
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != from.Size {
		err = fault.New(fault.Transient, "%d bytes were read of %d", n, from.Size)
	}
	return fault.Wrap(fault.KindOf(err), err, "input of a tool")
}

func (a *attempt) extractVideo(ctx context.Context, path string) error {
	in, err := input.Source(ctx, a.Resolve, a.doc.Source)
	if err != nil {
		return err
	}
	p, s := a.doc.Source.Video, a.piece.Segment
	v := encode.Video{
		Input: in, Stream: p.Stream, Timebase: p.Timebase, Threads: threads, X264Build: p.X264Build, Start: (*int64)(&s.Start),
	}
	if p.Rotation == 0 { // otherwise ffmpeg turns the frames first
		v.Size = media.Size{Width: p.Width, Height: p.Height}
	}
	if s.Index > 0 {
		v.Seek, v.NextKeyframe = (*int64)(&s.Seek), (*int64)(s.NextKeyframe)
	}
	if !s.Last {
		v.End = (*int64)(&s.End)
	}
	x := encode.Extract{
		Format: a.tool.As.Format, Width: a.tool.As.Width, Every: int64(a.tool.As.Every / 1000), Origin: int64(a.piece.Start), Zero: int64(s.Start), Path: path,
	}
	if !joinsVideo(a.tool) {
		return a.ffmpeg(ctx, encode.ExtractArgs(v, x), a.videoLimits(shownSize(*p)))
	}
	x.Log = true
	var log ffmpeg.FrameLog
	err = a.runFFmpeg(ctx, encode.ExtractArgs(v, x), ffmpeg.RunOptions{Limits: a.videoLimits(shownSize(*p)), Pipe: &log})
	a.times = log.PTS()
	return err
}

// videoLimits returns the limits of the ffmpeg that writes the frames of the piece in a size.
func (a *attempt) videoLimits(size media.Size) ffmpeg.Limits {
	limits := input.Video(a.job())
	limits.Threads, limits.Frames = threads, int64(a.piece.Segment.Frames)
	frame := budget.Picture{Width: size.Width, Height: size.Height, Codec: "h264"}
	if a.tool.Each.Part == tool.Frames {
		limits.Pictures = []budget.Picture{frame}
	} else {
		limits.Renditions = []budget.Picture{frame}
	}
	return limits.Limits()
}

func (a *attempt) extractSound(ctx context.Context, path string) error {
	x, err := a.soundPart(ctx)
	if err != nil {
		return err
	}
	x.Start, x.Path = a.origin()+int64(a.piece.Start), path
	if !a.piece.Last {
		x.End = new(a.origin() + int64(a.piece.End))
	}
	return a.ffmpeg(ctx, encode.SoundExtractArgs(x), a.soundLimits(x))
}

// origin returns the time of the source, in microseconds, at which the film begins.
func (a *attempt) origin() int64 { return int64(a.doc.Source.Origin.In(media.Microseconds)) }

// soundPart returns the tool's audio track, in the form that the tool gets.
func (a *attempt) soundPart(ctx context.Context) (encode.SoundExtract, error) {
	in, err := input.Source(ctx, a.Resolve, a.doc.Source)
	as := a.tool.As
	return encode.SoundExtract{Input: in, Stream: a.doc.Source.Audio[as.Track-1].Stream, Rate: as.Rate, Channels: as.Channels, Format: as.Format}, err
}

// soundLimits returns the limits of the ffmpeg that writes x.
func (a *attempt) soundLimits(x encode.SoundExtract) ffmpeg.Limits {
	src, _ := input.Budget(a.Env, a.doc.Source)
	track := a.doc.Source.Audio[a.tool.As.Track-1]
	return budget.Audio{Source: src, Bitrate: int64(x.Rate * x.Channels * 16), Channels: track.Channels, SampleRate: track.SampleRate}.Limits()
}

// ffmpeg runs ffmpeg within limits.
func (a *attempt) ffmpeg(ctx context.Context, args []string, limits ffmpeg.Limits) error {
	return a.runFFmpeg(ctx, args, ffmpeg.RunOptions{Limits: limits})
}

func (a *attempt) runFFmpeg(ctx context.Context, args []string, o ffmpeg.RunOptions) error {
	_, worker := input.Budget(a.Env, a.doc.Source)
	o.Dir, o.Limits = a.Dir, worker.Limit(ctx, o.Limits)
	_, err := ffmpeg.Run(ctx, a.tools.FFmpeg, args, o)
	return fault.Wrap(fault.KindOf(err), err, "input of a tool")
}
