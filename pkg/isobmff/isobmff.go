// Package isobmff is the arithmetic of MP4 files: which frame lies where and when, and how pieces become one file.
// It moves numbers, not pictures; media bytes are named by their place and copied by the caller.
//
// An Index is what a source's moov says of its tracks: the presentation time of each frame, which of them are sync
// samples, where the track ends. It is read with ranged reads and never touches mdat.
//
// A Chunk is one track's samples for one stretch of time, stored as a CMAF file of one fragment: ftyp, moov, moof,
// mdat. A worker's ffmpeg writes any fragmented MP4; ReadFragments reads that, Normalise gives it decode times that
// follow from its presentation times, Write stores it.
//
// A Movie is a progressive MP4 with its moov first. A Stitcher takes the pieces' sample tables in order and answers
// with the file's header and the byte ranges of the pieces that follow it:
//
//	s := isobmff.NewStitcher(isobmff.Movie{Tracks: []isobmff.MovieTrack{{Track: piece.Track}}}, nil)
//	for _, piece := range pieces {
//		if err := s.Add(0, piece); err != nil { … }
//	}
//	file, err := s.Finish(header) // then copy each of file.Ranges behind it
//	err = isobmff.Check(header, file.Size, expected)
//
// A Segment is a file of a package for players (HLS, DASH): a SampleRun of a piece, cut at sync samples, without its moov.
// Track.Init is the file that goes before it, Track.Codecs what playlists call its codec:
//
//	stretches, err := piece.Cut(starts, end)
//	for _, stretch := range stretches {
//		segment, err := stretch.Segment()
//		err = segment.Write(file, payload) // the piece's samples, read once from front to back
//	}
//
// Times are ticks of the track's timescale throughout. Errors carry fault.Corrupt where bytes contradict themselves
// and fault.Unsupported where they are sound but beyond this package; errors of the reader pass through unchanged in
// kind.
package isobmff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Bounds on what a file may ask of us. A file beyond them is refused before anything is allocated.
const (
	// maxBoxes bounds the boxes at one level. A progressive file has a handful; the densest live recordings, a
	// moof and an mdat for each frame of an hour, stay below it.
	maxBoxes = 1 << 20
	// maxIndexBoxes bounds the boxes passed on the way to a source's moov, as each costs a ranged read.
	maxIndexBoxes = 4096
	// maxSmallBox bounds a box that is decoded in memory: headers, sample descriptions with cover pictures aside.
	maxSmallBox = 1 << 20
	// maxTracks bounds the tracks of a moov.
	maxTracks = 1024
	// mostSamples bounds the samples of one track: 77 hours at 30 frames a second. An index needs 24 bytes for each.
	mostSamples = 1 << 23
	// maxEdits bounds an edit list. ffmpeg walks the whole track for each edit; so do we.
	maxEdits = 256
	// maxFragment bounds one moof. At 16 bytes a sample it holds a million samples.
	maxFragment = 16 << 20
)

// maxSamples is mostSamples but for fuzzing, which would spend all its time on files of a few bytes that claim millions.
var maxSamples = mostSamples

// box is a box's type and its place in the file: start ≤ body ≤ end, all offsets from the file's first byte.
type box struct {
	kind             string
	start, body, end int64
}

func (b box) String() string { return fmt.Sprintf("%q at byte %d", b.kind, b.start) }

// window reads a file in small steps and keeps the bytes around the last one, so that a row of box headers costs one
// ranged read, not one each.
type window struct {
	r    io.ReaderAt
	size int64
	at   int64
	buf  []byte
}

// windowStep is what a window reads at least: most traks' small boxes fit.
const windowStep = 4 << 10

// bytes returns n bytes at offset at. They are valid until the next call.
func (w *window) bytes(at int64, n int) ([]byte, error) {
	if at < 0 || at > w.size-int64(n) {
		return nil, fault.New(fault.Corrupt, "the file ends at byte %d, before byte %d", w.size, at+int64(n))
	}
	if at < w.at || at+int64(n) > w.at+int64(len(w.buf)) {
		want := min(int64(max(n, windowStep)), w.size-at)
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.at, w.buf = at, w.buf[:want]
		// What lies behind the n bytes is welcome but need not be there: Check sees the front of a file only.
		got, err := w.r.ReadAt(w.buf, at)
		w.buf = w.buf[:got]
		if got < n {
			return nil, shortRead(at, got, n, err)
		}
	}
	return w.buf[at-w.at:][:n], nil
}

