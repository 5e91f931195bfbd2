package subtitle

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Burn says which subtitles are drawn into the picture: those of a track, or of a file. One of the two is set.
type Burn struct {
	Track string `json:"track,omitempty" jsonschema:"minLength=1,description=The subtitle track by number or language: 2 or deu. It holds text"`
	File  string `json:"file,omitempty" jsonschema:"minLength=1,description=A file instead of a track: SubRip or WebVTT or ASS in UTF-8"`
}

// track matches a track by number or language.
var track = regexp.MustCompile(`^([0-9]{1,3}|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)$`)

// Check calls problem for each field that is wrong, with its pointer.
func (b Burn) Check(problem func(pointer, message string)) {
	switch {
	case (b.Track == "") == (b.File == ""):
		problem("", "needs either track or file")
	case b.Track != "" && !track.MatchString(b.Track):
		problem("/track", fmt.Sprintf("%.60q is no track by number or language, such as 2 or eng", b.Track))
	case len(b.File) > maxPath:
		problem("/file", fmt.Sprintf("is %d bytes long; at most %d", len(b.File), maxPath))
	case strings.ContainsRune(b.File, 0) || !utf8.ValidString(b.File):
		problem("/file", fmt.Sprintf("%q has bytes that are not text", b.File))
	}
}

// Normalise returns b in the form that all texts of the same meaning have.
func (b Burn) Normalise() Burn {
	b.Track = strings.ToLower(b.Track)
	return b
}

// ParseBurn parses a text of a command line: a number or a language is a track, everything else a file.
func ParseBurn(text string) Burn {
	if track.MatchString(text) {
		return Burn{Track: text}
	}
	return Burn{File: text}
}
