package isobmff

import (
	"encoding/binary"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/media"
)

// WithLight returns a video sample entry with boxes for the mastering display (mdcv) and the
// content light level (clli) at its end; nil leaves a box out.
func WithLight(entry []byte, m *media.Mastering, l *media.ContentLight) []byte {
	if len(entry) < 8 || m == nil && l == nil {
		return entry
	}
	content := append([]byte(nil), entry[8:]...)
	if m != nil {
		var b []byte
		for _, xy := range [][2]int64{m.Green, m.Blue, m.Red, m.White} {
			b = binary.BigEndian.AppendUint16(b, uint16(min(xy[0], 65535)))
			b = binary.BigEndian.AppendUint16(b, uint16(min(xy[1], 65535)))
		}
		b = binary.BigEndian.AppendUint32(b, uint32(m.Max))
		content = box.Append(content, "mdcv", binary.BigEndian.AppendUint32(b, uint32(m.Min)))
	}
	if l != nil {
		b := binary.BigEndian.AppendUint16(nil, uint16(min(l.MaxCLL, 65535)))
		content = box.Append(content, "clli", binary.BigEndian.AppendUint16(b, uint16(min(l.MaxFALL, 65535))))
	}
	return box.Append(nil, string(entry[4:8]), content)
}
