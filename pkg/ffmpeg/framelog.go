package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// frameMark is the line that follows each frame's in the frame log. The metadata filter logs only
// frames that have an entry, so FrameLogFilters gives each frame this one.
const frameMark = "mapreel=1"

// FrameLogFilters returns the filters that write the timestamps of all frames to descriptor 3, for
// a FrameLog.
func FrameLogFilters() string {
	key, value, _ := strings.Cut(frameMark, "=")
	// Only our key is printed, because decoders add entries of their own (timecode). An option is
	// unescaped twice, hence the two backslashes.
	return "metadata=mode=add:key=" + key + ":value=" + value + ",metadata=mode=print:key=" + key + `:file=pipe\\:3`
}

// FrameLog is an io.Writer that collects the timestamps of the frames that passed FrameLogFilters:
// the proof that an encode took every frame. Pass it to Run as Pipe. It holds 8 bytes a frame. A
// line that is not ffmpeg's, or a frame without a timestamp, is an error. The zero value is ready
// to use.
type FrameLog struct {
	pts   []int64
	lines output.Lines
}

// PTS returns the timestamps so far, in ticks of the stream's timebase, in the order of the frames.
func (l *FrameLog) PTS() []int64 { return l.pts }

// Write takes more of the log's text.
func (l *FrameLog) Write(data []byte) (int, error) {
	if l.lines.Each == nil {
		l.lines = output.Lines{Limit: output.MaxLine, Each: l.line}
	}
	return l.lines.Write(data)
}

// line parses "frame:12   pts:6144    pts_time:0.48"; each frame's other line is frameMark.
func (l *FrameLog) line(line []byte) error {
	text := string(line)
	if text == frameMark {
		return nil
	}
	fields := strings.Fields(text)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "frame:") || !strings.HasPrefix(fields[1], "pts:") {
		return fmt.Errorf("frame log: unexpected line %q", text)
	}
	pts, err := strconv.ParseInt(strings.TrimPrefix(fields[1], "pts:"), 10, 64)
	if err != nil {
		return fmt.Errorf("frame log: frame %d has no timestamp: %q", len(l.pts), text)
	}
	l.pts = append(l.pts, pts)
	return nil
}
