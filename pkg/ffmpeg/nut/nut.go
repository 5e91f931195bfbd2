// Package nut reads raw frames from a file in NUT, ffmpeg's own container, as ffmpeg writes it with one stream. NUT keeps the time of each
// frame, so that ffmpeg can encode the frames later as if they came from a decoder; this package reads the same file to measure with them.
//
// The format is that of https://ffmpeg.org/~michael/nut.txt, version 3.
package nut

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	fileID     = "nut/multimedia container\x00"
	mainHeader = uint64('N')<<56 | uint64('M')<<48 | 0x7A561F5F04AD
	index      = uint64('N')<<56 | uint64('X')<<48 | 0xDD672F23E64E
)

// MaxElided is the size in bytes of the largest frames whose first bytes ffmpeg may leave out. A Reader cannot read these.
const MaxElided = 4096

// Flags of a frame.
const (
	flagCodedPTS  = 1 << 3
	flagStreamID  = 1 << 4
	flagSizeMSB   = 1 << 5
	flagChecksum  = 1 << 6
	flagReserved  = 1 << 7
	flagSideData  = 1 << 8
	flagHeaderIdx = 1 << 10
	flagMatchTime = 1 << 11
	flagCoded     = 1 << 12
	flagInvalid   = 1 << 13
)

// code is what a frame code, the first byte of a frame, stands for.
type code struct {
	flags    uint64
	multiple uint64 // of the size
	size     uint64 // the rest
	reserved uint64
}

// Reader reads frames of one size.
type Reader struct {
	r     *bufio.Reader
	codes [256]code
	frame []byte
}

// errFormat reports a file that is not what ffmpeg writes.
var errFormat = errors.New("not a NUT file of raw frames")

// NewReader reads the header of a file whose frames have size bytes each.
func NewReader(r io.Reader, size int) (*Reader, error) {
	n := &Reader{r: bufio.NewReaderSize(r, 1<<16), frame: make([]byte, size)}
	id := make([]byte, len(fileID))
	if _, err := io.ReadFull(n.r, id); err != nil || string(id) != fileID {
		return nil, errors.Join(errFormat, err)
	}
	var start [8]byte
	if _, err := io.ReadFull(n.r, start[:]); err != nil || binary.BigEndian.Uint64(start[:]) != mainHeader {
		return nil, errors.Join(errFormat, err)
	}
	rest, err := n.packetSize()
	if err != nil {
		return nil, err
	}
	if rest > 1<<16 {
		return nil, errFormat
	}
	header := make([]byte, rest)
	if _, err := io.ReadFull(n.r, header); err != nil {
		return nil, err
	}
	return n, n.readCodes(header)
}

// Ends reports whether a file of size bytes ends with its index, which ffmpeg writes last.
func Ends(r io.ReaderAt, size int64) (bool, error) {
	const last = 12 // bytes of the index: its length, and a checksum
	var data [8]byte
	if size < last {
		return false, nil
	}
	if _, err := r.ReadAt(data[:], size-last); err != nil {
		return false, err
	}
	length := binary.BigEndian.Uint64(data[:])
	if length < last || length > uint64(size) { //nolint:gosec // size is positive
		return false, nil
	}
	if _, err := r.ReadAt(data[:], size-int64(length)); err != nil { //nolint:gosec // at most size
		return false, err
	}
	return binary.BigEndian.Uint64(data[:]) == index, nil
}

// packetSize returns how many bytes follow the head of a packet that is no frame.
func (n *Reader) packetSize() (uint64, error) {
	size, err := n.number()
	if err == nil && size > 4096 {
		_, err = n.r.Discard(4) // checksum of the head
	}
	return size, err
}

// number reads a variable-length number.
func (n *Reader) number() (uint64, error) { return number(n.r) }

func number(r io.ByteReader) (v uint64, err error) {
	for range 9 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if v = v<<7 | uint64(b&0x7f); b < 0x80 {
			return v, nil
		}
	}
	return 0, errFormat
}

// fields reads the numbers of a header.
type fields struct {
	data []byte
	err  error
}

