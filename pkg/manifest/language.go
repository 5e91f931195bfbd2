package manifest

import (
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/mapreel/mapreel/pkg/film"
)

// tag returns a language as RFC 5646 wants it, which playlists and MPDs use: the shortest code, so "de" for "ger" and
// "deu". What is unknown or no language at all is "".
func tag(code string) string {
	t, err := language.Parse(film.Terminology(code))
	if err != nil || t == language.Und {
		return ""
	}
	return t.String()
}

// ownName returns what speakers of a language call it, "" if we don't know.
func ownName(code string) string {
	if t := tag(code); t != "" {
		return display.Self.Name(language.Make(t))
	}
	return ""
}
