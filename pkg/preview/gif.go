package preview

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/gif"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/qoi"
)

// maxKept is how many bytes of frames a GIF keeps between the palette and the frames: twice those of a usual slice. A longer or larger
// one is read and decoded for both.
const maxKept = 64 << 20

// frames are the frames of an animation.
type frames struct {
	attempt *attempt
	list    []picture
	kept    [][]byte // nil: they are too many
}

// each calls yield with each frame and its number. yield must not keep it.
func (f *frames) each(ctx context.Context, yield func(k int64, frame []byte) error) error {
	size := f.attempt.pictures.Size
	length := 3 * size.Width * size.Height
	if len(f.kept) == len(f.list) {
		for k, frame := range f.kept {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := yield(int64(k), frame); err != nil {
				return err
			}
		}
		return nil
	}
	keep := int64(length)*int64(len(f.list)) <= maxKept
	frame := make([]byte, length)
	var last picture
	return f.attempt.read(ctx, f.list, func(p picture, data []byte) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if last.size == 0 || p.key != last.key || p.offset != last.offset {
			if keep {
				frame = make([]byte, length)
			}
			if err := qoi.Decode(frame, data); err != nil {
				return fault.Wrap(fault.Corrupt, err, "picture of "+p.key)
			}
		}
		last = p
		if keep {
			f.kept = append(f.kept, frame)
		}
		return yield(p.number-f.list[0].number, frame)
	})
}

// animatedGIF publishes a GIF.
func (a *attempt) animatedGIF(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	all := &frames{attempt: a, list: list}
	var colours gif.Colours
	err := all.each(ctx, func(_ int64, frame []byte) error {
		colours.Count(frame)
		return nil
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(a.Dir, "assembled")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	err = a.writeGIF(ctx, f, colours.Palette(), all)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	e, err := a.publish(ctx, a.name(a.slice.Start, string(film.GIF)), path)
	return []film.PreviewEntry{e}, err
}

// writeGIF writes a GIF of all frames.
func (a *attempt) writeGIF(ctx context.Context, to io.Writer, p gif.Palette, all *frames) error {
	w, err := gif.NewWriter(to, a.pictures.Size.Width, a.pictures.Size.Height, p)
	if err != nil {
		return err
	}
	err = all.each(ctx, func(k int64, frame []byte) error {
		return w.Frame(frame, hundredths(k+1, a.pictures.Rate)-hundredths(k, a.pictures.Rate))
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// hundredths returns when frame k is shown, in hundredths of a second.
func hundredths(k int64, rate media.Rational) int {
	return int(media.Rescale(media.Ticks(k), media.Rational{Num: rate.Den, Den: rate.Num}, media.Rational{Num: 1, Den: 100}))
}
