package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/ffmpeg/sequence"
	"github.com/mapreel/mapreel/pkg/media"
)

// openSource opens the source: a file, or the image sequence of a pattern that is the name of no file. done removes what
// that took.
func (v *verification) openSource(ctx context.Context, path string, options Options) (_ *file, done func(), err error) {
	done = func() {}
	_, pattern := media.ParsePattern(path)
	if _, err := os.Stat(path); !pattern || !errors.Is(err, fs.ErrNotExist) {
		f, err := v.open(ctx, path, v.as)
		return f, done, err
	}
	rate := media.Rational(options.Sequence.FrameRate)
	if !rate.Known() {
		return nil, done, fault.WithHint(fault.New(fault.Invalid, "the frame rate of an image sequence is required"), "say it with --source-fps 24")
	}
	folder, err := os.MkdirTemp("", "mapreel-verify-")
	if err != nil {
		return nil, done, fault.Wrap(fault.KindOf(err), err, "folder of links")
	}
	done = func() { _ = os.RemoveAll(folder) } // the system removes what is left of its temporary files
	in, has, err := sequence.Open(ctx, path, filepath.Join(folder, "frames"), ffmpeg.Sequence{Rate: rate, Background: options.Sequence.RGB()})
	if err != nil {
		return nil, done, err
	}
	f := &file{in: in, container: "image sequence"}
	if f.media, err = probe.Inspect(ctx, v.tools, in); err != nil {
		return nil, done, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	for i := range f.media.Streams {
		s := &f.media.Streams[i]
		in.Sequence.Describe(&s.PixelFormat, &s.BitDepth, &s.Color)
		s.Frames = int64(has.Frames)
	}
	f.media.Size = has.Size
	f.media.Duration = int64(media.Rescale(media.Ticks(has.Frames), media.Rational{Num: rate.Den, Den: rate.Num}, media.Microseconds))
	f.declared = budget.Source{Size: has.Size, Duration: media.Ticks(f.media.Duration)}
	if f.video = mainVideo(f.media); f.video == nil {
		return nil, done, fault.New(fault.Corrupt, "%s: the first frame has no picture", filepath.Base(path))
	}
	return f, done, nil
}
