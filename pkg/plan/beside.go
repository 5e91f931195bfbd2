package plan

import (
	"cmp"
	"fmt"

	"github.com/mapreel/mapreel/pkg/job"
)

// textForm is what subtitles become in a container that cannot hold them as they are.
var textForm = map[job.Container]string{job.MP4: "mov_text", job.Matroska: "subrip", job.WebM: "webvtt", job.HLS: "webvtt", job.DASH: "webvtt", job.CMAF: "webvtt"}

// beside decides what an output keeps beside picture and sound, and warns of what it cannot.
func beside(j *job.Job, out job.Output, product *job.Product, copyable func(string, job.Container) bool) {
	src := j.Source
	warn := func(format string, args ...any) {
		j.Warnings = append(j.Warnings, product.File+": "+fmt.Sprintf(format, args...))
	}
	if out.Subtitles != job.SubtitlesNone {
		for i, track := range src.Texts {
			text := job.Text{Track: i, Codec: "copy", Mux: job.Matroska}
			switch {
			case out.Container == job.MP4:
				text.Mux = job.MP4
			case out.Container.Packaged():
				text.Mux = job.HLS
			}
			switch {
			case copyable(track.Codec, out.Container):
			case track.Written:
				text.Codec = textForm[out.Container]
			default:
				warn("left out: %s, which %s cannot hold", nameOf(i, track), out.Container)
				continue
			}
			product.Texts = append(product.Texts, place(&j.Texts, text))
		}
	}
	if n := len(src.Attached); n > 0 && out.Subtitles != job.SubtitlesNone {
		if product.Attached = out.Container == job.Matroska; !product.Attached {
			warn("left out: %s, such as fonts, which %s cannot hold", counted(n, "attached file"), out.Container)
		}
	}
	if n := len(src.Chapters); n > 0 && out.Container.Packaged() {
		warn("left out: %s, which %s cannot hold", counted(n, "chapter"), out.Container)
	}
	if c := src.Cover; c != nil {
		switch product.Cover = out.Container == job.Matroska || out.Container == job.MP4 && (c.Codec == "mjpeg" || c.Codec == "png"); {
		case product.Cover:
		case out.Container == job.MP4:
			warn("left out: the cover picture, as mp4 cannot hold %s", c.Codec)
		default:
			warn("left out: the cover picture, which %s cannot hold", out.Container)
		}
	}
}

// nameOf tells a subtitle track from the others: its number and codec, and its language where the source says it.
func nameOf(i int, t job.TextTrack) string {
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
