package ffmpeg

import (
	"regexp"

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

// contextName matches the prefix "[h264 @ 0x55d0]" of a line.
var contextName = regexp.MustCompile(`^\[[^\]]* @ 0x[0-9a-f]+\] `)

// Write takes more of standard error.
func (d *DamageLog) Write(data []byte) (int, error) {
	for text := range d.lines.add(data) {
		if d.first == "" && damage.MatchString(text) {
			d.first = process.Shorten(contextName.ReplaceAllString(text, ""))
		}
	}
	return len(data), nil
}

// String returns the first message about damage; "" for none. All programs that open a file with
// damage in its first frames report that, whatever part of it they decode, because they look for
// the streams' parameters there.
func (d *DamageLog) String() string { return d.first }
