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

// animatedGIF publishes a GIF. It reads the pictures twice, for the palette and for the frames, and holds one.
func (a *attempt) animatedGIF(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	size := a.pictures.Size
	frame := make([]byte, 3*size.Width*size.Height)
	each := func(yield func(k int64) error) error {
		return a.read(ctx, list, func(p picture, data []byte) error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := qoi.Decode(frame, data); err != nil {
				return fault.Wrap(fault.Corrupt, err, "picture of "+p.key)
			}
			return yield(p.number - list[0].number)
		})
	}
	var colours gif.Colours
	err := each(func(int64) error {
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
	err = a.writeGIF(f, colours.Palette(), frame, each)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	e, err := a.publish(ctx, a.name(a.slice.Start, string(film.GIF)), path)
	return []film.PreviewEntry{e}, err
}

// writeGIF writes the frames that each puts into frame.
func (a *attempt) writeGIF(to io.Writer, p gif.Palette, frame []byte, each func(yield func(k int64) error) error) error {
	w, err := gif.NewWriter(to, a.pictures.Size.Width, a.pictures.Size.Height, p)
	if err != nil {
		return err
	}
	err = each(func(k int64) error {
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
