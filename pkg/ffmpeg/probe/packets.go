package probe

import (
	"context"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// Packet is the position of one compressed frame.
type Packet struct {
	PTS      int64 // ticks of the stream's timebase
	Duration int64 // ticks; 0 = unknown
	Pos      int64 // byte offset in the file; -1 = unknown
	Key      bool  // decoding can start here
}

// PacketArgs returns the arguments of ffprobe that list a stream's packets, without decoding them,
// for a PacketLog.
func PacketArgs(in ffmpeg.Input, stream int) []string {
	args := append([]string{"-hide_banner", "-loglevel", "error"}, in.ProbeOptions()...)
	return append(args, "-select_streams", strconv.Itoa(stream), "-show_entries", "packet=pts,duration,pos,flags",
		"-print_format", "compact=p=0", "-i", in.URL())
}

// HasPackets reports whether a stream has any packet. It reads the input up to the first.
func HasPackets(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input, stream int) (bool, error) {
	args := append([]string{"-hide_banner", "-loglevel", "error"}, in.ProbeOptions()...)
	args = append(args, "-select_streams", strconv.Itoa(stream), "-read_intervals", "%+#1", "-show_entries", "packet=size",
		"-print_format", "csv=p=0", "-i", in.URL())
	out, err := ffmpeg.Output(ctx, t.FFprobe, args, maxAnswer, budget.Worker{}.Limit(ctx, budget.Probe()))
	return len(strings.TrimSpace(string(out))) > 0, err
}

// PacketLog is an io.Writer that parses the output of ffprobe with PacketArgs. It calls Each for
// every packet that has a timestamp. Pass it to ffmpeg.Run as Stdout.
type PacketLog struct {
	Each func(Packet)

	lines output.Lines
}

// Write takes more of the list's text.
func (l *PacketLog) Write(data []byte) (int, error) {
	if l.lines.Each == nil {
		l.lines = output.Lines{Limit: output.MaxLine, Each: l.line}
	}
	return l.lines.Write(data)
}

func (l *PacketLog) line(line []byte) error {
	p := Packet{Pos: -1}
	timed := false
	for field := range strings.SplitSeq(string(line), "|") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "pts":
			if pts, err := strconv.ParseInt(value, 10, 64); err == nil {
				p.PTS, timed = pts, true
			}
		case "duration":
			p.Duration = output.Count(value, 0)
		case "pos":
			p.Pos = output.Count(value, -1)
		case "flags":
			p.Key = strings.HasPrefix(value, "K")
		}
	}
	if timed {
		l.Each(p)
	}
	return nil
}
