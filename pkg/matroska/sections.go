package matroska

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/remko/go-mkvparse"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Each handler below collects the fields that the index needs from one section, a child of the
// Segment or the EBML header. The parser drops the errors of most callbacks, so a handler keeps its
// first error until the section is read.

// handler is a parser callback that remembers its first error.
type handler interface {
	mkvparse.Handler
	failure() error
}

// parse reads the section e, of at most limit bytes, and passes its elements to h.
func (f *file) parse(e element, limit int64, h handler) (err error) {
	if e.unknownSize || e.end-e.body > limit {
		return fault.New(fault.Unsupported, "element %#x at byte %d is larger than the limit of %d bytes", int64(e.id), e.body, limit)
	}
	data := make([]byte, e.end-e.body)
	if err := readFull(f.r, data, e.body); err != nil {
		return err
	}
	// The parser indexes into signed integers and dates without checking that they have any bytes.
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Corrupt, "element %#x at byte %d: %v", int64(e.id), e.body, p)
		}
	}()
	hideUnknown(data, 0)
	if err := mkvparse.Parse(bytes.NewReader(data), h); err != nil {
		if h.failure() != nil {
			return h.failure()
		}
		return fault.Wrap(fault.Corrupt, err, fmt.Sprintf("element %#x at byte %d", int64(e.id), e.body))
	}
	return h.failure()
}

// masters are the master elements that the handlers descend into.
var masters = []mkvparse.ElementID{
	mkvparse.SeekElement, mkvparse.TrackEntryElement, mkvparse.ContentEncodingsElement, mkvparse.ContentEncodingElement,
	mkvparse.CuePointElement, mkvparse.CueTrackPositionsElement,
}

// hideUnknown overwrites elements that the parser does not know, such as FlagHearingImpaired, with
// Void elements of the same length, because the parser would read their content as the next
// elements. Data that is not a sequence of elements is left for the parser to reject.
func hideUnknown(data []byte, depth int) {
	for len(data) > 0 {
		id := vintLength(data)
		if id == 0 || id > 4 || id >= len(data) {
			return
		}
		length := vintLength(data[id:])
		if length == 0 || id+length > len(data) {
			return
		}
		var kind mkvparse.ElementID
		for _, b := range data[:id] {
			kind = kind<<8 | mkvparse.ElementID(b)
		}
		size := uint64(data[id]) & (0xff >> length)
		for _, b := range data[id+1 : id+length] {
			size = size<<8 | uint64(b)
		}
		head := id + length
		if size > uint64(len(data)-head) {
			return
		}
		switch {
		case slices.Contains(masters, kind) && depth < maxDepth:
			hideUnknown(data[head:head+int(size)], depth+1)
		case strings.HasPrefix(mkvparse.NameForElementID(kind), "UNKNOWN:") && head <= 9:
			// The ID of Void takes one byte; the size takes the rest of the element's header.
			data[0] = byte(mkvparse.VoidElement)
			for i := range head - 1 {
				data[head-1-i] = byte(size >> (8 * i))
			}
			data[1] |= 1 << (8 - (head - 1))
		}
		data = data[head+int(size):]
	}
}

// vintLength returns the length of the variable-size integer at the start of data (RFC 8794, 4), or
// 0 if there is none.
func vintLength(data []byte) int {
	if len(data) == 0 || data[0] == 0 {
		return 0
	}
	return bits.LeadingZeros8(data[0]) + 1
}

// section checks that elements lie within their section and are not nested too deeply.
type section struct {
	mkvparse.DefaultHandler
	size int64
	err  error
}

func newSection(e element) section { return section{size: e.end - e.body} }

func (s *section) failure() error { return s.err }

// corrupt records an error of kind fault.Corrupt unless there already is one, and returns the first
// error.
func (s *section) corrupt(format string, args ...any) error {
	if s.err == nil {
		s.err = fault.New(fault.Corrupt, format, args...)
	}
	return s.err
}

// unsupported records an error of kind fault.Unsupported unless there already is one, and returns
// the first error.
func (s *section) unsupported(format string, args ...any) error {
	if s.err == nil {
		s.err = fault.New(fault.Unsupported, format, args...)
	}
	return s.err
}

func (s *section) HandleMasterBegin(id mkvparse.ElementID, info mkvparse.ElementInfo) (bool, error) {
	if info.Level > maxDepth || info.Size < 0 {
		return false, s.corrupt("element %#x is nested %d levels deep or has an unknown size", int64(id), info.Level)
	}
	return slices.Contains(masters, id), s.checkSize(id, info)
}

// checkSize returns an error if the element ends after its section.
func (s *section) checkSize(id mkvparse.ElementID, info mkvparse.ElementInfo) error {
	if info.Size > s.size-info.Offset {
		return s.corrupt("element %#x declares %d bytes where %d are left", int64(id), info.Size, s.size-info.Offset)
	}
	return nil
}

// headHandler reads the EBML header.
type headHandler struct {
	section
	index *Index
}

func (h *headHandler) HandleString(id mkvparse.ElementID, v string, _ mkvparse.ElementInfo) error {
	if id == mkvparse.DocTypeElement {
		h.index.docType = v
	}
	return nil
}

// seekHandler reads a SeekHead.
type seekHandler struct {
	section
	file *file
	next seekEntry
}