// header reads the header of the box at offset at, inside a container that ends at limit. A box that claims to end
// later is returned with an error of kind Corrupt, so that the caller may still say what it was.
func (w *window) header(at, limit int64) (box, error) {
	b := box{start: at, body: at + 8}
	if limit-at < 8 {
		return b, fault.New(fault.Corrupt, "%d stray bytes at byte %d where a box should start", limit-at, at)
	}
	raw, err := w.bytes(at, 8)
	if err != nil {
		return b, err
	}
	size := uint64(binary.BigEndian.Uint32(raw))
	b.kind = string(raw[4:8])
	switch size {
	case 0: // to the end of the file
		b.end = limit
		return b, nil
	case 1:
		if limit-at < 16 {
			return b, fault.New(fault.Corrupt, "box %v is cut in its header", b)
		}
		if raw, err = w.bytes(at+8, 8); err != nil {
			return b, err
		}
		size = binary.BigEndian.Uint64(raw)
		b.body = at + 16
	}
	if size < uint64(b.body-at) {
		return b, fault.New(fault.Corrupt, "box %v has the impossible size %d", b, size)
	}
	if size > uint64(limit-at) {
		b.end = limit
		return b, fault.New(fault.Corrupt, "box %v claims %d bytes where %d are left", b, size, limit-at)
	}
	b.end = at + int64(size)
	return b, nil
}

// children calls visit for each box between from and to.
func (w *window) children(from, to int64, visit func(box) error) error {
	for n := 0; from < to; n++ {
		if n == maxBoxes {
			return fault.New(fault.Unsupported, "more than %d boxes at one level before byte %d", maxBoxes, from)
		}
		// QuickTime ends user data with a 32-bit zero.
		if to-from < 8 {
			return nil
		}
		b, err := w.header(from, to)
		if err != nil {
			return err
		}
		if err := visit(b); err != nil {
			return err
		}
		from = b.end
	}
	return nil
}

// body returns the content of a small box. It is valid until the next read.
func (w *window) body(b box, limit int64) ([]byte, error) {
	if b.end-b.body > limit {
		return nil, fault.New(fault.Unsupported, "box %v has %d bytes, more than the %d we accept", b, b.end-b.body, limit)
	}
	return w.bytes(b.body, int(b.end-b.body))
}

// decode decodes box b with mp4ff as type T.
func decode[T mp4.Box](w *window, b box, limit int64) (T, error) {
	var zero T
	body, err := w.body(b, limit)
	if err != nil {
		return zero, err
	}
	// mp4ff refuses 64-bit sizes on small boxes, so it sees the same box with a plain header.
	raw := append(appendHeader(make([]byte, 0, 8+len(body)), b.kind, 8+len(body)), body...)
	decoded, err := mp4.DecodeBoxSR(0, bits.NewFixedSliceReader(raw))
	if err != nil {
		return zero, fault.Wrap(fault.Corrupt, err, fmt.Sprintf("box %v", b))
	}
	typed, ok := decoded.(T)
	if !ok {
		return zero, fault.New(fault.Corrupt, "box %v is not what its type says", b)
	}
	return typed, nil
}

func appendHeader(to []byte, kind string, size int) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(size)), kind...)
}

// rawBox returns a box with the given content for which mp4ff has no type of its own, or which must stay as it is.
func rawBox(kind string, content []byte) mp4.Box {
	return mp4.CreateUnknownBox(kind, uint64(8+len(content)), content)
}

// encode returns a box's bytes.
func encode(b mp4.Box) ([]byte, error) {
	sw := bits.NewFixedSliceWriter(int(b.Size()))
	if err := b.EncodeSW(sw); err != nil {
		return nil, fmt.Errorf("encode %s: %w", b.Type(), err)
	}
	return sw.Bytes(), nil
}

// readFull fills p from offset at; a file that ends early is Corrupt.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	if n, err := r.ReadAt(p, at); n < len(p) {
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
