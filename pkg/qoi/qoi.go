// Package qoi reads pictures in the Quite OK Image format (version 1.0, qoiformat.org), which ffmpeg writes: lossless, and many times
// faster than PNG.
package qoi

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	magic      = "qoif"
	headerSize = 14 // magic, width, height, channels, colour space
	maxSide    = 1 << 16
)

// errShort reports that a picture ends before its last pixel.
var errShort = errors.New("qoi: the picture is not complete")

// Size returns the columns and rows of a picture.
func Size(data []byte) (width, height int, err error) {
	if len(data) < headerSize || string(data[:4]) != magic {
		return 0, 0, errors.New("qoi: not a picture in this format")
	}
	w, h := binary.BigEndian.Uint32(data[4:]), binary.BigEndian.Uint32(data[8:])
	if w == 0 || h == 0 || w > maxSide || h > maxSide {
		return 0, 0, fmt.Errorf("qoi: a picture of %d x %d", w, h)
	}
	return int(w), int(h), nil
}

// Decode writes the samples of a picture to rgb: three bytes a pixel, row by row. rgb must have exactly as many as the picture.
// Alpha is left out.
func Decode(rgb, data []byte) error {
	width, height, err := Size(data)
	if err != nil {
		return err
	}
	if len(rgb) != 3*width*height {
		return fmt.Errorf("qoi: a picture of %d x %d where one of %d bytes is expected", width, height, len(rgb))
	}
	var seen [64]uint32 // recent colours, by their hash: red, green, blue, alpha from the highest byte
	var r, g, b, a byte = 0, 0, 0, 255
	data = data[headerSize:]
	for at := 0; at < len(rgb); {
		if len(data) == 0 {
			return errShort
		}
		op := data[0]
		data = data[1:]
		run := 1
		switch {
		case op == 0xFE, op == 0xFF: // a colour, without or with alpha
			n := 3 + int(op&1)
			if len(data) < n {
				return errShort
			}
			r, g, b = data[0], data[1], data[2]
			if n == 4 {
				a = data[3]
			}
			data = data[n:]
		case op>>6 == 0: // a recent colour
			c := seen[op]
			r, g, b, a = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
		case op>>6 == 1: // a small difference of each sample
			r, g, b = r+op>>4&3-2, g+op>>2&3-2, b+op&3-2
		case op>>6 == 2: // a difference of green, and those of red and blue from it
			if len(data) == 0 {
				return errShort
			}
			d := op&63 - 32
			r, g, b = r+d-8+data[0]>>4, g+d, b+d-8+data[0]&15
			data = data[1:]
		default: // the same pixel again
			run = int(op&63) + 1
		}
		seen[(uint(r)*3+uint(g)*5+uint(b)*7+uint(a)*11)%64] = uint32(r)<<24 | uint32(g)<<16 | uint32(b)<<8 | uint32(a)
		for ; run > 0 && at < len(rgb); run-- {
			rgb[at], rgb[at+1], rgb[at+2] = r, g, b
			at += 3
		}
	}
	return nil
}
