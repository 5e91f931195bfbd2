// Package matroska reads the index of Matroska and WebM files: the Cues, which name the keyframes that a player may seek
// to. It reads headers, Info, Tracks and Cues with ranged reads and never a Cluster.
//
//	index, err := matroska.ReadIndex(ctx, file, size)
//	if !index.Indexed { … } // live recording or no Cues: nothing to cut by without reading it all
//	keyframes := index.Cues[track.Number]
//
// A tick is TimestampScale nanoseconds, the time base of ffmpeg's packets from the same file. A file whose tracks cannot be
// read is an error of kind fault.Corrupt, a file beyond our bounds one of fault.Unsupported. A file that is cut short or
// contradicts itself behind its tracks can still be played from its start; it has no index (Damage).
package matroska

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/remko/go-mkvparse"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Index is what a file's head and Cues say.
type Index struct {
	DocType        string // "matroska" or "webm"
	TimestampScale uint64 // nanoseconds per tick, usually 1,000,000
	Duration       int64  // ticks, rounded; 0 where the file does not say
	Tracks         []Track
	// Cues holds, by track number, the presentation times of the track's frames that Cues name, sorted, in ticks: for a
	// video track keyframes, each with the pts that ffmpeg gives it.
	Cues map[uint64][]int64
	// Indexed: at least one video track has Cues.
	Indexed bool
	// Live: the segment does not know its size, as a recorder leaves it that could not seek back.
	Live bool
	// Damage is what is wrong with a file that is not Indexed because of it, of kind fault.Corrupt; nil where nothing is.
	Damage error
}

// Track is a track entry, in the file's order.
type Track struct {
	Number          uint64
	Type            Type
	CodecID         string // such as "V_MPEG4/ISO/AVC"
	DefaultDuration uint64 // nanoseconds per frame; 0 where frames differ or the file does not say
	codecDelay      uint64 // nanoseconds
	ownScale        bool   // the track has a timestamp scale of its own
}

// Type is a track's type, as the specification numbers it (RFC 9559, 5.1.4.1.3).
type Type uint64

const (
	Video    Type = 1
	Audio    Type = 2
	Subtitle Type = 17
)

// Bounds on what a file may ask of us.
const (
	// maxElements bounds the elements before the first Cluster, each of which costs a ranged read.
	maxElements = 256
	// maxSeekHeads bounds the chain of SeekHeads: old muxers write a second one behind the Clusters.
	maxSeekHeads = 4
	// maxHead bounds each of EBML head, SeekHead, Info.
	maxHead = 1 << 20
	// maxTracks bounds Tracks, which hold fonts of codecs' private data but no pictures.
	maxTracks = 16 << 20
	// maxCues bounds Cues: at 20 bytes a keyframe they name three million.
	maxCues = 64 << 20
	// maxNumbers bounds the tracks, and those that Cues speak of; ffmpeg opens no file with more (max_streams).
	maxNumbers = 1000
	// maxDepth bounds nesting; what we read is four deep, and the parser recurses.
	maxDepth = 8
	// maxTime bounds times in ticks, so that arithmetic on them cannot overflow.
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
		f.damaged(err)
	case err != nil:
		return nil, err
	case len(f.index.Tracks) == 0:
		return nil, fault.WithHint(fault.New(fault.Corrupt, "no tracks before the first cluster"), "the file is cut short or damaged")
	}
	if f.index.Damage != nil {
		// Cues may name what is no longer there.
		clear(f.index.Cues)
	}
	return f.finish()
}

// damaged notes the first damage.
func (f *file) damaged(err error) {
	if f.index.Damage == nil {
		f.index.Damage = err
	}
}

// element is an element's place in the file: body ≤ end.
type element struct {
	id        mkvparse.ElementID
	body, end int64
	unknown   bool // it does not say where it ends
}

type file struct {
	r     io.ReaderAt
	size  int64
	index Index
	seen  map[mkvparse.ElementID]bool
	seek  []seekEntry
}

type seekEntry struct {
	id mkvparse.ElementID
	at int64 // from the segment's first byte
}

