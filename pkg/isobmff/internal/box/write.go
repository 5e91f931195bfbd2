package box

import (
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
)

// AppendHeader appends the header of a box with a 32-bit size, which counts the header's 8 bytes.
func AppendHeader(to []byte, kind string, size int) []byte {
	n := uint32(size)
	return append(append(to, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), kind...)
}

// Append appends a box with the given content.
func Append(to []byte, kind string, content []byte) []byte {
	return append(AppendHeader(to, kind, 8+len(content)), content...)
}

// AppendMdat appends the header of an mdat with n bytes of content. Its size has 64 bits if 32 are
// too few.
func AppendMdat(to []byte, n int64) []byte {
	if n+8 <= math.MaxUint32 {
		return AppendHeader(to, "mdat", int(n)+8)
	}
	to = AppendHeader(to, "mdat", 1)
	n += 16
	return append(to, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// Raw returns a box with the given content. It serves boxes that mp4ff has no type for or must not
// change.
func Raw(kind string, content []byte) mp4.Box {
	return mp4.CreateUnknownBox(kind, uint64(8+len(content)), content)
}

// Encode returns the bytes of a box.
func Encode(b mp4.Box) ([]byte, error) {
	w := bits.NewFixedSliceWriter(int(b.Size()))
	if err := b.EncodeSW(w); err != nil {
		return nil, fmt.Errorf("encode %s: %w", b.Type(), err)
	}
	return w.Bytes(), nil
}
