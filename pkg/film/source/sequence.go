package source

import (
	"context"
	"fmt"
	"path"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/ffmpeg/sequence"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// IsSequence reports whether the object at key is an image sequence: key ends in a pattern, and no object has that name.
func IsSequence(ctx context.Context, store blob.Store, key string) (bool, error) {
	if _, ok := media.ParsePattern(key); !ok {
		return false, nil
	}
	_, err := store.Stat(ctx, key)
	if kind := fault.KindOf(err); kind == fault.NotFound || kind == fault.Invalid { // some stores accept no key with an asterisk
		return true, nil
	}
	return false, err
}

// ExamineSequence reads the headers of all frames of the image sequence whose pattern is the last element of key. ffprobe
// describes the first. url is where the request names the source, dir a private folder for working files.
func ExamineSequence(ctx context.Context, tools ffmpeg.Tools, store blob.Store, key, url, dir string, how film.Sequence) (Found, error) {
	found := Found{Source: film.Source{URL: url, Demuxer: "image2"}}
	src := &found.Source
	rate := media.Rational(how.FrameRate)
	if !rate.Known() {
		return found, film.Problems{{Pointer: "/sequence/frameRate", Message: "is required for an image sequence, which has no times of its own (on the command line: --fps 24)"}}.Err()
	}
	list, err := input.ListFrames(ctx, store, key)
	if err != nil {
		return found, err
	}
	is, err := sequence.Examine(ctx, path.Base(key), list.Files, list.Open)
	if err != nil {
		return found, err
	}
	frames := len(list.Files)
	src.Version, src.Size = sequence.Version(list.Files)
	src.Sequence = &film.FrameSequence{
		Extension: sequence.Extensions[is.First.Format], Rate: rate, Alpha: is.Alpha, Deep: is.Deep, Mixed: is.Mixed, Background: how.RGB(),
	}
	first := filepath.Join(dir, "first-frame")
	if err := list.Stage(ctx, first, src.Sequence.Extension, 0, 1); err != nil {
		return found, err
	}
	probed, err := probe.Inspect(ctx, tools, input.SequenceInput(*src.Sequence, first, 0))
	if err == nil {
		err = describeFrames(&found, probed, frames)
	}
	if err != nil {
		return found, fmt.Errorf("first frame, %s: %w", list.Files[0].Name, err)
	}
	switch {
	case src.Sequence.Background == [3]uint8{}:
	case !is.Alpha:
		src.Losses = append(src.Losses, film.NoticeMark+"the background has no effect: no frame is transparent")
	case src.Sequence.Extension == "exr":
		src.Losses = append(src.Losses, "the background is black, as always with EXR")
	}
	return found, nil
}

// describeFrames describes the video of a source that is a number of image files. probed is what ffprobe says of the first.
func describeFrames(found *Found, probed probe.Media, frames int) error {
	src := &found.Source
	how := input.SequenceInput(*src.Sequence, "", 0).Sequence
	for i := range probed.Streams {
		how.Describe(&probed.Streams[i].PixelFormat, &probed.Streams[i].BitDepth, &probed.Streams[i].Color)
	}
	if err := describe(src, probed); err != nil {
		return err
	}
	v, rate := src.Video, src.Sequence.Rate
	if v == nil {
		return fault.New(fault.Corrupt, "it has no picture")
	}
	v.Timebase = media.Rational{Num: rate.Den, Den: rate.Num}
	v.Start, v.End, v.Frames, v.FrameRate, v.ConstantRate = 0, media.Ticks(frames), frames, rate, rate
	src.Origin = media.Instant{Timebase: v.Timebase}
	src.Duration = media.Rescale(v.End, v.Timebase, media.Microseconds)
	found.Index = FramesIndex(frames)
	return nil
}

// FramesIndex returns the index of a number of frames that are image files: each is decoded by itself.
func FramesIndex(frames int) *plan.Index {
	index := &plan.Index{End: media.Ticks(frames), Times: make([]media.Ticks, frames)}
	for i := range index.Times {
		index.Times[i] = media.Ticks(i)
	}
	index.Sync = index.Times
	return index
}