// open reads the EBML head and finds the segment.
func (f *file) open() (element, error) {
	f.seen = map[mkvparse.ElementID]bool{}
	head, err := f.element(0, f.size)
	if err != nil {
		return head, err
	}
	if head.id != mkvparse.EBMLElement {
		return head, fault.New(fault.Corrupt, "no EBML head")
	}
	if err := f.parse(head, maxHead, &headHandler{section: newSection(head), index: &f.index}); err != nil {
		return head, err
	}
	if f.index.DocType != "matroska" && f.index.DocType != "webm" {
		return head, fault.New(fault.Unsupported, "an EBML document of type %q", f.index.DocType)
	}
	for at, n := head.end, 0; at < f.size && n < maxElements; n++ {
		e, err := f.element(at, f.size)
		if err != nil && e.id == mkvparse.SegmentElement && fault.KindOf(err) == fault.Corrupt {
			e.end = f.size
			f.damaged(err)
			return e, nil
		}
		if err != nil {
			return e, err
		}
		if e.id == mkvparse.SegmentElement {
			f.index.Live = e.unknown
			return e, nil
		}
		at = e.end
	}
	return element{}, fault.New(fault.Corrupt, "no segment behind the EBML head")
}

// readFront reads what lies before the first cluster.
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
		if e.unknown {
			return fault.New(fault.Corrupt, "element %#x at byte %d does not say where it ends", int64(e.id), at)
		}
		if err := f.read(e); err != nil {
			return err
		}
		at = e.end
	}
	return nil
}

// followSeekHeads reads what SeekHeads promise and the front did not have.
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
			return fault.WithHint(fault.New(fault.Corrupt, "element %#x should lie at byte %d of a segment of %d", int64(s.id), s.at,
				segment.end-segment.body), "the file is cut short")
		}
		e, err := f.element(segment.body+s.at, segment.end)
		if err != nil {
			return err
		}
		// A SeekHead that an editor left stale points anywhere. Then the file has no index, but it may well be sound.
		if e.id != s.id || e.unknown {
			continue
		}
		if err := f.read(e); err != nil {
			return err
		}
	}
	return nil
}

// read reads a segment's child, if it is one of those we need.
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
		f.index.Tracks = nil // some may be missing
	}
	return err
}

// finish turns cues as stored into presentation times.
func (f *file) finish() (*Index, error) {
	index := &f.index
	if index.TimestampScale == 0 {
		return nil, fault.New(fault.Corrupt, "a timestamp scale of 0")
	}
	types := map[uint64]Track{}
	for _, t := range index.Tracks {
		types[t.Number] = t
	}
	for number, times := range index.Cues {
		t, known := types[number]
		// A track of the VFW kind stores decode times, and one with a scale of its own stores other ticks: of neither
		// do Cues give presentation times.
		if !known || t.ownScale || t.CodecID == "V_MS/VFW/FOURCC" {
			delete(index.Cues, number)
			continue
		}
		slices.Sort(times)
		times = slices.Compact(times)
		// ffmpeg takes the codec's delay off each timestamp, in ticks, rounded to nearest.
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

// element reads the head of the element at offset at, whose parent ends at limit.
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
	size, m, all := vint(raw[n:])
	if m == 0 {
		return element{}, fault.New(fault.Corrupt, "no element at byte %d", at)
	}
	// IDs are written with the length marker that vint takes off.
	e := element{id: mkvparse.ElementID(id | 1<<(7*n)), body: at + int64(n+m), unknown: all}
	switch {
	case all:
		e.end = limit
	case size > uint64(limit-e.body):
		return e, fault.WithHint(fault.New(fault.Corrupt, "element %#x at byte %d claims %d bytes where %d are left",
			int64(e.id), at, size, limit-e.body), "the file is cut short")
	default:
		e.end = e.body + int64(size)
	}
	return e, nil
}

// vint reads a number of variable length (RFC 8794, 4). n is its length, 0 where there is none; all tells that all its
// bits are set, which means unknown.
func vint(p []byte) (v uint64, n int, all bool) {
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

// readFull fills p from offset at; a file that ends early is Corrupt.
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

// rounded returns a float of the file as whole ticks, or 0 for what is no time.
func rounded(v float64) int64 {
	if !(v > 0 && v < maxTime) {
		return 0
	}
	return int64(math.Round(v))
}
