package ffmpeg

import (
	"bytes"
	"iter"
	"strings"
)

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
