package render

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
)

// Picture is what a frame must be.
type Picture struct {
	Width, Height int
	Alpha         bool
	Format        Format
}

// Clean checks that data is a picture, which decodes, and returns it without what differs from one run to the next: the time, and all
// texts.
func Clean(data []byte, want Picture) ([]byte, error) {
	if want.Format.Linear() {
		return cleanEXR(data, want)
	}
	return cleanPNG(data, want)
}

func cleanPNG(data []byte, want Picture) ([]byte, error) {
	const signature, header = "\x89PNG\r\n\x1a\n", 33 // with the chunk IHDR
	if len(data) < header || string(data[:8]) != signature || string(data[12:16]) != "IHDR" {
		return nil, errors.New("it is no PNG")
	}
	got := Picture{
		Width: int(binary.BigEndian.Uint32(data[16:])), Height: int(binary.BigEndian.Uint32(data[20:])),
		Alpha: data[25]&4 != 0, Format: PNG,
	}
	if data[24] > 8 {
		got.Format = PNG16
	}
	want.Format = cmp.Or(want.Format, PNG)
	if got != want || data[25]&2 == 0 {
		return nil, fmt.Errorf("it is %v, not %v", got, want)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil { // every pixel, and the checksum of every chunk
		return nil, err
	}
	clean := append(make([]byte, 0, len(data)), data[:8]...)
	for rest := data[8:]; len(rest) >= 12; {
		length := int64(binary.BigEndian.Uint32(rest)) + 12
		if length > int64(len(rest)) {
			return nil, errors.New("a chunk is cut short")
		}
		kind := string(rest[4:8])
		switch kind {
		case "tEXt", "zTXt", "iTXt", "tIME", "eXIf":
		default:
			clean = append(clean, rest[:length]...)
		}
		rest = rest[length:]
		if kind == "IEND" {
			return clean, nil
		}
	}
	return nil, errors.New("it has no end")
}

func (p Picture) String() string {
	channels := "RGB"
	if p.Alpha {
		channels = "RGBA"
	}
	return fmt.Sprintf("%d x %d in %s of %d bits", p.Width, p.Height, channels, p.Format.bits())
}
