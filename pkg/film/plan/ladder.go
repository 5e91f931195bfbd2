package plan

import (
	"github.com/mapreel/mapreel/pkg/film"
)

// rung is a step of a ladder: a picture that fits into Width × Height (or the other way round, where it is taller than
// wide), and what it may take in H.264.
type rung struct {
	width, height int
	most          film.Bitrate
}

// web is the ladder for browsers and phones. The steps are those of Apple's "HLS Authoring Specification" (its table of
// H.264 variants) as far as a viewer tells them apart; the bounds are somewhat above its rates, because constant quality
// stays far below them in all but the hardest scenes.
var web = []rung{
	{3840, 2160, 20_000_000},
	{2560, 1440, 11_000_000},
	{1920, 1080, 7_000_000},
	{1280, 720, 4_000_000},
	{960, 540, 2_500_000},
	{640, 360, 1_200_000},
	{416, 234, 500_000},
}

// thrift is what a codec takes of H.264's bit rate for the same picture, in percent.
var thrift = map[film.VideoCodec]film.Bitrate{film.H264: 100, film.H265: 65, film.VP9: 65, film.AV1: 55}

// near says when a source is as good as the ladder's step below it, in percent of its size.
const near = 90

// rungs are the renditions that an output asks for: those it lists, or those of its ladder that are no larger than the
// picture, largest first. A source whose size lies well between two steps adds its own.
func rungs(out film.Output, p *film.VideoTrack) []film.Video {
	if p == nil || out.Ladder == "" {
		return out.Video
	}
	like := out.Video[0]
	width, height := shown(*p).Width, shown(*p).Height
	add := func(list []film.Video, height int, most film.Bitrate) []film.Video {
		v := like
		v.Height, v.MaxBitrate = height, most*thrift[v.Codec]/100
		return append(list, v)
	}
	var list []film.Video
	for i, r := range web {
		if height > width {
			r.width, r.height = r.height, r.width
		}
		// The picture shrinks to lines/height of its size to fit.
		lines := min(r.height, (r.width*height+width/2)/max(width, 1))
		if lines > height || lines < 2 {
			continue
		}
		switch {
		case len(list) > 0:
		case lines*100 < height*near:
			list = add(list, 0, web[max(i-1, 0)].most)
		default:
			lines = 0 // the source itself is this step
		}
		list = add(list, lines, r.most)
	}
	if len(list) == 0 { // smaller than the least step
		list = add(list, 0, web[len(web)-1].most)
	}
	return list
}
