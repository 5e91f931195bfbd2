// Package matroska reads the index of Matroska and WebM files: the Cues, which list the keyframes
// that a player may seek to. It reads the EBML header, SeekHead, Info, Tracks and Cues with ranged
// reads and never reads a Cluster.
//
//	index, err := matroska.ReadIndex(ctx, file, size)
//	if !index.Indexed { … } // live recording or no Cues: keyframes can only be found by reading the whole file
//	keyframes := index.Cues[track.Number]
//
// A tick is TimestampScale nanoseconds, the time base of ffmpeg's packets from the same file. A
// file whose tracks cannot be read gives an error of kind fault.Corrupt; a file beyond this
// package's limits, one of fault.Unsupported. A file that is truncated or contradicts itself after
// its tracks can still be played from its start; it has no index (see Index.Damage).
package matroska

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/remko/go-mkvparse"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Index holds what a file's headers and Cues declare.
type Index struct {
	TimestampScale uint64 // nanoseconds per tick, usually 1,000,000
	Tracks         []Track
	// Cues maps a track number to the sorted presentation times, in ticks, of the frames that the
	// Cues list. For a video track they are keyframes, each with the pts that ffmpeg gives it.
	Cues map[uint64][]int64
	// Indexed reports whether at least one video track has Cues.
	Indexed bool
	// Damage is the error, of kind fault.Corrupt, because of which the file has no index; nil if no
	// damage was found.
	Damage error

	docType string // "matroska" or "webm"
}

// Track is a TrackEntry.
type Track struct {
	Number     uint64
	Type       Type
	codecID    string // such as "V_MPEG4/ISO/AVC"
	codecDelay uint64 // nanoseconds
	ownScale   bool   // the track has its own TrackTimestampScale
	encrypted  bool   // a ContentEncoding encrypts its frames
}

// CodecDelay returns by how much ffmpeg subtracts from the track's timestamps as it reads them: the
// priming of its codec.
func (t Track) CodecDelay() time.Duration { return time.Duration(t.codecDelay) }

// Type is a track's type, as the specification numbers it (RFC 9559, 5.1.4.1.3).
type Type uint64

const (
	Video    Type = 1
	Audio    Type = 2
	Subtitle Type = 17
)

// String returns "video", "audio" or "subtitle", or the number of another type.
func (t Type) String() string {
	switch t {
	case Video:
		return "video"
	case Audio:
		return "audio"
	case Subtitle:
		return "subtitle"
	}
	return strconv.FormatUint(uint64(t), 10)
}

// encodingEncryption is the ContentEncodingType of encryption (RFC 9559, 5.1.4.1.31.5).
const encodingEncryption = 1

// Limits on the reads and allocations that a file can cause.
const (
	// maxElements limits the elements before the first Cluster. Each one costs a ranged read.
	maxElements = 256
	// maxSeekHeads limits the chain of SeekHeads. Old muxers write a second one after the Clusters.
	maxSeekHeads = 4
	// maxHead limits the size in bytes of the EBML header, of a SeekHead and of Info.
	maxHead = 1 << 20
	// maxTracks limits the size in bytes of Tracks, which may hold codecs' private data with fonts,
	// but no pictures.
	maxTracks = 16 << 20
	// maxCues limits the size in bytes of Cues: at 20 bytes a keyframe it allows three million
	// keyframes.
	maxCues = 64 << 20
	// maxNumbers limits the number of tracks, and of tracks that Cues refer to. ffmpeg opens no
	// file with more (max_streams).
	maxNumbers = 1000
	// maxDepth limits nesting, since the parser recurses. The elements that are read are four
	// levels deep.
	maxDepth = 8
	// maxTime limits times in ticks, so that arithmetic on them cannot overflow.
	maxTime = 1 << 56
)

// ReadIndex reads the index of a file of size bytes.
func ReadIndex(ctx context.Context, r io.ReaderAt, size int64) (*Index, error) {
	f := &file{r: r, size: size, index: Index{TimestampScale: 1_000_000, Cues: map[uint64][]int64{}}}
	segment, err := f.open()
	if err != nil {
		return nil, err
	}
	if err = f.readFront(ctx, segment); err == nil {
		err = f.followSeekHeads(ctx, segment)
	}
	switch {
	case fault.KindOf(err) == fault.Corrupt && len(f.index.Tracks) > 0:
		f.recordDamage(err)
	case err != nil:
		return nil, err
	case len(f.index.Tracks) == 0:
		return nil, fault.WithHint(fault.New(fault.Corrupt, "no tracks before the first cluster"), "the file is truncated or damaged")
	}
	if f.index.Damage != nil {
		// Cues may list frames that the file no longer contains.
		clear(f.index.Cues)
	}
	return f.finish()
}

