package sidecar

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
)

// webVTT is ffmpeg's name of the encoder of WebVTT.
const webVTT = "webvtt"

// escapeFile escapes the WebVTT file at path.
func escapeFile(path string, events []remux.SubtitleEvent) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	escaped, err := escapeWebVTT(file, events)
	if err != nil {
		return err
	}
	return os.WriteFile(path, escaped, 0o600)
}

// escapeWebVTT returns a WebVTT file that ffmpeg encoded, with the text of its cues escaped. ffmpeg's
// encoder writes text as it is (5.1 to 8.0), but browsers take "&" for the start of a character
// reference and "<" for that of a tag, and a cue with "-->" is none. events are those of the file.
func escapeWebVTT(file []byte, events []remux.SubtitleEvent) ([]byte, error) {
	var out bytes.Buffer
	next := func(size int64) ([]byte, bool) {
		ok := size >= 0 && size <= int64(len(file))
		if !ok {
			return nil, false
		}
		part := file[:size]
		file = file[size:]
		return part, true
	}
	for i, e := range events {
		timing := bytes.Index(file, []byte(" --> "))
		if timing < 0 {
			return nil, fault.New(fault.Corrupt, "ffmpeg wrote %d of %d cues", i, len(events))
		}
		end := bytes.IndexByte(file[timing:], '\n')
		head, ok := next(int64(timing + end + 1))
		if end < 0 || !ok {
			return nil, fault.New(fault.Corrupt, "cue %d has no text", i+1)
		}
		out.Write(head)
		text, ok := next(e.Size)
		if !ok {
			return nil, fault.New(fault.Corrupt, "the text of cue %d is missing", i+1)
		}
		out.WriteString(escapeCue(string(text)))
	}
	out.Write(file)
	return out.Bytes(), nil
}

// cueTags are the tags that ffmpeg's encoder writes.
var cueTags = []string{"<b>", "</b>", "<i>", "</i>", "<u>", "</u>"}

// escapeCue escapes the text of a cue, except for the tags of ffmpeg's encoder.
func escapeCue(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		if i := slices.IndexFunc(cueTags, func(tag string) bool { return strings.HasPrefix(text, tag) }); i >= 0 {
			out.WriteString(cueTags[i])
			text = text[len(cueTags[i]):]
			continue
		}
		switch c := text[0]; c {
		case '&':
			out.WriteString("&amp;")
		case '<':
			out.WriteString("&lt;")
		case '>':
			out.WriteString("&gt;")
		default:
			out.WriteByte(c)
		}
		text = text[1:]
	}
	return out.String()
}
