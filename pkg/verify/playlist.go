package verify

import (
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// maxPlaylist bounds how much of a playlist is read, in bytes: a multivariant playlist has a few
// kilobytes.
const maxPlaylist = 1 << 20

// applyPlaylist corrects what libavformat 5.1 reports for an HLS package, using the package's own
// playlist. libavformat reports no title, no subtitles, and no defaults or names of audio
// renditions. It also reports the audio of a package without video twice, as a variant and as a
// rendition.
func applyPlaylist(m *probe.Media, playlist string) {
	var audio, subtitles []map[string]string
	for line := range strings.Lines(playlist) {
		tag, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		r := parseAttributes(list)
		switch {
		case tag == "#EXT-X-SESSION-DATA" && r["DATA-ID"] == "com.apple.hls.title":
			if m.Tags == nil {
				m.Tags = map[string]string{}
			}
			m.Tags["title"] = r["VALUE"]
		case tag != "#EXT-X-MEDIA" || r["URI"] == "": // without a URI the rendition is in the variant itself
		case r["TYPE"] == "AUDIO":
			audio = append(audio, r)
		case r["TYPE"] == "SUBTITLES":
			subtitles = append(subtitles, r)
		}
	}
	audio = withoutRepeated(m, audio)
	reported := len(streamsOf(*m, "audio"))
	if len(audio) == reported || mainVideo(*m) == nil && len(audio) < reported && len(audio) > 0 {
		next := 0
		m.Streams = slices.DeleteFunc(m.Streams, func(s probe.Stream) bool {
			if s.Type != "audio" {
				return false
			}
			next++
			return next > len(audio)
		})
		next = 0
		for i, s := range m.Streams {
			if s.Type == "audio" {
				r := audio[next]
				m.Streams[i].Default, m.Streams[i].Language, m.Streams[i].Title = r["DEFAULT"] == "YES", r["LANGUAGE"], r["NAME"]
				next++
			}
		}
	}
	for _, r := range subtitles {
		m.Streams = append(m.Streams, probe.Stream{
			Index: -1, Type: "subtitle", Codec: "webvtt", Language: r["LANGUAGE"], Default: r["DEFAULT"] == "YES", Forced: r["FORCED"] == "YES",
		})
	}
}

// withoutRepeated removes the audio that is in several groups from all but the first of them: libavformat reports each as a stream, in the
// order of the list.
func withoutRepeated(m *probe.Media, audio []map[string]string) []map[string]string {
	if len(streamsOf(*m, "audio")) < len(audio) {
		return audio
	}
	seen, repeated := map[string]bool{}, map[int]bool{}
	var kept []map[string]string
	for i, r := range audio {
		if repeated[i] = seen[r["URI"]]; !repeated[i] {
			kept = append(kept, r)
		}
		seen[r["URI"]] = true
	}
	next := -1
	m.Streams = slices.DeleteFunc(m.Streams, func(s probe.Stream) bool {
		if s.Type != "audio" {
			return false
		}
		next++
		return repeated[next]
	})
	return kept
}

// quotedStringText returns a text as a quoted-string can hold it: without quotation marks and line
// ends (RFC 8216, section 4.2).
func quotedStringText(text string) string {
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

// parseAttributes reads an attribute list (RFC 8216, section 4.2) and removes the quotation marks.
func parseAttributes(list string) map[string]string {
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