// recordDamage keeps the first damage found.
func (f *file) recordDamage(err error) {
	if f.index.Damage == nil {
		f.index.Damage = err
	}
}

// element is the ID of an element and where its data lies in the file: body ≤ end.
type element struct {
	id          mkvparse.ElementID
	body, end   int64
	unknownSize bool // the element has an unknown data size; end is then its parent's
}

type file struct {
	r     io.ReaderAt
	size  int64
	index Index
	seen  map[mkvparse.ElementID]bool
	seek  []seekEntry
}

// seekEntry is a Seek element: the ID of an element and its position.
type seekEntry struct {
	id mkvparse.ElementID
	at int64 // bytes from the first byte of the Segment's data
}

// open reads the EBML header and finds the Segment.
func (f *file) open() (element, error) {
	f.seen = map[mkvparse.ElementID]bool{}
	head, err := f.element(0, f.size)
	if err != nil {
		return head, err
	}
	if head.id != mkvparse.EBMLElement {
		return head, fault.New(fault.Corrupt, "no EBML header")
	}
	if err := f.parse(head, maxHead, &headHandler{section: newSection(head), index: &f.index}); err != nil {
		return head, err
	}
	if f.index.docType != "matroska" && f.index.docType != "webm" {
		return head, fault.New(fault.Unsupported, "an EBML document of type %q", f.index.docType)
	}
	for at, n := head.end, 0; at < f.size && n < maxElements; n++ {
		e, err := f.element(at, f.size)
		if err != nil && e.id == mkvparse.SegmentElement && fault.KindOf(err) == fault.Corrupt {
			e.end = f.size
			f.recordDamage(err)
			return e, nil
		}
		if err != nil {
			return e, err
		}
		if e.id == mkvparse.SegmentElement {
			return e, nil
		}
		at = e.end
	}
	return element{}, fault.New(fault.Corrupt, "no segment after the EBML header")
}

// readFront reads the elements before the first Cluster.
func (f *file) readFront(ctx context.Context, segment element) error {
	for at, n := segment.body, 0; at < segment.end; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n == maxElements {
			return fault.New(fault.Unsupported, "more than %d elements before the first cluster", maxElements)
		}
		e, err := f.element(at, segment.end)
		if err != nil {
			return err
		}
		if e.id == mkvparse.ClusterElement {
			return nil
		}
		if e.unknownSize {
			return fault.New(fault.Corrupt, "element %#x at byte %d has an unknown size", int64(e.id), at)
		}
		if err := f.read(e); err != nil {
			return err
		}
		at = e.end
	}
	return nil
}

// followSeekHeads reads the elements that SeekHeads point to and that readFront did not find.
func (f *file) followSeekHeads(ctx context.Context, segment element) error {
	for n := 0; n < len(f.seek) && n < maxElements; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := f.seek[n]
		wanted := s.id == mkvparse.SeekHeadElement || !f.seen[s.id] &&
			(s.id == mkvparse.InfoElement || s.id == mkvparse.TracksElement || s.id == mkvparse.CuesElement)
		if !wanted {
			continue
		}
		if s.at < 0 || s.at > segment.end-segment.body {
			return fault.WithHint(fault.New(fault.Corrupt, "the seek head places element %#x at byte %d of a segment of %d bytes",
				int64(s.id), s.at, segment.end-segment.body), "the file is truncated")
		}
		e, err := f.element(segment.body+s.at, segment.end)
		if err != nil {
			return err
		}
		// An editor may have left a stale SeekHead, which points anywhere. The file then has no
		// index, but may be intact.
		if e.id != s.id || e.unknownSize {
			continue
		}
		if err := f.read(e); err != nil {
			return err
		}
	}
	return nil
}

