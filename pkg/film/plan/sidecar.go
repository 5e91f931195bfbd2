package plan

import (
	"cmp"
	"fmt"

	"github.com/mapreel/mapreel/pkg/film"
)

// textCodec is the codec to which text subtitles are converted in a container that cannot hold
// theirs.
var textCodec = map[film.Container]string{film.MP4: "mov_text", film.Matroska: "subrip", film.WebM: "webvtt", film.HLS: "webvtt", film.DASH: "webvtt", film.CMAF: "webvtt"}

// planSidecar decides which subtitles, attachments, chapters and cover an output keeps, and adds
// warnings for those that it cannot hold.
func planSidecar(j *film.Job, out film.Output, planned *film.OutputPlan, copyable func(string, film.Container) bool) {
	src := j.Source
	warn := func(format string, args ...any) {
		j.Warnings = append(j.Warnings, planned.File+": "+fmt.Sprintf(format, args...))
	}
	if out.Subtitles != film.SubtitlesNone {
		for _, i := range planned.Chosen.SubtitleTracks(len(src.Subtitles)) {
			track := src.Subtitles[i]
			rendition := film.SubtitleRendition{Track: i, Codec: "copy", Mux: film.Matroska}
			switch {
			case out.Container == film.MP4:
				rendition.Mux = film.MP4
			case out.Container.Packaged():
				rendition.Mux = film.HLS
			}
			switch {
			case copyable(track.Codec, out.Container):
			case track.IsText:
				rendition.Codec = textCodec[out.Container]
			default:
				warn("left out: %s, which %s cannot hold", describeSubtitles(i, track), out.Container)
				continue
			}
			planned.Subtitles = append(planned.Subtitles, indexOrAppend(&j.SubtitleRenditions, rendition))
		}
	}
	if n := len(src.Attachments); n > 0 && out.Subtitles != film.SubtitlesNone {
		if planned.Attachments = out.Container == film.Matroska; !planned.Attachments {
			warn("left out: %s, such as fonts, which %s cannot hold", count(n, "attached file"), out.Container)
		}
	}
	if c := src.Cover; c != nil {
		switch planned.Cover = out.Container == film.Matroska || out.Container == film.MP4 && (c.Codec == "mjpeg" || c.Codec == "png"); {
		case planned.Cover:
		case out.Container == film.MP4:
			warn("left out: the cover picture, as mp4 cannot hold %s", c.Codec)
		default:
			warn("left out: the cover picture, which %s cannot hold", out.Container)
		}
	}
}

// describeSubtitles identifies a subtitle track in a message: by number, language (if the source
// declares it) and codec.
func describeSubtitles(i int, t film.SubtitleTrack) string {
	language := ""
	if t.Language != "" {
		language = t.Language + ", "
	}
	return fmt.Sprintf("subtitle track %d (%s%s)", i+1, language, cmp.Or(t.Codec, "unknown codec"))
}

// count formats a number of things: "1 chapter", "2 chapters".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
