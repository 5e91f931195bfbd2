package job

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/confine"
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
		return a.whole(ctx)
	case t.Each.Part == tool.Sound:
		if t.As.Cut == tool.AtSilence {
			if err := a.cut(ctx); err != nil {
				return "", err
			}
		}
		path := filepath.Join(a.input, "sound."+t.As.Format)
		return path, a.extractSound(ctx, path)
	case t.Each.Part == tool.Frames:
		if err := a.extractContext(ctx); err != nil {
			return "", err
		}
		return a.input, a.extractVideo(ctx, a.input)
	}
	path := filepath.Join(a.input, "segment."+t.As.Format)
	return path, a.extractVideo(ctx, path)
}

// whole returns the path of the source. One that is not on this machine is copied: the address where it can be read would be a secret,
// and a tool may have no network. So is one that the user of a container could not read.
func (a *attempt) whole(ctx context.Context) (string, error) {
	store, key, err := a.Resolve(ctx, a.doc.Source.URL)
	if err != nil {
		return "", err
	}
	store = blob.AtVersion(store, a.doc.Source.Version)
	at, err := store.Locate(ctx, key)
	if err != nil {
		return "", err
	}
	if filepath.IsAbs(at) && (a.image == "" || confine.Mountable(at)) {
		a.source = at
		return at, nil
	}
	path := filepath.Join(a.input, filepath.Base(filepath.FromSlash(key)))
	return path, copyTo(ctx, path, store, work.Artifact{Key: key, Size: a.doc.Source.Size})
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

// part is a range of the film's frames.
type part struct {
	start media.Ticks
	end   *media.Ticks  // nil: open
	from  *film.Segment // where decoding begins
	zero  media.Ticks   // the time that becomes 0
}

// extractVideo writes the frames of the piece.
func (a *attempt) extractVideo(ctx context.Context, path string) error {
	s := a.piece.Segment
	p := part{start: s.Start, from: s, zero: s.Start}
	if !s.Last {
		p.end = &s.End
	}
	if !joinsVideo(a.tool) {
		return a.extractPart(ctx, p, path, nil)
	}
	var log ffmpeg.FrameLog
	err := a.extractPart(ctx, p, path, &log)
	a.times = log.PTS()
	return err
}

// extractContext writes the frames before and after the piece. Times of those before count from where the context begins.
func (a *attempt) extractContext(ctx context.Context) error {
	length := a.doc.Source.Video.Timebase.Ticks(time.Duration(a.tool.As.Context))
	s := a.piece.Segment
	for _, one := range []struct {
		folder *string
		name   string
		part   part
	}{
		{&a.before, "before", part{start: s.Start - length, end: &s.Start, from: a.piece.Before, zero: s.Start - length}},
		{&a.after, "after", part{start: s.End, end: new(s.End + length), from: a.piece.After, zero: s.Start}},
	} {
		if a.tool.As.Context == 0 {
			break
		}
		*one.folder = filepath.Join(a.Dir, one.name)
		if err := os.Mkdir(*one.folder, 0o700); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "input of a tool")
		}
		if one.part.from == nil {
			continue
		}
		if err := a.extractPart(ctx, one.part, *one.folder, nil); err != nil {
			return err
		}
	}
	return nil
}

// extractPart writes frames of the film in the form that the tool gets. log, if it is not nil, gets their times.
func (a *attempt) extractPart(ctx context.Context, part part, path string, log *ffmpeg.FrameLog) error {
	in, err := input.Source(ctx, a.Resolve, a.doc.Source)
	if err != nil {
		return err
	}
	p := a.doc.Source.Video
	v := encode.Video{
		Input: in, Stream: p.Stream, Timebase: p.Timebase, Threads: threads, X264Build: p.X264Build, Start: (*int64)(&part.start), End: (*int64)(part.end),
	}
	if p.Rotation == 0 { // otherwise ffmpeg turns the frames first
		v.Size = media.Size{Width: p.Width, Height: p.Height}
	}
	if part.from.Index > 0 {
		v.Seek, v.NextKeyframe = (*int64)(&part.from.Seek), (*int64)(part.from.NextKeyframe)
	}
	x := encode.Extract{
		Format: a.tool.As.Format, Width: a.tool.As.Width, Every: int64(a.tool.As.Every / 1000), Origin: int64(a.piece.Start), Zero: int64(part.zero),
		Path: path, Log: log != nil,
	}
	o := ffmpeg.RunOptions{Limits: a.videoLimits(shownSize(*p))}
	if log != nil {
		o.Pipe = log
	}
	return a.runFFmpeg(ctx, encode.ExtractArgs(v, x), o)
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
