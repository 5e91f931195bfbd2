package stage

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Bounds of what a job keeps beside picture and sound. All of it stands in the ledger's record of the job, which
// DynamoDB limits to 400 KB.
const (
	maxChapters = 1000
	maxTexts    = 100
	maxAttached = 200
	maxTitle    = 160  // bytes of a chapter's, a track's or a file's name
	maxTagText  = 2000 // bytes
)

// keptTags are the texts about the whole that players show, by ffmpeg's names.
var keptTags = []string{"artist", "album_artist", "album", "composer", "genre", "date", "comment", "description", "copyright"}

// besides takes from ffprobe's account what is neither picture nor sound. The source's picture, sounds and origin are
// known.
func besides(src *film.Source, probed ffmpeg.Media) {
	var covers, texts, attached int
	for _, s := range probed.Streams {
		switch {
		case s.Type == "video" && s.AttachedPic:
			if covers++; covers == 1 {
				src.Cover = &film.Attachment{Stream: s.Index, Codec: s.Codec, Name: "cover" + coverExtension(s.Codec), MIME: coverType(s.Codec)}
			}
		case s.Type == "video" && src.Video != nil && s.Index != src.Video.Stream:
			src.Losses = append(src.Losses, fmt.Sprintf("left out: video stream %d (%s), as an output holds one picture", s.Index, clean(s.Codec, maxTitle)))
		case s.Type == "subtitle":
			if texts++; texts <= maxTexts {
				src.Subtitles = append(src.Subtitles, textTrack(s))
			}
		case s.Type == "attachment":
			name := clean(path.Base("/"+strings.ReplaceAll(s.Tags["filename"], "\\", "/")), maxTitle)
			if name == "/" || name == "" || name == "." || name == ".." {
				name = fmt.Sprintf("attachment %d", attached+1)
			}
			if attached++; attached <= maxAttached {
				src.Attachments = append(src.Attachments, film.Attachment{
					Stream: s.Index, Name: name, MIME: cmp.Or(clean(s.Tags["mimetype"], maxTitle), "application/octet-stream"),
				})
			}
		case s.Type == "data" && (s.Codec == "klv" || s.Codec == "scte_35" || s.Tag == "gpmd" || s.Tag == "camm"):
			// Time codes, hints and the like are of no use in another file. These are somebody's measurements.
			src.Losses = append(src.Losses, fmt.Sprintf("left out: data stream %d (%s)", s.Index, cmp.Or(s.Codec, s.Tag)))
		}
	}
	for _, more := range []struct {
		have, most int
		what       string
	}{{covers, 1, "cover pictures"}, {texts, maxTexts, "subtitle tracks"}, {attached, maxAttached, "attached files"}, {len(probed.Chapters), maxChapters, "chapters"}} {
		if more.have > more.most {
			src.Losses = append(src.Losses, fmt.Sprintf("left out: %d of %d %s", more.have-more.most, more.have, more.what))
		}
	}
	src.Chapters = chapters(probed.Chapters[:min(len(probed.Chapters), maxChapters)], src.Origin.In(media.Microseconds))
	tags := probed.Tags
	if src.Video == nil && len(src.Audio) == 1 && tags["title"] == "" {
		for _, s := range probed.Streams {
			if s.Index == src.Audio[0].Stream {
				tags = s.Tags // Ogg has its texts there
			}
		}
	}
	src.Title = clean(tags["title"], maxTagText)
	for _, name := range keptTags {
		if text := clean(tags[name], maxTagText); text != "" {
			src.Tags = append(src.Tags, media.Tag{Name: name, Value: text})
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, probed.Tags["creation_time"]); err == nil && t.Year() > 1904 && t.Year() < 2500 {
		src.Created = t.UTC()
	}
}

func textTrack(s ffmpeg.Stream) film.SubtitleTrack {
	t := film.SubtitleTrack{
		Stream: s.Index, Codec: clean(s.Codec, maxTitle), IsText: ffmpeg.IsTextSubtitle(s.Codec), Language: clean(s.Language, maxTitle),
		Title: clean(s.Title, maxTitle), Default: s.Default, Flags: s.Flags,
	}
	if s.Codec == "mov_text" && s.Tag != "tx3g" {
		t.Codec = "text" // QuickTime's own, of which ffmpeg makes no difference; MP4 does not hold it as it is
	}
	if s.Forced {
		t.Flags = append([]string{"forced"}, t.Flags...)
	}
	return t
}

func coverExtension(codec string) string {
	return cmp.Or(map[string]string{"mjpeg": ".jpg", "png": ".png", "bmp": ".bmp", "gif": ".gif", "webp": ".webp", "tiff": ".tif"}[codec], ".bin")
}

func coverType(codec string) string {
	return cmp.Or(map[string]string{
		"mjpeg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "gif": "image/gif", "webp": "image/webp", "tiff": "image/tiff",
	}[codec], "application/octet-stream")
}

// chapters are the source's on the output's timeline, in order, none twice in a millisecond: what lies before the
// origin is cut off.
func chapters(list []media.Chapter, origin media.Ticks) []media.Chapter {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b media.Chapter) int { return cmp.Compare(a.Start, b.Start) })
	var out []media.Chapter
	millisecond := func(t media.Ticks) media.Ticks { return (t + 500) / 1000 }
	for _, c := range list {
		kept := media.Chapter{Start: max(c.Start-origin, 0), End: c.End - origin, Title: clean(c.Title, maxTitle)}
		if kept.End < 0 {
			continue
		}
		if kept.End < kept.Start+1000 {
			kept.End = kept.Start + 1000 // some writers leave the end out
		}
		if n := len(out); n > 0 && millisecond(kept.Start) <= millisecond(out[n-1].Start) {
			continue
		}
		out = append(out, kept)
	}
	return out
}

// clean makes one line of a source's text: valid, without control characters, at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit]
	}
	return strings.TrimSpace(text)
}
