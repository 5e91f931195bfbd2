// Package timedtext makes chunks of subtitles in 3GPP timed text (3GPP TS 26.245, "tx3g"), the
// format of MP4.
//
//	chunk, payload, err := timedtext.Encode(track, events)
package timedtext

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// Event is a text to be shown from Start for Duration, in ticks. A Duration of 0 or less is until
// the next event. Data is the sample's content as in 3GPP TS 26.245: a length of 16 bits, UTF-8
// text, modifier boxes.
type Event struct {
	Start, Duration int64
	Data            []byte
}

const (
	// maxOverlap limits the texts that are shown at once. Viewers cannot read more, and a file may
	// have any number.
	maxOverlap = 8
	// openDuration is how long, in seconds, a text with an unknown end is shown, unless the next
	// one comes earlier.
	openDuration = 5
	// longestSample limits a sample's duration, in seconds, to well within 32 bits of microseconds.
	longestSample = 3600
	// maxBytes limits the bytes of a text track; a novel has a million.
	maxBytes = 256 << 20
)

// maxSamples limits the samples of a text track, as of any track.
const maxSamples = box.MaxSamples

// Encode returns the events of a track as a chunk and its samples' bytes. The samples follow each
// other without gap from tick 0 on, and are empty while nothing is shown. A track shows one sample
// at a time, so where events overlap, the sample holds all of their texts, one below the other.
// Time before tick 0 is cut off, and events that show nothing are left out. Without any event the
// chunk has no samples.
func Encode(track isobmff.Track, events []Event) (isobmff.Chunk, []byte, error) {
	c := isobmff.Chunk{Track: track}
	if track.Timescale == 0 {
		return c, nil, fault.New(fault.Corrupt, "the text track has no timescale")
	}
	scale := int64(track.Timescale)
	shown := visible(events, scale)
	var edges []int64
	for _, e := range shown {
		edges = append(edges, e.Start, e.Start+e.Duration)
	}
	slices.Sort(edges)
	var payload []byte
	var active []Event
	now, next := int64(0), 0
	for _, edge := range slices.Compact(edges) {
		sample := join(active)
		for now < edge {
			d := min(edge-now, longestSample*scale, math.MaxUint32)
			c.Samples = append(c.Samples, isobmff.Sample{Size: uint32(len(sample)), Duration: uint32(d), Sync: true})
			payload = append(payload, sample...)
			now += d
			if len(c.Samples) > maxSamples || len(payload) > maxBytes {
				return c, nil, fault.New(fault.Unsupported, "the text track has more than %d samples or %d bytes", maxSamples, maxBytes)
			}
		}
		active = slices.DeleteFunc(active, func(e Event) bool { return e.Start+e.Duration <= now })
		for ; next < len(shown) && shown[next].Start <= now; next++ {
			if len(active) < maxOverlap {
				active = append(active, shown[next])
			}
		}
	}
	c.Bytes = int64(len(payload))
	return c, payload, nil
}

// visible returns the events that show something after tick 0, in order of time, each with a
// duration.
func visible(events []Event, scale int64) []Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	var shown []Event
	for i, e := range sorted {
		if e.Duration <= 0 {
			e.Duration = openDuration * scale
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

// splitText divides a sample into its text and its modifier boxes.
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

// join returns the sample that shows these events one below the other. Of the modifier boxes only
// styles can be joined: their positions count characters from the beginning of the text.
func join(active []Event) []byte {
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
			continue // UTF-16 cannot be joined with UTF-8
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
		sample = box.Append(sample, "styl", append(binary.BigEndian.AppendUint16(nil, uint16(n)), styles...))
	}
	return sample
}

// styleRecord is the size of a StyleRecord (3GPP TS 26.245, 5.16): start, end, font, face, size,
// colour.
const styleRecord = 12

// movedStyles returns the style records of a sample's boxes, moved by the given number of
// characters.
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
