package verify

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
)

// longestPlaylist bounds what is read of a playlist: a multivariant one has a few kilobytes.
const longestPlaylist = 1 << 20

// listed corrects what libavformat 5.1 says of an HLS package by the package's own playlist: it tells neither of the title,
// of subtitles, nor of defaults and names of sounds, and finds the sound of a package without a picture twice, as a variant
// and as a rendition.
func listed(m *ffmpeg.Media, playlist string) {
	var sounds, texts []map[string]string
	for line := range strings.Lines(playlist) {
		tag, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		r := attributesOf(list)
		switch {
		case tag == "#EXT-X-SESSION-DATA" && r["DATA-ID"] == "com.apple.hls.title":
			if m.Tags == nil {
				m.Tags = map[string]string{}
			}
			m.Tags["title"] = r["VALUE"]
		case tag != "#EXT-X-MEDIA" || r["URI"] == "": // without one it is in the variant itself
		case r["TYPE"] == "AUDIO":
			sounds = append(sounds, r)
		case r["TYPE"] == "SUBTITLES":
			texts = append(texts, r)
		}
	}
	heard := len(streamsOf(*m, "audio"))
	if len(sounds) == heard || videoOf(*m) == nil && len(sounds) < heard && len(sounds) > 0 {
		next := 0
		m.Streams = slices.DeleteFunc(m.Streams, func(s ffmpeg.Stream) bool {
			if s.Type != "audio" {
				return false
			}
			next++
			return next > len(sounds)
		})
		next = 0
		for i, s := range m.Streams {
			if s.Type == "audio" {
				r := sounds[next]
				m.Streams[i].Default, m.Streams[i].Language, m.Streams[i].Title = r["DEFAULT"] == "YES", r["LANGUAGE"], r["NAME"]
				next++
			}
		}
	}
	for _, r := range texts {
		m.Streams = append(m.Streams, ffmpeg.Stream{Index: -1, Type: "subtitle", Codec: "webvtt", Language: r["LANGUAGE"], Default: r["DEFAULT"] == "YES"})
	}
}

// quotable is a text as an attribute can hold it: without quotation marks and line ends (RFC 8216, 4.2).
func quotable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, text)
}

// attributesOf reads an attribute list (RFC 8216, 4.2), without the quotation marks.
func attributesOf(list string) map[string]string {
	out := map[string]string{}
	for list != "" {
		name, rest, ok := strings.Cut(list, "=")
		if !ok {
			break
		}
		var value string
		if quoted, found := strings.CutPrefix(rest, `"`); found {
			value, rest, _ = strings.Cut(quoted, `"`)
			rest = strings.TrimPrefix(rest, ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		out[strings.TrimSpace(name)] = value
		list = rest
	}
	return out
}

// sameLanguage says whether two codes name one language: files have "ger" or "deu", playlists "de".
func sameLanguage(a, b string) bool {
	if a == b {
		return true
	}
	base := func(code string) (language.Base, error) {
		code, _, _ = strings.Cut(code, "-")
		return language.ParseBase(film.Terminology(code))
	}
	x, errX := base(a)
	y, errY := base(b)
	return errX == nil && errY == nil && x == y
}
