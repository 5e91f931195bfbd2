package overlay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
	"math"

	"github.com/mapreel/mapreel/pkg/media"
)

// Limits of an image: of its file in bytes, and of its picture in pixels, which are decoded to 8 bytes each. A frame of 4K has as many.
const (
	MaxFile   = 16 << 20
	maxPixels = 4096 * 2304
	maxSide   = 1 << 14
)

// Size returns the size of a PNG. An error says what is wrong with the file.
func Size(data []byte) (media.Size, error) {
	if len(data) > MaxFile {
		return media.Size{}, fmt.Errorf("it is larger than %d MiB", MaxFile>>20)
	}
	c, err := png.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return media.Size{}, errors.New("it is not a PNG")
	case c.Width <= 0 || c.Height <= 0 || c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels:
		return media.Size{}, fmt.Errorf("its picture of %dx%d is too large; at most %d pixels", c.Width, c.Height, maxPixels)
	}
	return media.Size{Width: c.Width, Height: c.Height}, nil
}

// Pixels decodes a PNG to samples of 16 bits, highest byte first, of red, green, blue and alpha, row by row (ffmpeg's rgba64be). Colours
// are multiplied by alpha, so that the picture can be scaled, and alpha by opacity, in percent.
func Pixels(data []byte, opacity int) ([]byte, error) {
	size, err := Size(data)
	if err != nil {
		return nil, err
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("its picture cannot be decoded: %w", err)
	}
	out := make([]byte, 0, 8*size.Width*size.Height)
	scaled := func(v uint32) uint16 {
		return uint16(min((v*uint32(opacity)+maxPercent/2)/maxPercent, math.MaxUint16)) //nolint:gosec // at most 65535
	}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			red, green, blue, alpha := img.At(x, y).RGBA()
			for _, v := range [...]uint32{red, green, blue, alpha} {
				out = binary.BigEndian.AppendUint16(out, scaled(v))
			}
		}
	}
	return out, nil
}
