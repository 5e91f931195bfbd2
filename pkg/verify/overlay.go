package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/media"
)

// openOverlay reads the picture that lies over the output's frames: what asked says, or else the job. done removes what was written.
func (v *verification) openOverlay(asked *overlay.Overlay, known overlay.Laid) (done func(), err error) {
	done = func() {}
	if v.laid = known; asked != nil {
		v.laid = asked.On(media.Size{}, "")
	}
	if v.laid == (overlay.Laid{}) {
		return done, nil
	}
	path := strings.TrimPrefix(v.laid.Image, "file://")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return done, fault.WithHint(fault.New(fault.Invalid, "cannot read %s, the overlay: no such file", path), "--overlay says where it is")
	case err == nil && info.Size() > overlay.MaxFile:
		return done, fault.New(fault.Invalid, "%s is larger than %d MiB", path, overlay.MaxFile>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return done, fault.Wrap(fault.KindOf(err), err, "read the overlay")
	}
	if sum := sha256.Sum256(data); v.laid.Digest != "" && v.laid.Digest != hex.EncodeToString(sum[:]) {
		return done, fault.New(fault.Invalid, "%s is not the overlay that the job had: it has changed since", path)
	}
	pixels, err := overlay.Pixels(data, v.laid.Opacity)
	if err != nil {
		return done, fault.Wrap(fault.Invalid, err, path)
	}
	v.laid.Size, _ = overlay.Size(data) // Pixels has checked it
	f, err := os.CreateTemp("", "mapreel-overlay-")
	if err != nil {
		return done, err
	}
	v.pixels, done = f.Name(), func() { _ = os.Remove(f.Name()) }
	_, err = f.Write(pixels)
	return done, errors.Join(err, f.Close())
}

// lay has the decoder of a source lay the overlay over its frames, as they are in the picture of an output.
func (v *verification) lay(from *decode.Video, source, output probe.Stream) {
	if v.pixels == "" {
		return
	}
	width, height := displayedSize(output)
	at := v.laid.Place(media.Size{Width: width, Height: height}, output.SAR)
	from.Overlay = ffmpeg.Overlay{Path: v.pixels, Size: v.laid.Size, Width: at.Width, Height: at.Height, X: at.X, Y: at.Y}
	from.OverlayMatrix = ffmpeg.ScalerMatrix(output.Color.Space, min(source.Width, source.Height) >= hdLines)
}
