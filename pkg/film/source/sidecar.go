package source

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Limits of what a job takes from its source in addition to video and audio. All of it is stored in
// the ledger's record of the job, which DynamoDB limits to 400 KB.
const (
	maxAudio       = 64 // each takes an encode; broadcasts have 32 at most
	maxChapters    = 1000
	maxSubtitles   = 100
	maxAttachments = 200
	maxTitle       = 160  // bytes of the name of a chapter, a track or a file
	maxTag         = 2000 // bytes
)

// keptTags are the tags of the file that players show, by ffmpeg's names. The title is another
// field.
var keptTags = []string{"artist", "album_artist", "album", "composer", "genre", "date", "comment", "description", "copyright"}

// describeSidecar fills in src from ffprobe's output: subtitles, cover, attachments, chapters and
// tags, and what is left out of them. The video track, the audio tracks and the origin are known
// already.
func describeSidecar(src *film.Source, probed probe.Media) {
	var audio, covers, subtitles, attachments int
	for _, s := range probed.Streams {
		if s.Type == "audio" {
			audio++
		}
		switch {
		case s.Type == "video" && s.AttachedPic:
			if covers++; covers == 1 {
				src.Cover = &film.Attachment{Stream: s.Index, Codec: s.Codec, Name: "cover" + coverExtension(s.Codec), MIME: coverType(s.Codec)}
			}
		case s.Type == "video" && (!s.Complete() || src.Video == nil), s.Type == "audio" && !s.Complete():
			src.Losses = append(src.Losses, "left out: "+emptyStream(s))
		case s.Type == "video" && src.Video != nil && s.Index != src.Video.Stream:
			src.Losses = append(src.Losses, fmt.Sprintf("left out: video stream %d (%s), as an output holds one video track", s.Index, clean(s.Codec, maxTitle)))
		case s.Type == "subtitle":
			if subtitles++; subtitles <= maxSubtitles {
				src.Subtitles = append(src.Subtitles, subtitleTrack(s))
			}
		case s.Type == "attachment":
			name := clean(path.Base("/"+strings.ReplaceAll(s.Tags["filename"], "\\", "/")), maxTitle)
			if name == "/" || name == "" || name == "." || name == ".." {
				name = fmt.Sprintf("attachment %d", attachments+1)
			}
			if attachments++; attachments <= maxAttachments {
				src.Attachments = append(src.Attachments, film.Attachment{
					Stream: s.Index, Name: name, MIME: cmp.Or(clean(s.Tags["mimetype"], maxTitle), "application/octet-stream"),
				})
			}
		case s.Type == "data" && (s.Codec == "klv" || s.Codec == "scte_35" || s.Tag == "gpmd" || s.Tag == "camm"):
			// Most data streams, such as timecodes and hints, are of no use in another file. These
			// hold measurements.
			src.Losses = append(src.Losses, fmt.Sprintf("left out: data stream %d (%s)", s.Index, cmp.Or(s.Codec, s.Tag)))
		}
	}
	for _, c := range []struct {
		have, limit int
		noun        string
	}{
		{audio, maxAudio, "audio tracks"},
		{covers, 1, "cover pictures"},
		{subtitles, maxSubtitles, "subtitle tracks"},
		{attachments, maxAttachments, "attached files"},
		{len(probed.Chapters), maxChapters, "chapters"},
	} {
		if c.have > c.limit {
			src.Losses = append(src.Losses, fmt.Sprintf("left out: %d of %d %s", c.have-c.limit, c.have, c.noun))
		}
	}
	src.Chapters = chapters(probed.Chapters[:min(len(probed.Chapters), maxChapters)], src.Origin.In(media.Microseconds))
	tags := probed.Tags
	if src.Video == nil && len(src.Audio) == 1 && tags["title"] == "" {
		for _, s := range probed.Streams {
			if s.Index == src.Audio[0].Stream {
				tags = s.Tags // where Ogg has them
			}
		}
	}
	src.Title = clean(tags["title"], maxTag)
	for _, name := range keptTags {
		if text := clean(tags[name], maxTag); text != "" {
			src.Tags = append(src.Tags, media.Tag{Name: name, Value: text})
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, probed.Tags["creation_time"]); err == nil && t.Year() > 1904 && t.Year() < 2500 {
		src.Created = t.UTC()
	}
}

// emptyStream names a stream that the container declares and of which ffprobe found nothing that could
// be decoded.
func emptyStream(s probe.Stream) string {
	name := fmt.Sprintf("%s stream %d", s.Type, s.Index)
	if codec := clean(s.Codec, maxTitle); codec != "" {
		return fmt.Sprintf("%s (%s), which is declared but of which no packet was found", name, codec)
	}
	return name + ", whose codec is unknown"
}

// subtitleTrack describes a stream of subtitles.
func subtitleTrack(s probe.Stream) film.SubtitleTrack {
	t := film.SubtitleTrack{
		Stream: s.Index, Codec: clean(s.Codec, maxTitle), IsText: remux.IsTextSubtitle(s.Codec), Language: clean(s.Language, maxTitle),
		Title: clean(s.Title, maxTitle), Default: s.Default, Flags: s.Flags,
	}
	if s.Codec == "mov_text" && s.Tag != "tx3g" {
		t.Codec = "text" // QuickTime's own format, which ffmpeg also calls mov_text; MP4 cannot hold it unchanged
	}
	if s.Forced {
		t.Flags = append([]string{"forced"}, t.Flags...)
	}
	return t
}

// coverExtension returns the file name extension of a cover.
func coverExtension(codec string) string {
	return cmp.Or(map[string]string{"mjpeg": ".jpg", "png": ".png", "bmp": ".bmp", "gif": ".gif", "webp": ".webp", "tiff": ".tif"}[codec], ".bin")
}

// coverType returns the MIME type of a cover.
func coverType(codec string) string {
	return cmp.Or(map[string]string{
		"mjpeg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "gif": "image/gif", "webp": "image/webp", "tiff": "image/tiff",
	}[codec], "application/octet-stream")
}

// chapters returns the source's chapters on the output's timeline, in order and cut off before the
// origin. Of those that start in the same millisecond only the first is chapter.
func chapters(list []media.Chapter, origin media.Ticks) []media.Chapter {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b media.Chapter) int { return cmp.Compare(a.Start, b.Start) })
	var out []media.Chapter
	millisecond := func(t media.Ticks) media.Ticks { return (t + 500) / 1000 }
	for _, c := range list {
		chapter := media.Chapter{Start: max(c.Start-origin, 0), End: c.End - origin, Title: clean(c.Title, maxTitle)}
		if chapter.End < 0 {
			continue
		}
		if chapter.End < chapter.Start+1000 {
			chapter.End = chapter.Start + 1000 // some programs write no end
		}
		if n := len(out); n > 0 && millisecond(chapter.Start) <= millisecond(out[n-1].Start) {
			continue
		}
		out = append(out, chapter)
	}
	return out
}

// clean makes a single line of a source's text: valid UTF-8 without control characters, at most
// limit bytes.
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
