package plan

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// crop returns the region of the source's frame that a rendition shows, the zero value where that is all of it, and a video track
// that has the size of the region.
func crop(v film.Video, src film.Source) (r film.Region, track film.VideoTrack, err error) {
	track = *src.Video
	whole := displaySize(track)
	switch {
	case v.Crop == "":
		return film.Region{}, track, nil
	case v.Crop != film.AutoCrop:
		if r, err = film.ParseRegion(v.Crop); err != nil {
			return r, track, err
		}
	case src.Picture == nil:
		return film.Region{}, track, nil
	default:
		r = *src.Picture
	}
	if r.X+r.Width > whole.Width || r.Y+r.Height > whole.Height {
		return r, track, fmt.Errorf("%v is not within the source's frame of %dx%d", r, whole.Width, whole.Height)
	}
	if v.Interlaced == film.KeepInterlaced && track.Interlaced != "" && (r.Y|r.Height)%4 != 0 {
		return r, track, fmt.Errorf("%v: H and Y must be multiples of 4 where fields are kept, because each field has pairs of rows of its own", r)
	}
	if r == (film.Region{Width: whole.Width, Height: whole.Height}) {
		return film.Region{}, track, nil
	}
	return r, regionTrack(track, r), nil
}

// regionTrack returns a video track that has the size of a region of its frame; zero: all.
func regionTrack(v film.VideoTrack, r film.Region) film.VideoTrack {
	switch {
	case r == film.Region{}:
	case v.Rotation%180 != 0:
		v.Width, v.Height = r.Height, r.Width
	default:
		v.Width, v.Height = r.Width, r.Height
	}
	return v
}

// Bars returns the region of a frame that is not black in any of the samples, each the smallest rectangle around what is not black
// in one frame, rounded outwards. It returns nil where nothing is to be cropped: without samples, or if the rest would be too small
// to be a picture.
func Bars(samples []film.Region, track film.VideoTrack) *film.Region {
	whole := displaySize(track)
	left, top, right, bottom := whole.Width, whole.Height, 0, 0
	for _, s := range samples {
		left, top = min(left, max(s.X, 0)), min(top, max(s.Y, 0))
		right, bottom = max(right, min(s.X+s.Width, whole.Width)), max(bottom, min(s.Y+s.Height, whole.Height))
	}
	rows := 2
	if track.Interlaced != "" {
		rows = 4 // each field has pairs of rows of its own
	}
	left, top = left-left%2, top-top%rows
	right, bottom = min(right+right%2, whole.Width&^1), min(bottom+(rows-bottom%rows)%rows, whole.Height-whole.Height%rows)
	r := film.Region{Width: right - left, Height: bottom - top, X: left, Y: top}
	if r.Width < whole.Width/4 || r.Height < whole.Height/4 || whole.Width-r.Width < minBar && whole.Height-r.Height < minBar {
		return nil
	}
	return &r
}

// minBar is how many columns or rows in all must be black before a frame is cropped: fewer are the soft edge of a picture.
const minBar = 4

// pad makes the frame of a rendition that of v.Pad: the picture of the track, in square pixels, in its middle. The picture is made
// smaller where it does not fit, and larger only with upscale.
func (r *builder) pad(v film.Video, track film.VideoTrack, rows int) {
	width, height, err := film.ParseFrame(v.Pad)
	if err != nil {
		return // Check has refused it
	}
	size := displaySize(track)
	w, h := int64(max(size.Width, 1)), int64(max(size.Height, 1))
	if r.SampleAspect.Known() {
		w = max(divide(w*min(r.SampleAspect.Num, maxShape), min(r.SampleAspect.Den, maxShape)), 1)
	}
	r.SampleAspect = media.Rational{Num: 1, Den: 1}
	fw, fh := int64(width), int64(height-height%rows)
	inner := media.Size{Width: int(min(w, fw)), Height: int(min(h, fh))}
	if v.Upscale || w > fw || h > fh {
		if w*fh > fw*h {
			inner = media.Size{Width: int(fw), Height: int(divide(fw*h, w))}
		} else {
			inner = media.Size{Width: int(divide(fh*w, h)), Height: int(fh)}
		}
	}
	inner.Width, inner.Height = max(inner.Width&^1, 2), max(inner.Height-inner.Height%rows, rows)
	r.Crop, r.Inner = media.Size{}, media.Size{}
	if r.Width, r.Height = width, int(fh); inner != (media.Size{Width: r.Width, Height: r.Height}) {
		r.Inner = inner
	}
}
