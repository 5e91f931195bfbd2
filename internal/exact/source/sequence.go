package source

import (
	"slices"

	"github.com/mapreel/mapreel/pkg/film"
)

// sequenceSources are image sequences of 150 frames, six seconds.
func sequenceSources() []Source {
	sequence := func(name, file string, options ...string) Source {
		return Source{
			Name: "image sequence, " + name, File: file, Sequence: film.Sequence{FrameRate: film.FrameRate{Num: 25, Den: 1}},
			make: encode(videoInput("160x90", "25", "6"), slices.Concat(options)),
		}
	}
	png := sequence("PNG", "in%05d.png")
	png.Previews = true
	return []Source{png, sequence("JPEG", "in%d.jpg", split("-q:v 2")...), sequence("DPX of 10 bits", "in%04d.dpx", split("-pix_fmt gbrp10be")...)}
}
