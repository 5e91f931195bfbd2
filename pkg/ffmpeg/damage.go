package ffmpeg

import (
	"regexp"
	"strconv"

	"github.com/mapreel/mapreel/pkg/process"
)

// DamageLog is an io.Writer that finds what decoders report of damaged packets. Pass it to
// Run as Stderr. The zero value is ready to use.
type DamageLog struct {
	first string
	lines logLines
}

// damage matches what libavcodec's decoders and ffmpeg's own loop write of a damaged packet, in 5.1
// and in 7.1. Lines about missing references are left out: they also appear after a seek in an
// undamaged source.
var damage = regexp.MustCompile(`error while decoding MB|^Error while decoding stream|Error submitting packet to decoder|` +
	`error decoding the audio block|\] error (y=\d+ x=\d+|count: \d+)|corrupt decoded frame|(ac-tex|mb incr) damaged|Error at MB:|CABAC_MAX_BIN|` +
	`end mismatch left=|[Ii]nvalid (cbp|mb type)|skip with previous intra`)

// NeedsOneThread reports whether a codec must be decoded with one thread: with several, libavcodec's
// decoder of MPEG-4 Part 2 shows some interlaced B-frames differently (5.1).
func NeedsOneThread(codec string, interlaced bool) bool { return codec == "mpeg4" && interlaced }

// CorruptPackets is an io.Writer that finds what demuxers report of packets that may have lost bytes. A
// decoder may say nothing of them. Pass it to Run as Stderr. The zero value is ready to use.
type CorruptPackets struct {
	streams map[int]bool
	lines   logLines
}

// corruptPacket matches what libavformat writes of such a packet, in 5.1 and in 7.1.
var corruptPacket = regexp.MustCompile(`Packet corrupt \(stream = (\d+), dts = `)

// Write takes more of standard error.
func (c *CorruptPackets) Write(data []byte) (int, error) {
	for text := range c.lines.add(data) {
		m := corruptPacket.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil && len(c.streams) < maxCorruptStreams {
			if c.streams == nil {
				c.streams = map[int]bool{}
			}
			c.streams[n] = true
		}
	}
	return len(data), nil
}

// maxCorruptStreams is how many streams are told apart: a damaged stream may declare more and more.
const maxCorruptStreams = 1000

// Has reports whether the stream with this index has such a packet.
func (c *CorruptPackets) Has(stream int) bool { return c.streams[stream] }

// Write takes more of standard error.
func (d *DamageLog) Write(data []byte) (int, error) {
	for text := range d.lines.add(data) {
		if d.first != "" {
			continue
		}
		if _, text = Level(text); damage.MatchString(text) {
			d.first = process.Shorten(process.TrimLine(text))
		}
	}
	return len(data), nil
}

// String returns the first message about damage; "" for none. All programs that open a file with
// damage in its first frames report that, whatever part of it they decode, because they look for
// the streams' parameters there.
func (d *DamageLog) String() string { return d.first }
