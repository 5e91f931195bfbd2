package isobmff

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/fault"
)

// TextEvent is a piece of timed text as a sample of 3GPP TS 26.245 ("tx3g") holds it: a length of 16 bits, UTF-8, boxes
// of modifiers. It is shown from Start for Duration, in ticks; 0 or less is until the next one comes.
type TextEvent struct {
	Start, Duration int64
	Data            []byte
}

const (
	// maxTextOverlap is how many texts are shown at once; more nobody reads, and their number has no bound.
	maxTextOverlap = 8
	// openText is how long, in seconds, a text is shown whose end nobody knows, unless the next one comes earlier.
	openText = 5
	// longestSample keeps a sample's duration, in seconds, well within 32 bits of microseconds.
	longestSample = 3600
)

// TimedText makes the events of a track into a piece and its bytes: samples without gap from tick 0 on, empty where
// nothing is shown. Where events overlap, the sample holds all of them that are shown, one below the other, for a track
// shows one sample at a time. What lies before tick 0 is cut off, and what shows nothing is left out. Without any event
// the piece has no samples.
func TimedText(track Track, events []TextEvent) (Chunk, []byte, error) {
	p := Chunk{Track: track}
	if track.Timescale == 0 {
		return p, nil, fault.New(fault.Corrupt, "a text track without timescale")
	}
	scale := int64(track.Timescale)
	shown := shownTexts(events, scale)
	var edges []int64
	for _, e := range shown {
		edges = append(edges, e.Start, e.Start+e.Duration)
	}
	slices.Sort(edges)
	var payload []byte
	var active []TextEvent
	now, next := int64(0), 0
	for _, edge := range slices.Compact(edges) {
		sample := together(active)
		for now < edge {
			d := min(edge-now, longestSample*scale, math.MaxUint32)
			p.Samples = append(p.Samples, Sample{Size: uint32(len(sample)), Duration: uint32(d), Sync: true})
			payload = append(payload, sample...)
			now += d
			if len(p.Samples) > maxSamples || len(payload) > maxText {
				return p, nil, fault.New(fault.Unsupported, "a text track of more than %d samples or %d bytes", maxSamples, maxText)
			}
		}
		active = slices.DeleteFunc(active, func(e TextEvent) bool { return e.Start+e.Duration <= now })
		for ; next < len(shown) && shown[next].Start <= now; next++ {
			if len(active) < maxTextOverlap {
				active = append(active, shown[next])
			}
		}
	}
	p.Bytes = int64(len(payload))
	return p, payload, nil
}

// maxText bounds the bytes of a text track; a novel has a million.
const maxText = 256 << 20

// shownTexts are the events that show something after tick 0, in order of time, each with its duration.
func shownTexts(events []TextEvent, scale int64) []TextEvent {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b TextEvent) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	var shown []TextEvent
	for i, e := range sorted {
		if e.Duration <= 0 {
			e.Duration = openText * scale
			if i+1 < len(sorted) {
				e.Duration = min(e.Duration, sorted[i+1].Start-e.Start)
			}
		}
		if e.Start > math.MaxInt64/4 || e.Duration > math.MaxInt64/4 {
			continue
		}
		if e.Start < 0 {
			e.Start, e.Duration = 0, e.Duration+e.Start
		}
		if text, _ := splitText(e.Data); len(text) > 0 && e.Duration > 0 {
			shown = append(shown, e)
		}
	}
	return shown
}

// splitText divides a sample into its text and its boxes.
func splitText(data []byte) (text, boxes []byte) {
	if len(data) < 2 {
		return nil, nil
	}
	n := int(binary.BigEndian.Uint16(data))
	if n > len(data)-2 {
		return nil, nil
	}
	return data[2 : 2+n], data[2+n:]
}

// together is the sample that shows these events one below the other. Of the boxes only styles can be joined: their
// positions count characters from the beginning of the text.
func together(active []TextEvent) []byte {
	switch len(active) {
	case 0:
		return []byte{0, 0}
	case 1:
		return active[0].Data
	}
	var joined, styles []byte
	for _, e := range active {
		text, boxes := splitText(e.Data)
		if bytes.HasPrefix(text, []byte{0xfe, 0xff}) || bytes.HasPrefix(text, []byte{0xff, 0xfe}) || len(joined)+1+len(text) > math.MaxUint16 {
			continue // UTF-16 does not mix with UTF-8
		}
		if len(joined) > 0 {
			joined = append(joined, '\n')
		}
		at := utf8.RuneCount(joined)
		joined = append(joined, text...)
		styles = append(styles, movedStyles(boxes, at)...)
	}
	if len(joined) == 0 {
		return active[0].Data
	}
	sample := append(binary.BigEndian.AppendUint16(nil, uint16(len(joined))), joined...)
	if n := len(styles) / styleRecord; n > 0 && n <= math.MaxUint16 {
		sample = appendBox(sample, "styl", append(binary.BigEndian.AppendUint16(nil, uint16(n)), styles...))
	}
	return sample
}

// styleRecord is the size of a StyleRecord (3GPP TS 26.245, 5.16): start, end, font, face, size, colour.
const styleRecord = 12

// movedStyles are the style records of a sample's boxes, for a text that begins at character by.
func movedStyles(boxes []byte, by int) (records []byte) {
	for len(boxes) >= 8 {
		size := int(binary.BigEndian.Uint32(boxes))
		if size < 8 || size > len(boxes) {
			return records
		}
		if body := boxes[8:size]; string(boxes[4:8]) == "styl" && len(body) >= 2 {
			body = body[2:]
			for ; len(body) >= styleRecord; body = body[styleRecord:] {
				start, end := int(binary.BigEndian.Uint16(body))+by, int(binary.BigEndian.Uint16(body[2:]))+by
				if end > math.MaxUint16 {
					continue
				}
				records = binary.BigEndian.AppendUint16(records, uint16(start))
				records = binary.BigEndian.AppendUint16(records, uint16(end))
				records = append(records, body[4:styleRecord]...)
			}
		}
		boxes = boxes[size:]
	}
	return records
}
