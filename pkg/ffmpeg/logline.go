package ffmpeg

import (
	"bytes"
	"iter"
	"regexp"
	"strings"
)

// Levelled is the value of -loglevel with which errors and warnings are written with their level, which Level reads. Some decoders
// warn of what they concealed, and report no error.
const Levelled = "level+warning"

// levelled matches a line with its level, behind the name of what wrote it where there is one.
var levelled = regexp.MustCompile(`^((?:\[[^\]]* @ 0x[0-9a-f]+\] )*)\[(panic|fatal|error|warning)\] (.*)$`)

// Level returns the level of a line ("warning"), and the line without it. The level is "" where the line has none.
func Level(line string) (level, text string) {
	m := levelled.FindStringSubmatch(line)
	if m == nil {
		return "", line
	}
	return m[2], m[1] + m[3]
}

// logLines divides standard error into lines.
type logLines struct {
	partial []byte // of a line that has not ended
}

// maxLogLine bounds the length of a line that is looked at, in bytes.
const maxLogLine = 4096

// add takes more of standard error, and returns the lines that end in it, without white space around
// them.
func (l *logLines) add(data []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range bytes.Lines(data) {
			l.partial = append(l.partial, line[:min(len(line), max(maxLogLine-len(l.partial), 0))]...)
			if !bytes.HasSuffix(line, []byte("\n")) {
				continue
			}
			text := strings.TrimSpace(string(l.partial))
			l.partial = l.partial[:0]
			if !yield(text) {
				return
			}
		}
	}
}
