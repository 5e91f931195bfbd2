package recipe

import (
	"maps"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
)

// Properties that were added to the recipes later are drawn from random numbers of their own, for one
// seed in three: the others keep the recipe that they have always had.
const (
	laterNumbers = 1 << 32 // more than the attempts at a seed
	laterShare   = 3
	laterDraws   = 20
)

// firstContainers returns the containers that have been there from the start.
func firstContainers() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(containers)), func(name string) bool { return containers[name].raw })
}

// later adds one of the later properties, or two, where they fit.
func (d drawing) later(r Recipe) Recipe {
	if !d.rarely(laterShare) {
		return r
	}
	for range one(d, 1, 1, 2) {
		for range laterDraws {
			if added := one(d, later...)(d, r); added.Problem() == "" && added.Doubtful() == "" {
				r = added
				break
			}
		}
	}
	return r
}

var later = []func(drawing, Recipe) Recipe{
	drawing.raw, drawing.hdr10, drawing.late, drawing.appearing, drawing.programs, drawing.packaged,
	func(_ drawing, r Recipe) Recipe { r.Cover = true; return r },
	func(_ drawing, r Recipe) Recipe { r.Chapters = true; return r },
}

// raw makes the source a stream without a container.
func (d drawing) raw(r Recipe) Recipe {
	r.Container = one(d, "h264", "hevc")
	r.Codec, r.Format, r.GOP = r.Container, "", sometimes(d, 2, strings.Fields(videoCodecs[r.Container].gops)...)
	r.Tracks, r.Subtitles, r.Start, r.VideoDelay, r.Edit, r.Clock, r.Times, r.Change, r.Rotation = nil, false, "", "", "", "", "", "", ""
	return r
}

// hdr10 gives the video the colours of HDR10. The job keeps them in H.265, or turns them into SDR.
func (d drawing) hdr10(r Recipe) Recipe {
	r.Codec, r.Format, r.GOP, r.Colour, r.Change, r.Scan = "hevc", "yuv420p10le", "", hdr10, "", ""
	if r.Output == film.MP4 {
		r.OutCodec = sometimes(d, 2, film.H265)
	}
	return r
}

// late lets a track begin long after the streams of the source have been looked for.
func (d drawing) late(r Recipe) Recipe {
	r.Rate, r.Frames, r.Tracks = one(d, "10", "12"), 180, slices.Clone(r.Tracks)
	if n := len(r.Tracks); n > 0 {
		r.Tracks[d.IntN(n)].Delay = one(d, "7", "12")
	}
	return r
}

// appearing lets a track of a transport stream begin in its middle, where its table changes.
func (d drawing) appearing(r Recipe) Recipe {
	r.Container, r.Tracks = "ts", slices.Clone(r.Tracks)
	if n := len(r.Tracks); n > 0 {
		r.Tracks[n-1] = Track{Codec: one(d, "aac", "ac3", "mp2"), Rate: 48000, Channels: one(d, 1, 2), Language: r.Tracks[n-1].Language, Change: "appears"}
	}
	return r
}

// programs adds a program, with a smaller picture, to a transport stream.
func (d drawing) programs(r Recipe) Recipe {
	r.Container, r.Program, r.Size = "ts", keys(d, 1, programs), "160x96"
	return r
}

// packaged has the job make a package for players.
func (d drawing) packaged(r Recipe) Recipe {
	r.Output, r.OutCodec = film.CMAF, sometimes(d, 4, film.H265)
	return r
}
