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

// burn has a rendition of a source show the subtitles of v. An error says what is wrong with the field at pointer.
func burn(v film.Video, j *film.Job, r *film.Rendition) (pointer string, err error) {
	if v.Burn == nil {
		return "", nil
	}
	if j.Source.Video.Color.HDR() && !r.ToneMap {
		return "/burn", errors.New("the output is HDR, in which white letters would dazzle; set bitDepth 8, so that the video is tone-mapped first")
	}
	burnt, pointer, problem := j.Source.Burnt(*v.Burn)
	if problem != "" {
		return "/burn" + pointer, errors.New(problem)
	}
	r.Burn = indexOrAppend(&j.Burns, burnt) + 1
	return "", nil
}