func (h *seekHandler) HandleBinary(id mkvparse.ElementID, v []byte, _ mkvparse.ElementInfo) error {
	if id == mkvparse.SeekIDElement && len(v) <= 4 {
		var raw [4]byte
		copy(raw[4-len(v):], v)
		h.next.id = mkvparse.ElementID(binary.BigEndian.Uint32(raw[:]))
	}
	return nil
}

func (h *seekHandler) HandleInteger(id mkvparse.ElementID, v int64, info mkvparse.ElementInfo) error {
	if id == mkvparse.SeekPositionElement {
		h.next.at = v
	}
	return h.checkSize(id, info)
}

func (h *seekHandler) HandleMasterEnd(id mkvparse.ElementID, _ mkvparse.ElementInfo) error {
	if id != mkvparse.SeekElement {
		return nil
	}
	// Ignore a SeekHead that refers to itself, and limit the chain of SeekHeads that refer to each
	// other.
	heads := 0
	for _, s := range h.file.seek {
		if s == h.next {
			return nil
		}
		if s.id == mkvparse.SeekHeadElement {
			heads++
		}
	}
	if len(h.file.seek) < maxElements && (h.next.id != mkvparse.SeekHeadElement || heads < maxSeekHeads) {
		h.file.seek = append(h.file.seek, h.next)
	}
	h.next = seekEntry{}
	return nil
}

// infoHandler reads Info.
type infoHandler struct {
	section
	index *Index
}

func (h *infoHandler) HandleInteger(id mkvparse.ElementID, v int64, info mkvparse.ElementInfo) error {
	if id == mkvparse.TimecodeScaleElement {
		if v <= 0 || v > 1<<40 { // 18 minutes a tick
			return h.corrupt("the timestamp scale is %d ns", v)
		}
		h.index.TimestampScale = uint64(v)
	}
	return h.checkSize(id, info)
}

// tracksHandler reads Tracks.
type tracksHandler struct {
	section
	index *Index
	track Track
}

func (h *tracksHandler) HandleMasterBegin(id mkvparse.ElementID, info mkvparse.ElementInfo) (bool, error) {
	if id == mkvparse.TrackEntryElement {
		h.track = Track{}
	}
	return h.section.HandleMasterBegin(id, info)
}

func (h *tracksHandler) HandleMasterEnd(id mkvparse.ElementID, _ mkvparse.ElementInfo) error {
	if id == mkvparse.TrackEntryElement {
		if h.track.Number == 0 {
			return h.corrupt("a track has no number")
		}
		if len(h.index.Tracks) == maxNumbers {
			return h.unsupported("more than %d tracks", maxNumbers)
		}
		if h.track.encrypted && (h.track.Type == Video || h.track.Type == Audio) {
			h.err = fault.WithHint(h.unsupported("track %d (%s) is encrypted", h.track.Number, h.track.Type), "decrypt the file first: mapreel has no keys")
			return h.err
		}
		h.index.Tracks = append(h.index.Tracks, h.track)
	}
	return nil
}

func (h *tracksHandler) HandleInteger(id mkvparse.ElementID, v int64, info mkvparse.ElementInfo) error {
	switch id {
	case mkvparse.TrackNumberElement:
		h.track.Number = uint64(v)
	case mkvparse.TrackTypeElement:
		h.track.Type = Type(v)
	case mkvparse.CodecDelayElement:
		if v < 0 || v > maxTime {
			return h.corrupt("a track has a codec delay of %d ns", v)
		}
		h.track.codecDelay = uint64(v)
	case mkvparse.ContentEncodingTypeElement:
		h.track.encrypted = h.track.encrypted || v == encodingEncryption
	}
	return h.checkSize(id, info)
}

func (h *tracksHandler) HandleFloat(id mkvparse.ElementID, v float64, _ mkvparse.ElementInfo) error {
	if id == mkvparse.TrackTimecodeScaleElement {
		h.track.ownScale = v != 1
	}
	return nil
}

func (h *tracksHandler) HandleString(id mkvparse.ElementID, v string, _ mkvparse.ElementInfo) error {
	if id == mkvparse.CodecIDElement {
		h.track.codecID = v
	}
	return nil
}

// cuesHandler reads Cues.
type cuesHandler struct {
	section
	cues   map[uint64][]int64
	time   int64
	tracks []uint64
}

func (h *cuesHandler) HandleMasterBegin(id mkvparse.ElementID, info mkvparse.ElementInfo) (bool, error) {
	if id == mkvparse.CuePointElement {
		h.time, h.tracks = -1, h.tracks[:0]
	}
	return h.section.HandleMasterBegin(id, info)
}

func (h *cuesHandler) HandleInteger(id mkvparse.ElementID, v int64, info mkvparse.ElementInfo) error {
	switch id {
	case mkvparse.CueTimeElement:
		h.time = v
	case mkvparse.CueTrackElement:
		h.tracks = append(h.tracks, uint64(v))
	}
	return h.checkSize(id, info)
}

func (h *cuesHandler) HandleMasterEnd(id mkvparse.ElementID, _ mkvparse.ElementInfo) error {
	if id != mkvparse.CuePointElement {
		return nil
	}
	if h.time < 0 || h.time > maxTime {
		return h.corrupt("a cue has the impossible time %d", h.time)
	}
	for _, track := range h.tracks {
		if _, known := h.cues[track]; !known && len(h.cues) == maxNumbers {
			return h.unsupported("cues for more than %d tracks", maxNumbers)
		}
		h.cues[track] = append(h.cues[track], h.time)
	}
	return nil
}
