package plan

import (
	"cmp"
	"fmt"

	"github.com/mapreel/mapreel/pkg/film"
)

// textForm is what subtitles become in a container that cannot hold them as they are.
var textForm = map[film.Container]string{film.MP4: "mov_text", film.Matroska: "subrip", film.WebM: "webvtt", film.HLS: "webvtt", film.DASH: "webvtt", film.CMAF: "webvtt"}

// beside decides what an output keeps beside picture and sound, and warns of what it cannot.
func beside(j *film.Job, out film.Output, product *film.OutputPlan, copyable func(string, film.Container) bool) {
	src := j.Source
	warn := func(format string, args ...any) {
		j.Warnings = append(j.Warnings, product.File+": "+fmt.Sprintf(format, args...))
	}
	if out.Subtitles != film.SubtitlesNone {
		for i, track := range src.Subtitles {
			text := film.SubtitleRendition{Track: i, Codec: "copy", Mux: film.Matroska}
			switch {
			case out.Container == film.MP4:
				text.Mux = film.MP4
			case out.Container.Packaged():
				text.Mux = film.HLS
			}
			switch {
			case copyable(track.Codec, out.Container):
			case track.IsText:
				text.Codec = textForm[out.Container]
			default:
				warn("left out: %s, which %s cannot hold", nameOf(i, track), out.Container)
				continue
			}
			product.Subtitles = append(product.Subtitles, place(&j.SubtitleRenditions, text))
		}
	}
	if n := len(src.Attachments); n > 0 && out.Subtitles != film.SubtitlesNone {
		if product.Attachments = out.Container == film.Matroska; !product.Attachments {
			warn("left out: %s, such as fonts, which %s cannot hold", counted(n, "attached file"), out.Container)
		}
	}
	if n := len(src.Chapters); n > 0 && out.Container.Packaged() {
		warn("left out: %s, which %s cannot hold", counted(n, "chapter"), out.Container)
	}
	if c := src.Cover; c != nil {
		switch product.Cover = out.Container == film.Matroska || out.Container == film.MP4 && (c.Codec == "mjpeg" || c.Codec == "png"); {
		case product.Cover:
		case out.Container == film.MP4:
			warn("left out: the cover picture, as mp4 cannot hold %s", c.Codec)
		default:
			warn("left out: the cover picture, which %s cannot hold", out.Container)
		}
	}
}

// nameOf tells a subtitle track from the others: its number and codec, and its language where the source says it.
func nameOf(i int, t film.SubtitleTrack) string {
	language := ""
	if t.Language != "" {
		language = t.Language + ", "
	}
	return fmt.Sprintf("subtitle track %d (%s%s)", i+1, language, cmp.Or(t.Codec, "of an unknown kind"))
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
