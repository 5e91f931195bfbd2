package encode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// packetMargin is how many microseconds after the segment the list of packets ends. ffmpeg stops at
// a packet by its decode time, which it only estimates in a container that has none. Decoding goes
// on for as long anyway (boundary.go).
const packetMargin = 500_000

// packetOutput returns the arguments of an output that lists packets as they are read.
func (v Video) packetOutput() []string {
	if v.Packets == "" {
		return nil
	}
	args := []string{"-map", fmt.Sprintf("0:%d", v.Stream), "-c", "copy", "-copyinkf", "-avoid_negative_ts", "disabled"}
	if v.End != nil {
		if end, ok := v.ownMicros(*v.End); ok && end > 0 {
			args = append(args, "-to", option.Seconds(end+packetMargin))
		}
	}
	return append(args, "-f", "framecrc", option.FileURL(v.Packets))
}

// PacketLog is an io.Writer that collects the presentation times from a list of packets. It holds 8
// bytes a packet, and as many a keyframe. The zero value is ready to use.
type PacketLog struct {
	MinSize int // in bytes; smaller packets are left out

	pts   []int64
	keys  []int64
	lines output.Lines
}

// PTS returns the times so far, in ticks of the stream's timebase, in the order of decoding.
func (l *PacketLog) PTS() []int64 { return l.pts }

// Keyframes returns those of them that are keyframes.
func (l *PacketLog) Keyframes() []int64 { return l.keys }

// Write takes more of the list's text.
func (l *PacketLog) Write(data []byte) (int, error) {
	if l.lines.Each == nil {
		l.lines = output.Lines{Limit: output.MaxLine, Each: l.line}
	}
	return l.lines.Write(data)
}

// line parses "0,      -1024,          0,      512,     1781, 0x4f2e0a5b", after headings that
// begin with "#". Packets with other flags than that of keyframes have ", F=0x0" at the end, or before their side data.
func (l *PacketLog) line(line []byte) error {
	fields := strings.Split(string(line), ",")
	if strings.HasPrefix(fields[0], "#") {
		return nil
	}
	if len(fields) < 5 {
		return fmt.Errorf("list of packets: unexpected line %q", line)
	}
	if size, err := strconv.Atoi(strings.TrimSpace(fields[4])); err == nil && size < l.MinSize {
		return nil
	}
	pts, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
	if err != nil {
		return fmt.Errorf("list of packets: packet %d has no timestamp: %q", len(l.pts), line)
	}
	l.pts = append(l.pts, pts)
	if !slices.ContainsFunc(fields[3:], func(f string) bool { return strings.HasPrefix(strings.TrimSpace(f), "F=") }) {
		l.keys = append(l.keys, pts)
	}
	return nil
}

// FirstFrameArgs returns the arguments of ffmpeg that decode v from Seek to the first frame at or
// after Start that the decoder shows, and encode nothing. Descriptor 3 carries the time of that
// frame (ffmpeg.FrameLog), and of some after it.
func FirstFrameArgs(v Video) []string {
	graph := fmt.Sprintf("[0:%d]%s[v]", v.Stream, strings.Join(slices.Concat(v.Clock.filters(v.Timebase), trim(v.Start, v.End), []string{ffmpeg.FrameLogFilters()}), ","))
	args := append(v.inputArgs(), "-filter_complex", graph, "-map", "[v]", "-frames:v", "1",
		"-fps_mode", "passthrough", "-enc_time_base", fmt.Sprintf("%d:%d", v.Timebase.Num, v.Timebase.Den))
	return append(args, "-f", "null", "-")
}
