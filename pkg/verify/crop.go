package verify

import (
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
)

// crop makes the verification compare a region of the source's frame with the picture in the output's; zero: all of each.
func (v *verification) crop(region, picture film.Region) error {
	for _, c := range []struct {
		what string
		r    film.Region
		in   *probe.Stream
	}{{"source", region, v.source.video}, {"output", picture, v.output.video}} {
		if c.in == nil || c.r == (film.Region{}) {
			continue
		}
		if width, height := displayedSize(*c.in); c.r.X+c.r.Width > width || c.r.Y+c.r.Height > height {
			return fault.New(fault.Invalid, "%v is not within the %s's frame of %dx%d", c.r, c.what, width, height)
		}
	}
	v.region, v.picture = region, picture
	return nil
}

// cropped returns a stream with the size of the region of its frame that is shown; zero: all.
func cropped(s probe.Stream, region film.Region) probe.Stream {
	switch {
	case region == film.Region{}:
	case s.Rotation%180 != 0:
		s.Width, s.Height = region.Height, region.Width
	default:
		s.Width, s.Height = region.Width, region.Height
	}
	return s
}
