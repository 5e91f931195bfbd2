package sequence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Tags of a TIFF file (TIFF 6.0, appendix A).
const (
	tiffWidth, tiffHeight, tiffBits, tiffPhotometric = 256, 257, 258, 262
	tiffStripOffsets, tiffStripBytes, tiffExtra      = 273, 279, 338
)

// maxStrips bounds how many strips of a TIFF file are looked at.
const maxStrips = 1 << 16

// readTIFF reads the first directory, and whether the strips lie within the file.
func readTIFF(r io.ReaderAt, head []byte, size int64) (Picture, error) {
	if len(head) < 8 {
		return Picture{}, errTruncated
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(head[4:]))
	count := make([]byte, 2)
	if err := readFull(r, count, at, size); err != nil {
		return Picture{}, err
	}
	entries := make([]byte, 12*int(order.Uint16(count)))
	if err := readFull(r, entries, at+2, size); err != nil {
		return Picture{}, err
	}
	p := Picture{Format: "tiff"}
	tags := map[uint16][]uint32{}
	for e := range slices.Chunk(entries, 12) {
		values, err := tiffValues(r, order, e, size)
		if err != nil {
			return p, err
		}
		tags[order.Uint16(e)] = values
	}
	first := func(tag uint16) int {
		if v := tags[tag]; len(v) > 0 {
			return int(v[0])
		}
		return 0
	}
	p.Width, p.Height = first(tiffWidth), first(tiffHeight)
	p.Deep, p.Alpha = first(tiffBits) > 8, len(tags[tiffExtra]) > 0
	p.Form = fmt.Sprint(tags[tiffBits], first(tiffPhotometric), tags[tiffExtra])
	offsets, lengths := tags[tiffStripOffsets], tags[tiffStripBytes]
	for i := range min(len(offsets), len(lengths)) {
		if int64(offsets[i])+int64(lengths[i]) > size {
			return p, errTruncated
		}
	}
	return p, nil
}

// tiffValues returns the values of an entry of types SHORT and LONG; none of other types.
func tiffValues(r io.ReaderAt, order binary.ByteOrder, entry []byte, size int64) ([]uint32, error) {
	width := map[uint16]int{3: 2, 4: 4}[order.Uint16(entry[2:])]
	n := int(order.Uint32(entry[4:]))
	if width == 0 || n < 0 || n > maxStrips {
		return nil, nil
	}
	data := entry[8:12]
	if n*width > len(data) {
		at := int64(order.Uint32(data))
		data = make([]byte, n*width)
		if err := readFull(r, data, at, size); err != nil {
			return nil, err
		}
	}
	values := make([]uint32, n)
	for i := range values {
		if width == 2 {
			values[i] = uint32(order.Uint16(data[2*i:]))
		} else {
			values[i] = order.Uint32(data[4*i:])
		}
	}
	return values, nil
}

// readFull fills p from offset at.
func readFull(r io.ReaderAt, p []byte, at, size int64) error {
	if at < 0 || at+int64(len(p)) > size {
		return errTruncated
	}
	if n, err := r.ReadAt(p, at); n < len(p) {
		return err
	}
	return nil
}

// readEXR reads the attributes dataWindow, displayWindow and channels of a single-part file of scan lines or tiles (Technical Introduction to OpenEXR,
// "File Layout"). ffmpeg shows the display window.
func readEXR(head []byte) (Picture, error) {
	p := Picture{Format: "exr", Deep: true}
	if len(head) < 8 {
		return p, errTruncated
	}
	if flags := head[5]; flags&0x08 != 0 {
		return p, errors.New("deep data, which has no picture of its own")
	}
	text := func(rest []byte) (string, []byte, bool) {
		s, rest, ok := bytes.Cut(rest, []byte{0})
		return string(s), rest, ok
	}
	for rest := head[8:]; ; {
		var name, kind string
		var ok bool
		if name, rest, ok = text(rest); !ok {
			return p, errHeader
		}
		if name == "" {
			return p, nil
		}
		if kind, rest, ok = text(rest); !ok || len(rest) < 4 {
			return p, errHeader
		}
		n := int64(int32(binary.LittleEndian.Uint32(rest))) //nolint:gosec // negative ones are refused
		if rest = rest[4:]; n < 0 || n > int64(len(rest)) {
			return p, errHeader
		}
		value := rest[:n]
		rest = rest[n:]
		switch {
		case name == "displayWindow" && len(value) == 16:
			edge := func(i int) int { return int(int32(binary.LittleEndian.Uint32(value[4*i:]))) } //nolint:gosec // a signed number
			p.Width, p.Height = edge(2)-edge(0)+1, edge(3)-edge(1)+1
		case name == "channels" && kind == "chlist":
			var channels []string
			for len(value) > 17 {
				c, after, ok := text(value)
				if !ok || len(after) < 16 {
					break
				}
				channels = append(channels, fmt.Sprintf("%s%d", c, after[0]))
				p.Alpha = p.Alpha || c == "A" || strings.HasSuffix(c, ".A")
				value = after[16:]
			}
			p.Form = strings.Join(channels, ",")
		}
	}
}
