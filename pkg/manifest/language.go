package manifest

import (
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// tag returns a language as RFC 5646 wants it, which playlists and MPDs use: the shortest code, so "de" for "ger" and
// "deu". What is unknown or no language at all is "".
func tag(code string) string {
	t, err := language.Parse(bibliographic(code))
	if err != nil || t == language.Und {
		return ""
	}
	return t.String()
}

// bibliographic returns the terminology code of ISO 639-2 for the bibliographic one, which files have as often.
func bibliographic(code string) string {
	if t, ok := map[string]string{
		"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra", "geo": "kat",
		"ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas", "rum": "ron", "slo": "slk",
		"tib": "bod", "wel": "cym",
	}[code]; ok {
		return t
	}
	return code
}

// ownName returns what speakers of a language call it, "" if we don't know.
func ownName(code string) string {
	if t := tag(code); t != "" {
		return display.Self.Name(language.Make(t))
	}
	return ""
}
