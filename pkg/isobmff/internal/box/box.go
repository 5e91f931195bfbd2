// Package box reads and writes the boxes of ISO base media files (ISO/IEC 14496-12, 4.2): headers,
// contents, sample tables and the boxes that describe a track. Its callers interpret them.
//
// Errors carry fault.Corrupt if bytes contradict themselves and fault.Unsupported if they exceed a
// limit of this package. Errors of the underlying reader keep their kind.
package box

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Limits on the reads and allocations that a file can cause. A file that exceeds them is refused
// before anything is allocated.
const (
	// MaxBoxes limits the boxes at one level. A progressive file has a handful; the densest live
	// recordings, with a moof and an mdat for each frame of an hour, stay below it.
	MaxBoxes = 1 << 20
	// MaxSmall limits the size in bytes of a box that is decoded in memory: headers, and sample
	// descriptions without cover pictures.
	MaxSmall = 1 << 20
	// MaxFragment limits the size in bytes of a moof. At 16 bytes a sample it holds a million
	// samples.
	MaxFragment = 16 << 20
	// MaxSamples limits the samples of a track: 77 hours at 30 frames a second. An index needs 24
	// bytes for each.
	MaxSamples = 1 << 23
)

// Box is the type of a box and where it lies in the file: Start ≤ Body ≤ End, all in bytes from the
// start of the file.
type Box struct {
	Type             string
	Start, Body, End int64
}

func (b Box) String() string { return fmt.Sprintf("%q at byte %d", b.Type, b.Start) }

// Reader reads the boxes of a file. It reads in small steps and keeps the bytes around the last
// one, so that consecutive box headers cost one ranged read instead of one each.
type Reader struct {
	File io.ReaderAt
	Size int64 // of the file, in bytes
	// Lenient makes Children end a box that declares more than its parent holds with its parent, as
	// ffmpeg's demuxer does.
	Lenient bool

	at  int64 // offset of buf
	buf []byte
}

// readerStep is the least number of bytes that a Reader reads at once. Most traks' small boxes fit.
const readerStep = 4 << 10

// Bytes returns n bytes at offset at. They are valid until the next call.
func (r *Reader) Bytes(at int64, n int) ([]byte, error) {
	if at < 0 || at > r.Size-int64(n) {
		return nil, fault.New(fault.Corrupt, "the file ends at byte %d, before byte %d", r.Size, at+int64(n))
	}
	if at < r.at || at+int64(n) > r.at+int64(len(r.buf)) {
		want := min(int64(max(n, readerStep)), r.Size-at)
		if int64(cap(r.buf)) < want {
			r.buf = make([]byte, want)
		}
		r.at, r.buf = at, r.buf[:want]
		// Bytes after the first n may be missing: the caller may have only the start of a file.
		got, err := r.File.ReadAt(r.buf, at)
		r.buf = r.buf[:got]
		if got < n {
			return nil, shortRead(at, got, n, err)
		}
	}
	return r.buf[at-r.at:][:n], nil
}

// Header reads the header of the box at offset at, inside a container that ends at limit. If the
// box declares a later end, Header returns the box, cut at limit, together with an error of kind
// fault.Corrupt, so that the caller can still tell its type.
func (r *Reader) Header(at, limit int64) (Box, error) {
	b := Box{Start: at, Body: at + 8}
	if limit-at < 8 {
		return b, fault.New(fault.Corrupt, "%d stray bytes at byte %d where a box should start", limit-at, at)
	}
	raw, err := r.Bytes(at, 8)
	if err != nil {
		return b, err
	}
	size := uint64(binary.BigEndian.Uint32(raw))
	b.Type = string(raw[4:8])
	switch size {
	case 0: // to the end of the file
		b.End = limit
		return b, nil
	case 1:
		if limit-at < 16 {
			return b, fault.New(fault.Corrupt, "the header of box %v is truncated", b)
		}
		if raw, err = r.Bytes(at+8, 8); err != nil {
			return b, err
		}
		size = binary.BigEndian.Uint64(raw)
		b.Body = at + 16
	}
	if size < uint64(b.Body-at) {
		return b, fault.New(fault.Corrupt, "box %v declares the impossible size %d", b, size)
	}
	if size > uint64(limit-at) {
		b.End = limit
		return b, fault.New(fault.Corrupt, "box %v declares %d bytes where %d are left", b, size, limit-at)
	}
	b.End = at + int64(size)
	return b, nil
}

// Children calls visit for each box inside parent.
func (r *Reader) Children(parent Box, visit func(Box) error) error {
	for at, n := parent.Body, 0; at < parent.End; n++ {
		if n == MaxBoxes {
			return fault.New(fault.Unsupported, "more than %d boxes at one level before byte %d", MaxBoxes, at)
		}
		// QuickTime ends user data with a 32-bit zero.
		if parent.End-at < 8 {
			return nil
		}
		b, err := r.Header(at, parent.End)
		if err != nil && (!r.Lenient || b.End != parent.End) {
			return err
		}
		if err := visit(b); err != nil {
			return err
		}
		at = b.End
	}
	return nil
}

// Content returns the content of a box of at most limit bytes. It is valid until the next read.
func (r *Reader) Content(b Box, limit int64) ([]byte, error) {
	if b.End-b.Body > limit {
		return nil, fault.New(fault.Unsupported, "box %v has %d bytes, more than the limit of %d", b, b.End-b.Body, limit)
	}
	return r.Bytes(b.Body, int(b.End-b.Body))
}

// Decode decodes box b, of at most limit bytes, as mp4ff's type T.
func Decode[T mp4.Box](r *Reader, b Box, limit int64) (T, error) {
	var zero T
	content, err := r.Content(b, limit)
	if err != nil {
		return zero, err
	}
	// mp4ff refuses 64-bit sizes on small boxes, so it gets the same box with a 32-bit size.
	raw := append(AppendHeader(make([]byte, 0, 8+len(content)), b.Type, 8+len(content)), content...)
	decoded, err := mp4.DecodeBoxSR(0, bits.NewFixedSliceReader(raw))
	if err != nil {
		return zero, fault.Wrap(fault.Corrupt, err, fmt.Sprintf("box %v", b))
	}
	typed, ok := decoded.(T)
	if !ok {
		return zero, fault.New(fault.Corrupt, "box %v does not have the content of its type", b)
	}
	return typed, nil
}

// ReadFull fills p from offset at of a file. A file that ends early is fault.Corrupt.
func ReadFull(file io.ReaderAt, p []byte, at int64) error {
	if n, err := file.ReadAt(p, at); n < len(p) {
		return shortRead(at, n, len(p), err)
	}
	return nil
}

func shortRead(at int64, got, want int, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return fault.New(fault.Corrupt, "the file ends at byte %d, before byte %d", at+int64(got), at+int64(want))
	}
	return fmt.Errorf("read %d bytes at %d: %w", want, at, err)
}
