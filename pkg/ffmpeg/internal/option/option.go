// Package option formats the values of ffmpeg's options: times, file names, and words from a source
// or a request, which must not gain a meaning in ffmpeg's option and filter syntax.
package option

import (
	"fmt"
	"regexp"
)

// Progress returns the options with which every command that writes files begins: overwrite, log
// warnings only, and report progress to standard output.
func Progress() []string {
	return []string{"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats"}
}

// Dispositions are the stream dispositions that containers keep in addition to default and forced.
var Dispositions = []string{"hearing_impaired", "visual_impaired", "comment", "dub", "original", "captions", "descriptions"}

// Seconds formats microseconds as ffmpeg's time options take them: "-1.000023".
func Seconds(us int64) string {
	sign := ""
	magnitude := uint64(us)
	if us < 0 {
		sign, magnitude = "-", -magnitude
	}
	return fmt.Sprintf("%s%d.%06d", sign, magnitude/1_000_000, magnitude%1_000_000)
}

// FileURL returns the URL of a local file. The prefix keeps names like "-x", "a:b" and "%d" from
// having a meaning.
func FileURL(path string) string { return "file:" + path }

// filterWord matches all of ffmpeg's names of colours, pixel formats and field orders. None of its
// characters has a meaning in a filter graph.
var filterWord = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// Declared reports whether one of ffprobe's words has a value ("unknown" has none) and is safe in a
// filter graph. All text in a graph must pass it.
func Declared(word string) bool {
	switch word {
	case "unknown", "unspecified", "reserved":
		return false
	}
	return filterWord.MatchString(word)
}

// Name returns the name of a codec, encoder or format, or "unknown", which ffmpeg rejects, if it
// cannot be such a name.
func Name(name string) string {
	if filterWord.MatchString(name) {
		return name
	}
	return "unknown"
}
