package manifest

import (
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/mapreel/mapreel/pkg/media"
)

// tag returns the language tag of RFC 5646 that playlists and MPDs use. It is the shortest code, so
// "de" for "ger" and "deu". For an unknown or invalid language it returns "".
func tag(code string) string {
	t, err := language.Parse(media.Terminology(code))
	if err != nil || t == language.Und {
		return ""
	}
	return t.String()
}

// ownName returns the language's name in that language, or "" if it is unknown.
func ownName(code string) string {
	if t := tag(code); t != "" {
		return display.Self.Name(language.Make(t))
	}
	return ""
}
