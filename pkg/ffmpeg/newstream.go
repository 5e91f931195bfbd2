package ffmpeg

import (
	"regexp"
	"strings"
)

// NewStreamLog is an io.Writer that finds what ffmpeg reports of streams that begin while it reads and
// that no table declared before, as in a broadcast whose programme changes. ffmpeg leaves them out.
// Pass it to Run as Stderr. The zero value is ready to use.
type NewStreamLog struct {
	found []string
	lines logLines
}

// newStream matches ffmpeg's message, in 5.1 and in 7.1.
var newStream = regexp.MustCompile(`New (video|audio|subtitle) stream .*at pos:\d+ and DTS:(-?[0-9.e+]+)s$`)

// maxNewStreams is how many new streams a log names: a damaged stream may declare more and more.
const maxNewStreams = 8

// Write takes more of standard error.
func (l *NewStreamLog) Write(data []byte) (int, error) {
	for text := range l.lines.add(data) {
		if m := newStream.FindStringSubmatch(text); m != nil && len(l.found) < maxNewStreams {
			l.found = append(l.found, m[1]+" from "+m[2]+" s on")
		}
	}
	return len(data), nil
}

// String lists the streams and the times of the source's clock at which they begin: "audio from 42.5 s
// on"; "" where there are none.
func (l *NewStreamLog) String() string { return strings.Join(l.found, ", ") }
