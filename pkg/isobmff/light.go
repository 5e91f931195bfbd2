package isobmff

import "encoding/binary"

// Mastering is the display on which a film was graded, in the units of its box mdcv (ISO/IEC 14496-12, 12.1.7).
type Mastering struct {
	Red, Green, Blue, White [2]int64 // x and y, in 1/50000
	Max, Min                int64    // luminance in 1/10000 cd/m²
}

// Light is how bright a film is, in cd/m²: its box clli (ISO/IEC 14496-12, 12.1.6).
type Light struct {
	MaxCLL  int64 // the brightest pixel
	MaxFALL int64 // the brightest frame's average
}

// WithLight returns a video sample description with these boxes at its end; nil leaves one out.
func WithLight(entry []byte, m *Mastering, l *Light) []byte {
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
		content = appendBox(content, "mdcv", binary.BigEndian.AppendUint32(b, uint32(m.Min)))
	}
	if l != nil {
		b := binary.BigEndian.AppendUint16(nil, uint16(min(l.MaxCLL, 65535)))
		content = appendBox(content, "clli", binary.BigEndian.AppendUint16(b, uint16(min(l.MaxFALL, 65535))))
	}
	return appendBox(nil, string(entry[4:8]), content)
}