// read reads a child of the Segment if the index needs it.
func (f *file) read(e element) error {
	var limit int64
	var h handler
	switch e.id {
	case mkvparse.SeekHeadElement:
		limit, h = maxHead, &seekHandler{section: newSection(e), file: f}
	case mkvparse.InfoElement:
		limit, h = maxHead, &infoHandler{section: newSection(e), index: &f.index}
	case mkvparse.TracksElement:
		limit, h = maxTracks, &tracksHandler{section: newSection(e), index: &f.index}
	case mkvparse.CuesElement:
		limit, h = maxCues, &cuesHandler{section: newSection(e), cues: f.index.Cues}
	default:
		return nil
	}
	if f.seen[e.id] && e.id != mkvparse.SeekHeadElement {
		return nil
	}
	f.seen[e.id] = true
	err := f.parse(e, limit, h)
	if err != nil && e.id == mkvparse.TracksElement {
		f.index.Tracks = nil // the list may be incomplete
	}
	return err
}

// finish turns the stored cue times into presentation times.
func (f *file) finish() (*Index, error) {
	index := &f.index
	if index.TimestampScale == 0 {
		return nil, fault.New(fault.Corrupt, "the timestamp scale is 0")
	}
	tracks := map[uint64]Track{}
	for _, t := range index.Tracks {
		tracks[t.Number] = t
	}
	for number, times := range index.Cues {
		t, known := tracks[number]
		// A track with codec V_MS/VFW/FOURCC stores decode times, and one with its own timestamp
		// scale uses different ticks. In both cases the Cues do not give presentation times.
		if !known || t.ownScale || t.codecID == "V_MS/VFW/FOURCC" {
			delete(index.Cues, number)
			continue
		}
		slices.Sort(times)
		times = slices.Compact(times)
		// ffmpeg subtracts the codec's delay from each timestamp, in ticks, rounded to nearest.
		if delay := int64((t.codecDelay + index.TimestampScale/2) / index.TimestampScale); delay > 0 {
			for i := range times {
				times[i] -= delay
			}
		}
		index.Cues[number] = times
		index.Indexed = index.Indexed || t.Type == Video && len(times) > 0
	}
	return index, nil
}

// element reads the ID and size of the element at offset at, whose parent ends at limit.
func (f *file) element(at, limit int64) (element, error) {
	raw := make([]byte, min(16, limit-at)) // an ID takes up to 4 bytes, a size up to 8
	if len(raw) < 2 {
		return element{}, fault.New(fault.Corrupt, "%d stray bytes at byte %d", len(raw), at)
	}
	if err := readFull(f.r, raw, at); err != nil {
		return element{}, err
	}
	id, n, _ := vint(raw)
	if n == 0 || n > 4 {
		return element{}, fault.New(fault.Corrupt, "no element at byte %d", at)
	}
	size, m, unknown := vint(raw[n:])
	if m == 0 {
		return element{}, fault.New(fault.Corrupt, "no element at byte %d", at)
	}
	// IDs include the length marker that vint removes.
	e := element{id: mkvparse.ElementID(id | 1<<(7*n)), body: at + int64(n+m), unknownSize: unknown}
	switch {
	case unknown:
		e.end = limit
	case size > uint64(limit-e.body):
		return e, fault.WithHint(fault.New(fault.Corrupt, "element %#x at byte %d declares %d bytes where %d are left",
			int64(e.id), at, size, limit-e.body), "the file is truncated")
	default:
		e.end = e.body + int64(size)
	}
	return e, nil
}

// vint reads the variable-size integer at the start of p (RFC 8794, 4). n is its length in bytes,
// or 0 if there is none. unknown reports whether all bits of the value are set, which means an
// unknown data size.
func vint(p []byte) (v uint64, n int, unknown bool) {
	if len(p) == 0 || p[0] == 0 {
		return 0, 0, false
	}
	n = 1
	for p[0]&(0x80>>(n-1)) == 0 {
		n++
	}
	if n > len(p) {
		return 0, 0, false
	}
	var raw [8]byte
	copy(raw[8-n:], p[:n])
	v = binary.BigEndian.Uint64(raw[:]) & (1<<(7*n) - 1)
	return v, n, v == 1<<(7*n)-1
}

// readFull fills p from offset at. A file that ends early is fault.Corrupt.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return fault.New(fault.Corrupt, "the file ends at byte %d, before byte %d", at+int64(n), at+int64(len(p)))
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), at, err)
}
