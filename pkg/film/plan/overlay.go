package plan

import (
	"errors"

	"github.com/mapreel/mapreel/pkg/film"
)

// lay puts the overlay of v on a rendition of a source.
func lay(v film.Video, src film.Source, r *film.Rendition) error {
	if v.Overlay == nil {
		return nil
	}
	if src.Video.Color.HDR() && !r.ToneMap {
		return errors.New("the output is HDR, whose light a PNG does not state; set bitDepth 8, so that the video is tone-mapped first")
	}
	file := src.File(v.Overlay.Image)
	r.Overlay = v.Overlay.On(file.Pixels, file.Digest)
	return nil
}
