package probe

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// MaxPacketData bounds what is kept of a packet, in bytes. The parameters and messages that precede
// the picture are far smaller.
const MaxPacketData = 64 << 10

// PacketData holds the beginnings of some packets of a stream, and its extradata: the parameters of
// the codec that a container stores outside of packets. Both are the source's, with any content.
type PacketData struct {
	Packets [][]byte
	Extra   []byte
}

// ReadPackets returns a stream's first packet and then, for each time, the keyframe that a seek to
// it finds: the one at that time or the last one before. Times are microseconds of the input's own
// clock, ascending. It waits two minutes at most.
func ReadPackets(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input, stream int, times []int64) (PacketData, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime,
		fault.New(fault.Transient, "ffprobe took more than %v", maxTime))
	defer cancel()
	var dump packetDump
	lines := &output.Lines{Limit: output.MaxLine, Each: dump.line}
	_, err := ffmpeg.Run(ctx, t.FFprobe, packetDataArgs(in, stream, times), ffmpeg.RunOptions{Stdout: lines, Limits: budget.Worker{}.Limit(ctx, budget.Probe())})
	return dump.data, err
}

// packetDataArgs returns the arguments of ffprobe that print hexadecimal dumps, for a packetDump.
func packetDataArgs(in ffmpeg.Input, stream int, times []int64) []string {
	const onePacket = "%+#1"
	intervals := []string{onePacket}
	for _, us := range times {
		intervals = append(intervals, option.Seconds(us)+onePacket)
	}
	return append(inputArgs(in), "-print_format", "default", "-select_streams", strconv.Itoa(stream),
		"-read_intervals", strings.Join(intervals, ","), "-show_data", "-show_entries", "packet=data:stream=extradata", "-i", in.URL())
}

// packetDump parses the output of ffprobe with packetDataArgs.
type packetDump struct {
	data PacketData
	into *[]byte
}

// line parses a heading, or "00000010: 6769 6a  gij".
func (d *packetDump) line(line []byte) error {
	text := string(line)
	switch text {
	case "[PACKET]":
		d.data.Packets = append(d.data.Packets, nil)
		d.into = &d.data.Packets[len(d.data.Packets)-1]
		return nil
	case "[STREAM]":
		d.into, d.data.Extra = &d.data.Extra, nil // of a stream in a programme, it is printed twice
		return nil
	}
	_, dump, found := strings.Cut(text, ": ")
	if !found || d.into == nil || len(*d.into) >= MaxPacketData {
		return nil
	}
	digits, _, _ := strings.Cut(dump, "  ")
	data, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		return nil //nolint:nilerr // not a line of a dump
	}
	*d.into = append(*d.into, data...)
	return nil
}
