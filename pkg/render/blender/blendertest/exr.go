package blendertest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"math"

	"github.com/mapreel/mapreel/pkg/render"
)

// EXR returns an OpenEXR file as its specification says. Its samples are those of value, which gets the channel, from 0 for A to 3 for R, and
// the place of the pixel. Every other chunk is compressed, where that makes it smaller.
func EXR(p render.Picture, date string, value func(channel, x, y int) float32) []byte {
	le := binary.LittleEndian
	letters, kind := "BGR", byte(1)
	if p.Alpha {
		letters = "ABGR"
	}
	if p.Format == render.EXR32 {
		kind = 2
	}
	var b []byte
	attribute := func(name, kind string, value []byte) {
		b = append(append(append(append(b, name...), 0), kind...), 0)
		b = append(le.AppendUint32(b, uint32(len(value))), value...)
	}
	b = append(b, 0x76, 0x2f, 0x31, 0x01, 2, 4, 0, 0)
	attribute("Date", "string", []byte(date))
	var channels []byte
	for _, l := range letters {
		channels = append(channels, byte(l), 0, kind, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
	}
	attribute("channels", "chlist", append(channels, 0))
	attribute("compression", "compression", []byte{3})
	window := le.AppendUint32(le.AppendUint32(make([]byte, 8), uint32(p.Width-1)), uint32(p.Height-1))
	attribute("dataWindow", "box2i", window)
	attribute("displayWindow", "box2i", window)
	attribute("lineOrder", "lineOrder", []byte{0})
	attribute("pixelAspectRatio", "float", le.AppendUint32(nil, math.Float32bits(1)))
	b = append(b, 0)
	var table, chunks []byte
	for first := 0; first < p.Height; first += 16 {
		var lines []byte
		for y := first; y < min(first+16, p.Height); y++ {
			for c := range len(letters) {
				for x := range p.Width {
					v := value(c+4-len(letters), x, y)
					if kind == 2 {
						lines = le.AppendUint32(lines, math.Float32bits(v))
					} else {
						lines = le.AppendUint16(lines, half(v))
					}
				}
			}
		}
		if first%32 == 0 {
			if d := deflated(lines); len(d) < len(lines) {
				lines = d
			}
		}
		table = le.AppendUint64(table, uint64(len(b)+(p.Height+15)/16*8+len(chunks)))
		chunks = le.AppendUint32(le.AppendUint32(chunks, uint32(first)), uint32(len(lines)))
		chunks = append(chunks, lines...)
	}
	return append(append(b, table...), chunks...)
}

func deflated(lines []byte) []byte {
	var parts []byte
	for odd := range 2 {
		for i := odd; i < len(lines); i += 2 {
			parts = append(parts, lines[i])
		}
	}
	for i := len(parts) - 1; i > 0; i-- {
		parts[i] = parts[i] - parts[i-1] + 128
	}
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(parts) // into memory
	_ = w.Close()
	return b.Bytes()
}

// half returns a number with 16 bits, which hold it exactly unless it is subnormal there.
func half(v float32) uint16 {
	bits := math.Float32bits(v)
	if v == 0 {
		return 0
	}
	return uint16(bits>>31<<15 | (bits>>23&0xff-127+15)<<10 | bits>>13&0x3ff)
}

// linear returns a picture as a frame in linear light.
func linear(p image.Image, f render.Format) []byte {
	b := p.Bounds()
	return EXR(render.Picture{Width: b.Dx(), Height: b.Dy(), Format: f}, "now", func(channel, x, y int) float32 {
		c, _ := color.NRGBAModel.Convert(p.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
		return float32([]uint8{c.A, c.B, c.G, c.R}[channel]) / 256
	})
}
