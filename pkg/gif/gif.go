// Package gif writes animated GIFs (GIF89a) of films: one palette for all frames, chosen from what moves, and of each frame only what
// changes.
//
//	var c gif.Colours
//	for _, frame := range frames {
//		c.Count(frame)
//	}
//	w := gif.NewWriter(out, width, height, c.Palette())
//	for i, frame := range frames {
//		err = w.Frame(frame, delay)
//	}
//	err = w.Close()
//
// The same frames give the same bytes on every machine.
package gif

import (
	"bufio"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Colours counts the colours of an animation. The zero value is ready to use. It holds some 2 MB and a frame.
type Colours struct {
	histogram histogram
	before    []byte
}

// Count counts the colours of the next frame: three bytes a pixel, row by row.
func (c *Colours) Count(frame []byte) {
	if c.histogram.packed == nil {
		c.histogram.packed = make([]uint64, bins)
	}
	c.histogram.add(frame, c.before)
	c.before = append(c.before[:0], frame...)
}

// Palette is the colours of an animation.
type Palette struct{ list palette }

// Palette returns the colours that show the counted frames with little error.
func (c *Colours) Palette() Palette {
	if c.histogram.packed == nil {
		return Palette{palette{{}}}
	}
	return Palette{c.histogram.palette()}
}

// Writer writes an animation. It holds a frame, and the indexes of two.
type Writer struct {
	out           *bufio.Writer
	width, height int
	palette       [256][3]int32
	nearest       *search
	index         []uint16 // one more than that of the colour that is nearest to those of a bin; 0 = not known
	shown         []uint8  // the pixels on screen, as indexes
	next          []uint8  // those of the next frame
	before        []byte   // the last frame
	began         bool
	blocks        blockWriter
	compressor    *lzw.Writer
	err           error
}

const (
	maxSide = 1<<16 - 1
	depth   = 8 // bits of a pixel
)

// NewWriter returns a writer of an animation that repeats for ever.
func NewWriter(out io.Writer, width, height int, p Palette) (*Writer, error) {
	if width < 1 || height < 1 || width > maxSide || height > maxSide {
		return nil, fmt.Errorf("gif: %d x %d pixels", width, height)
	}
	w := &Writer{
		out: bufio.NewWriter(out), width: width, height: height, nearest: newSearch(p.list),
		index: make([]uint16, bins), shown: make([]uint8, width*height), next: make([]uint8, width*height),
	}
	copy(w.palette[:], p.list)
	w.blocks.w = w
	w.compressor, _ = lzw.NewWriter(&w.blocks, lzw.LSB, depth).(*lzw.Writer)
	w.write([]byte("GIF89a"))
	w.number(width)
	w.number(height)
	w.write([]byte{0xF7, 0, 0}) // a table of 256 colours
	var table [3 * 256]byte
	for i, c := range p.list {
		table[3*i], table[3*i+1], table[3*i+2] = byte(c[0]), byte(c[1]), byte(c[2])
	}
	w.write(table[:])
	w.write([]byte("\x21\xFF\x0BNETSCAPE2.0\x03\x01\x00\x00\x00"))
	return w, w.err
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
}

func (w *Writer) number(n int) { w.write(binary.LittleEndian.AppendUint16(nil, uint16(n))) }

// Frame writes a frame that is shown for a time in hundredths of a second.
func (w *Writer) Frame(frame []byte, delay int) error {
	if len(frame) != 3*w.width*w.height {
		return fmt.Errorf("gif: a frame of %d bytes instead of %d", len(frame), 3*w.width*w.height)
	}
	left, top, right, bottom := w.quantise(frame)
	w.write([]byte{0x21, 0xF9, 4, 1<<2 | 1}) // stays on screen; has a transparent colour
	w.number(min(max(delay, 0), maxSide))
	w.write([]byte{transparent, 0, 0x2C})
	for _, n := range []int{left, top, right - left, bottom - top} {
		w.number(n)
	}
	w.write([]byte{0})
	w.began = true
	return w.pixels(left, top, right, bottom)
}

// pixels writes the pixels of a rectangle.
func (w *Writer) pixels(left, top, right, bottom int) error {
	w.write([]byte{depth})
	z := w.compressor // used again, because its table is larger than most frames
	z.Reset(&w.blocks, lzw.LSB, depth)
	for y := top; y < bottom; y++ {
		if _, err := z.Write(w.next[y*w.width+left : y*w.width+right]); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.blocks.end()
	return w.err
}

// Close ends the animation.
func (w *Writer) Close() error {
	if !w.began {
		w.err = errors.Join(w.err, errors.New("gif: an animation without frames"))
	}
	w.write([]byte{0x3B})
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// blockWriter writes data in blocks of at most 255 bytes, each after its length.
type blockWriter struct {
	w   *Writer
	buf [256]byte
	n   int
}

func (b *blockWriter) Write(data []byte) (int, error) {
	for _, c := range data {
		b.n++
		b.buf[b.n] = c
		if b.n == 255 {
			b.flush()
		}
	}
	return len(data), b.w.err
}

func (b *blockWriter) flush() {
	if b.n > 0 {
		b.buf[0] = byte(b.n)
		b.w.write(b.buf[:b.n+1])
		b.n = 0
	}
}

// end writes the empty block that ends a picture.
func (b *blockWriter) end() {
	b.flush()
	b.w.write([]byte{0})
}
