package ffmpeg

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxFrameLine bounds a line of the frame log; ffmpeg's longest is about 60 bytes.
const maxFrameLine = 1024

// FrameLog collects the timestamps of the frames that a run of VideoArgs took in: the proof that frames in = frames
// out. Give it to Run as Pipe. It holds 8 bytes a frame. The zero value is ready.
type FrameLog struct {
	pts   []int64
	lines lineSplitter
}

// ParseFrameLog reads a whole frame log and returns the timestamps in ticks of the stream's timebase, in the order
// in which the frames came. A line that is not ffmpeg's, or a frame without a timestamp, is an error.
func ParseFrameLog(r io.Reader) ([]int64, error) {
	var log FrameLog
	if _, err := io.Copy(&log, r); err != nil {
		return nil, fmt.Errorf("read frame log: %w", err)
	}
	if err := log.lines.flush(); err != nil {
		return nil, fmt.Errorf("read frame log: %w", err)
	}
	return log.PTS(), nil
}

// PTS are the timestamps so far, in ticks of the stream's timebase, in the order in which the frames came.
func (l *FrameLog) PTS() []int64 { return l.pts }

// Write takes more of the log's text.
func (l *FrameLog) Write(data []byte) (int, error) {
	if l.lines.each == nil {
		l.lines = lineSplitter{limit: maxFrameLine, each: l.line}
	}
	return l.lines.Write(data)
}

// line reads "frame:12   pts:6144    pts_time:0.48"; the other line of each frame is "mapreel=1".
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
