package encode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/overlay"
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
