package plan

import "github.com/mapreel/mapreel/pkg/film"

// rung is a step of a ladder: video that fits into width × height (height × width for portrait
// video), and the limit of its bit rate in H.264.
type rung struct {
	width, height int
	maxBitrate    film.Bitrate
}

// web is the ladder for browsers and phones. Its rungs are those of Apple's "HLS Authoring
// Specification" (the table of H.264 variants) that viewers can tell apart. The limits are somewhat
// above Apple's rates, because constant quality stays far below them in all but the hardest scenes.
var web = []rung{
	{3840, 2160, 20_000_000},
	{2560, 1440, 11_000_000},
	{1920, 1080, 7_000_000},
	{1280, 720, 4_000_000},
	{960, 540, 2_500_000},
	{640, 360, 1_200_000},
	{416, 234, 500_000},
}

// relativeBitrate is the bit rate of a codec at the same quality, in percent of H.264's.
var relativeBitrate = map[film.VideoCodec]film.Bitrate{film.H264: 100, film.H265: 65, film.VP9: 65, film.AV1: 55}

// nearRung is the height, in percent of the source's, from which on the highest rung counts as the
// source's own size. The rendition is then not scaled. Below it, a rendition of the source's own
// size is added to the ladder.
const nearRung = 90

// rungs returns the settings of an output's renditions: those that the request lists, or those of
// its ladder that are no larger than the source, largest first. A source whose size is well between
// two rungs gets a rendition of its own size.
func rungs(out film.Output, src film.Source) []film.Video {
	if src.Video == nil || out.Ladder == "" {
		return out.Video
	}
	template := out.Video[0]
	_, track, _ := crop(template, src) // Job reports what is wrong with it
	size := displaySize(track)
	add := func(list []film.Video, height int, maxBitrate film.Bitrate) []film.Video {
		v := template
		v.Height, v.MaxBitrate = height, maxBitrate*relativeBitrate[v.Codec]/100
		return append(list, v)
	}
	var list []film.Video
	for i, r := range web {
		if size.Height > size.Width {
			r.width, r.height = r.height, r.width
		}
		height := min(r.height, (r.width*size.Height+size.Width/2)/max(size.Width, 1)) // at which the video fits into the rung
		if height > size.Height || height < 2 {
			continue
		}
		switch {
		case len(list) > 0:
		case height*100 < size.Height*nearRung:
			list = add(list, 0, web[max(i-1, 0)].maxBitrate)
		default:
			height = 0 // the source's own size takes the place of this rung
		}
		list = add(list, height, r.maxBitrate)
	}
	if len(list) == 0 { // the source is smaller than the lowest rung
		list = add(list, 0, web[len(web)-1].maxBitrate)
	}
	return list
}
