package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// chooseProgram returns what ffprobe found of one of the programmes that share a transport stream, on that programme's clock:
// the one of the given number, or with 0 the one with the largest picture. It names the others among the losses of src. A
// source with at most one programme is returned as it is.
func chooseProgram(src *film.Source, probed probe.Media, number int) (probe.Media, error) {
	var programs []probe.Program
	if src.Demuxer == "mpegts" {
		programs = probe.Playable(probed)
	}
	chosen, ok := probe.Choose(probed, programs, number)
	if !ok {
		return probed, film.Problems{{Pointer: "/program", Message: missingProgram(probed, programs, number)}}.Err()
	}
	if len(programs) < 2 {
		return probed, nil
	}
	for _, p := range programs {
		if p.Number != chosen.Number {
			src.Losses = append(src.Losses, "left out: "+programText(probed, p))
		}
	}
	only := probed.Only(chosen)
	if probed.HasStart && only.HasStart && probed.Start != only.Start {
		src.FileStart = new(media.Ticks(probed.Start))
	}
	return only, nil
}

func missingProgram(probed probe.Media, programs []probe.Program, number int) string {
	if len(programs) == 0 {
		return "the source has no programs"
	}
	var list []string
	for _, p := range programs {
		list = append(list, programText(probed, p))
	}
	return fmt.Sprintf("the source has no program %d; it has %s", number, strings.Join(list, " and "))
}

// programText names a programme, with its picture.
func programText(probed probe.Media, p probe.Program) string {
	text := fmt.Sprintf("program %d", p.Number)
	if name := clean(p.Name, maxTitle); name != "" {
		text += " (" + name + ")"
	}
	largest := probe.Stream{}
	for _, s := range probed.Streams {
		if slices.Contains(p.Streams, s.Index) && s.Type == "video" && s.Width*s.Height > largest.Width*largest.Height {
			largest = s
		}
	}
	if largest.Width == 0 {
		return text + ", without a picture"
	}
	return fmt.Sprintf("%s, %d x %d", text, largest.Width, largest.Height)
}