func (f *fields) ReadByte() (byte, error) {
	if len(f.data) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b := f.data[0]
	f.data = f.data[1:]
	return b, nil
}

func (f *fields) next() (v uint64) {
	if f.err == nil {
		v, f.err = number(f)
	}
	return v
}

// readCodes reads the table of frame codes.
func (n *Reader) readCodes(header []byte) error {
	f := &fields{data: header}
	version, streams, _ := f.next(), f.next(), f.next()
	if f.err != nil || version != 3 || streams != 1 {
		return fmt.Errorf("%w: version %d with %d streams", errFormat, version, streams)
	}
	for range min(f.next(), 16) { // timebases
		f.next()
		f.next()
	}
	multiple := uint64(1)
	for i := 0; i < 256 && f.err == nil; {
		c := code{flags: f.next(), multiple: multiple}
		count := f.next()
		values := make([]uint64, 0, 6) // time, multiple, stream, size, reserved, count
		for k := range min(count, 64) {
			if v := f.next(); k < 6 {
				values = append(values, v)
			}
		}
		if len(values) > 1 {
			multiple = values[1]
			c.multiple = multiple
		}
		if len(values) > 3 {
			c.size = values[3]
		}
		if len(values) > 4 {
			c.reserved = values[4]
		}
		repeat := c.multiple - c.size
		if len(values) > 5 {
			repeat = values[5]
		}
		if repeat == 0 || repeat > 256 {
			return errFormat
		}
		i = n.setCodes(i, repeat, c)
	}
	return f.err
}

// setCodes sets count codes from i on, whose sizes ascend, and returns the one after them. 'N' is none: it begins packets that are no frames.
func (n *Reader) setCodes(i int, count uint64, c code) int {
	for j := uint64(0); j < count && i < 256; i++ {
		if i == 'N' {
			n.codes[i].flags = flagInvalid
			continue
		}
		n.codes[i] = c
		n.codes[i].size += j
		j++
	}
	return i
}

// Next returns the next frame, which is valid until the next call; io.EOF after the last one.
func (n *Reader) Next() ([]byte, error) {
	for {
		b, err := n.r.ReadByte()
		if err != nil {
			return nil, err
		}
		if b != 'N' {
			return n.read(n.codes[b])
		}
		if _, err := n.r.Discard(7); err != nil {
			return nil, unexpected(err)
		}
		size, err := n.packetSize()
		if err == nil {
			_, err = n.r.Discard(int(min(size, 1<<30))) //nolint:gosec // at most 2^30
		}
		if err != nil {
			return nil, unexpected(err)
		}
	}
}

// read reads the frame after its code.
func (n *Reader) read(c code) ([]byte, error) {
	size, err := n.frameSize(c)
	if err != nil {
		return nil, unexpected(err)
	}
	if size != uint64(len(n.frame)) {
		return nil, fmt.Errorf("%w: a frame of %d bytes instead of %d", errFormat, size, len(n.frame))
	}
	if _, err := io.ReadFull(n.r, n.frame); err != nil {
		return nil, unexpected(err)
	}
	return n.frame, nil
}

// frameSize reads the head of a frame.
func (n *Reader) frameSize(c code) (size uint64, err error) {
	flags, size := c.flags, c.size
	read := func(set uint64, into *uint64) {
		if err == nil && flags&set != 0 {
			*into, err = n.number()
		}
	}
	var coded, msb, other uint64
	read(flagCoded, &coded)
	flags ^= coded
	if flags&(flagInvalid|flagSideData) != 0 {
		return 0, errFormat
	}
	read(flagStreamID, &other)
	read(flagCodedPTS, &other)
	read(flagSizeMSB, &msb)
	read(flagMatchTime, &other)
	read(flagHeaderIdx, &other)
	reserved := c.reserved
	read(flagReserved, &reserved)
	for range min(reserved, 64) {
		if err == nil {
			_, err = n.number()
		}
	}
	if err == nil && flags&flagChecksum != 0 {
		_, err = n.r.Discard(4)
	}
	return size + msb*c.multiple, err
}

// unexpected tells the end of a file within a packet from the end of its packets.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
