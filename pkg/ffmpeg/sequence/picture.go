package sequence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Picture is what the header of an image file declares.
type Picture struct {
	Format        string // "png", "jpeg", "tiff", "dpx", "exr" or "webp"
	Width, Height int
	Alpha         bool // it may be transparent
	Deep          bool // more than 8 bits a sample
	Form          string
}

// Extensions are the ends of names by which ffmpeg's demuxer image2 tells the formats.
var Extensions = map[string]string{"png": "png", "jpeg": "jpg", "tiff": "tiff", "dpx": "dpx", "exr": "exr", "webp": "webp"}

var (
	errUnknown   = errors.New("not a PNG, JPEG, TIFF, DPX, EXR or WebP file")
	errTruncated = errors.New("cut short")
	errHeader    = errors.New("its header is damaged")
)

const (
	headBytes = 64 << 10
	// maxHead bounds how much of a JPEG is searched for its size: profiles and thumbnails may come first.
	maxHead   = 4 << 20
	tailBytes = 2 << 10 // of a JPEG, at the end of which cameras leave data of their own
)

// Read reads the header of an image file of size bytes, and finds out whether the file is whole as far as that shows without decoding.
func Read(r io.ReaderAt, size int64) (Picture, error) {
	if size == 0 {
		return Picture{}, errors.New("empty")
	}
	head := make([]byte, min(size, headBytes))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return Picture{}, err
	}
	var p Picture
	var err error
	switch {
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		p, err = readPNG(r, head, size)
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		p, err = readJPEG(r, head, size)
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")):
		p, err = readTIFF(r, head, size)
	case bytes.HasPrefix(head, []byte("SDPX")), bytes.HasPrefix(head, []byte("XPDS")):
		p, err = readDPX(head, size)
	case bytes.HasPrefix(head, []byte("\x76\x2f\x31\x01")):
		p, err = readEXR(head)
	case len(head) > 16 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		p, err = readWebP(head, size)
	default:
		return p, errUnknown
	}
	if err == nil && (p.Width <= 0 || p.Height <= 0) {
		err = errHeader
	}
	return p, err
}

// readPNG reads the chunk IHDR, and whether a chunk tRNS before the pixels makes colours transparent (PNG, 11.2.2 and 11.3.2.1).
func readPNG(r io.ReaderAt, head []byte, size int64) (Picture, error) {
	const end = "\x00\x00\x00\x00IEND\xaeB\x60\x82"
	if len(head) < 33 || string(head[12:16]) != "IHDR" {
		return Picture{}, errHeader
	}
	tail := make([]byte, len(end))
	if _, err := r.ReadAt(tail, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return Picture{}, err
	}
	if string(tail) != end {
		return Picture{}, errTruncated
	}
	depth, colour := head[24], head[25]
	p := Picture{
		Format: "png", Width: int(binary.BigEndian.Uint32(head[16:])), Height: int(binary.BigEndian.Uint32(head[20:])),
		Alpha: colour&4 != 0, Deep: depth > 8, Form: string([]byte{'0' + colour, ':', 'a' + depth}),
	}
	for at := 33; at+8 <= len(head); {
		length, kind := binary.BigEndian.Uint32(head[at:]), string(head[at+4:at+8])
		if kind == "tRNS" {
			p.Alpha, p.Form = true, p.Form+"t"
		}
		if kind == "IDAT" || length > headBytes {
			break
		}
		at += int(length) + 12
	}
	return p, nil
}

// readJPEG reads the frame header (ITU-T T.81, B.2.2).
func readJPEG(r io.ReaderAt, head []byte, size int64) (Picture, error) {
	tail := make([]byte, min(size, tailBytes))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return Picture{}, err
	}
	if !bytes.Contains(tail, []byte("\xff\xd9")) {
		return Picture{}, errTruncated
	}
	for at := 2; ; {
		if at+10 > len(head) {
			if int64(len(head)) >= min(size, maxHead) {
				return Picture{}, errHeader
			}
			more := make([]byte, min(size, maxHead))
			if _, err := r.ReadAt(more, 0); err != nil && !errors.Is(err, io.EOF) {
				return Picture{}, err
			}
			head = more
			continue
		}
		marker := head[at+1]
		switch {
		case head[at] != 0xff:
			return Picture{}, errHeader
		case marker == 0xff: // fill
			at++
			continue
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			p := Picture{
				Format: "jpeg", Height: int(binary.BigEndian.Uint16(head[at+5:])), Width: int(binary.BigEndian.Uint16(head[at+7:])),
				Deep: head[at+4] > 8, Form: string([]byte{'0' + head[at+9], ':', 'a' + head[at+4]}),
			}
			for c := at + 10; c+3 <= len(head) && c < at+10+3*int(min(head[at+9], 4)); c += 3 {
				p.Form += string(rune('0'+head[c+1]>>4)) + string(rune('0'+head[c+1]&15)) // how each component is sampled
			}
			return p, nil
		}
		at += 2 + int(binary.BigEndian.Uint16(head[at+2:]))
	}
}

// readDPX reads the generic headers (SMPTE ST 268).
func readDPX(head []byte, size int64) (Picture, error) {
	if len(head) < 804 {
		return Picture{}, errTruncated
	}
	order := binary.ByteOrder(binary.BigEndian)
	if head[0] == 'X' {
		order = binary.LittleEndian
	}
	if total := order.Uint32(head[16:]); total != 0xffffffff && int64(total) > size {
		return Picture{}, errTruncated
	}
	descriptor, depth := head[800], head[803]
	return Picture{
		Format: "dpx", Width: int(int32(order.Uint32(head[772:]))), Height: int(int32(order.Uint32(head[776:]))), //nolint:gosec // negative ones are refused
		Alpha: descriptor == 51 || descriptor == 52, Deep: depth > 8, Form: string([]byte{descriptor, ':', depth}),
	}, nil
}

// readWebP reads the first chunk (RFC 9649, 2.4 to 2.7).
func readWebP(head []byte, size int64) (Picture, error) {
	switch length := int64(binary.LittleEndian.Uint32(head[4:])) + 8; {
	case length > size:
		return Picture{}, errTruncated
	case len(head) < 30:
		return Picture{}, errHeader
	}
	p := Picture{Format: "webp", Form: string(head[12:16])}
	switch p.Form {
	case "VP8 ":
		p.Width, p.Height = int(binary.LittleEndian.Uint16(head[26:])&0x3fff), int(binary.LittleEndian.Uint16(head[28:])&0x3fff)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(head[21:])
		p.Width, p.Height, p.Alpha = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1, bits>>28&1 == 1
		p.Form += string(rune('0' + bits>>28&1))
	case "VP8X":
		if head[20]&2 != 0 {
			return p, errors.New("an animation, not a single frame")
		}
		p.Alpha = head[20]&0x10 != 0
		p.Width = 1 + int(head[24]) + int(head[25])<<8 + int(head[26])<<16
		p.Height = 1 + int(head[27]) + int(head[28])<<8 + int(head[29])<<16
	default:
		return p, errHeader
	}
	return p, nil
}
