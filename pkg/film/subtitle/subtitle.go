// Package subtitle says which subtitles a film gets from files beside it.
package subtitle

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/mapreel/mapreel/pkg/media"
)

// File is a file of subtitles that becomes a further subtitle track of a source. Its times count from the beginning of the source.
type File struct {
	File     string `json:"file" jsonschema:"required,minLength=1,description=SubRip or WebVTT or ASS in UTF-8: s3://bucket/key on AWS or an absolute path on one machine. Its times count from the beginning of the source"`
	Language string `json:"language,omitempty" jsonschema:"minLength=2,description=The language: de or deu"`
	Title    string `json:"title,omitempty" jsonschema:"minLength=1,maxLength=200,description=What players show in their menus"`
	Default  bool   `json:"default,omitempty" jsonschema:"description=Whether it is shown by default. At most one file can have true"`
	Forced   bool   `json:"forced,omitempty" jsonschema:"description=Whether it is shown where subtitles are off"`
}

// Bounds of what a request may say. maxPath is PATH_MAX of Linux; S3 keys are shorter.
const (
	MaxFiles = 20
	maxTitle = 200
	maxPath  = 4096
)

// Check calls problem for each field that is wrong, with its pointer.
func (f File) Check(problem func(pointer, message string)) {
	switch {
	case f.File == "":
		problem("/file", "is required")
	case len(f.File) > maxPath:
		problem("/file", fmt.Sprintf("is %d bytes long; at most %d", len(f.File), maxPath))
	case strings.ContainsRune(f.File, 0) || !utf8.ValidString(f.File):
		problem("/file", fmt.Sprintf("%q has bytes that are not text", f.File))
	}
	if f.Language != "" && !tongue.MatchString(f.Language) {
		problem("/language", fmt.Sprintf("%.40q is not a language such as de, deu or pt-BR", f.Language))
	} else if f.Language != "" && f.Code() == "" {
		problem("/language", fmt.Sprintf("there is no language %.40q", f.Language))
	}
	if len([]rune(f.Title)) > maxTitle || strings.ContainsFunc(f.Title, func(r rune) bool { return r < ' ' }) {
		problem("/title", fmt.Sprintf("is longer than %d characters, or has more than one line", maxTitle))
	}
}

// CheckDefaults calls problem for each file but the first that has Default: players show one track by default, and HLS allows one in a
// playlist.
func CheckDefaults(files []File, problem func(i int, pointer, message string)) {
	first := slices.IndexFunc(files, func(f File) bool { return f.Default })
	for i, f := range files {
		if f.Default && i > first {
			problem(i, "/default", fmt.Sprintf("only one track can have default: true, and the one at index %d already has it", first))
		}
	}
}

// tongue matches a language as people and files write it.
var tongue = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$`)

// Code returns the language's code of three letters, which every container holds (ISO 639-2/T); "" where it is not known.
func (f File) Code() string {
	name, _, _ := strings.Cut(f.Language, "-")
	base, err := language.ParseBase(strings.ToLower(name))
	if err != nil {
		return ""
	}
	return media.Terminology(base.ISO3())
}

// Wish is a File in one text, as on a command line: "film.srt", or "de:film.srt" with its language.
type Wish File

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Wish) UnmarshalText(text []byte) error {
	name, path, ok := strings.Cut(string(text), ":")
	if *w = (Wish{File: string(text)}); ok && tongue.MatchString(name) {
		*w = Wish{File: path, Language: name}
	}
	if w.File == "" {
		return errors.New("names no file")
	}
	return nil
}

// Format is how subtitles are written, by ffmpeg's name of the codec.
type Format string

// The formats.
const (
	SubRip Format = "subrip"
	WebVTT Format = "webvtt"
	ASS    Format = "ass"
)

// Demuxer returns ffmpeg's name of the demuxer that reads files of f.
func (f Format) Demuxer() string {
	if f == SubRip {
		return "srt"
	}
	return string(f)
}

// MaxFile is the size in bytes of the largest file: far more than is said in a day.
const MaxFile = 16 << 20

var (
	byteOrderMark = []byte("\xef\xbb\xbf")
	// timing matches the line with the times of SubRip's first cue.
	timing = regexp.MustCompile(`(?m)^\s*[0-9]{1,3}:[0-9]{2}:[0-9]{2}[,.][0-9]{1,3}\s*-->`)
	script = regexp.MustCompile(`(?i)^\s*\[script info\]`)
)

// head is how much of a file its format is recognised by, in bytes.
const head = 64 << 10

// FormatOf returns the format of a file. An error says what is wrong with it.
func FormatOf(data []byte) (Format, error) {
	text := bytes.TrimPrefix(data, byteOrderMark)
	switch {
	case len(data) > MaxFile:
		return "", fmt.Errorf("it is larger than %d MiB", MaxFile>>20)
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return "", errors.New("it is not text in UTF-8, to which iconv -f latin1 -t utf-8 would convert many a file")
	}
	start := text[:min(len(text), head)]
	switch {
	case bytes.HasPrefix(start, []byte("WEBVTT")):
		return WebVTT, nil
	case script.Match(start):
		return ASS, nil
	case timing.Match(start):
		return SubRip, nil
	}
	return "", errors.New("it is not SubRip, WebVTT or ASS")
}
