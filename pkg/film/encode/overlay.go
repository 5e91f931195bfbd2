package encode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/burnin"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// stageOverlay writes the pixels of a rendition's overlay to the working folder, and returns how ffmpeg lays them over the frames.
func (a *attempt) stageOverlay(ctx context.Context, r film.Rendition) (ffmpeg.Overlay, error) {
	o := r.Overlay
	if o == (overlay.Laid{}) {
		return ffmpeg.Overlay{}, nil
	}
	at := r.OverlayPlace()
	laid := ffmpeg.Overlay{
		Path: filepath.Join(a.Dir, fmt.Sprintf("overlay-%.16s-%d.raw", o.Digest, o.Opacity)), Size: o.Size,
		Width: at.Width, Height: at.Height, X: at.X, Y: at.Y,
	}
	if _, err := os.Stat(laid.Path); err == nil {
		return laid, nil // of another rendition, or of an encode before this one
	}
	data, err := input.SameFile(ctx, a.Resolve, a.job.Source.File(o.Image))
	if err != nil {
		return laid, err
	}
	pixels, err := overlay.Pixels(data, o.Opacity)
	if err != nil {
		return laid, fault.Wrap(fault.Invalid, err, o.Image)
	}
	return laid, fault.Wrap(fault.OutOfSpace, os.WriteFile(laid.Path, pixels, 0o600), "write the overlay")
}

// fontsFolder is the folder in the working folder in which ffmpeg finds the fonts of subtitles.
const fontsFolder = "fonts"

// stageBurn writes the subtitles that are drawn into the frames of a rendition to the working folder, on the clock of those frames, and
// returns how ffmpeg draws them.
func (a *attempt) stageBurn(ctx context.Context, r film.Rendition, clock *encode.Grid) (b ffmpeg.Burn, err error) {
	if r.Burn == 0 {
		return b, nil
	}
	var facts film.BurnFacts
	if err := work.Facts(ctx, a.Results, film.BurnUnit(r.Burn-1), &facts); err != nil || facts.Events == 0 {
		return b, err
	}
	delay := a.job.Source.WholeOrigin().In(media.Microseconds)
	b.Script, b.Fonts = fmt.Sprintf("burn%d", r.Burn), fontsFolder
	if clock != nil { // it counts from there
		b.Script += "-grid"
		delay -= media.Rescale(media.Ticks(clock.Origin), a.job.Source.Video.Timebase, media.Microseconds)
	}
	path := filepath.Join(a.Dir, b.Script)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	data, err := blob.ReadRange(ctx, a.Scratch, facts.Key, 0, facts.Size)
	if err != nil {
		return b, err
	}
	script, err := burnin.Parse(data)
	if err != nil {
		return b, err
	}
	err = errors.Join(burnin.WriteFonts(filepath.Join(a.Dir, fontsFolder)), os.WriteFile(path, script.Moved(media.Microseconds.Duration(delay)), 0o600))
	return b, fault.Wrap(fault.KindOf(err), err, "write the subtitles")
}
