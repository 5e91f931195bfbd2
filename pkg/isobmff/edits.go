package isobmff

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/mapreel/mapreel/pkg/fault"
)

// edit is a row of an edit list: for duration ticks, show the media from time on; time -1 shows nothing.
type edit struct {
	duration int64 // in the movie's timescale as parsed, in the track's where it is applied
	time     int64
}

// parseEdits reads the content of an elst box.
func parseEdits(body []byte) ([]edit, error) {
	if len(body) < 8 {
		return nil, fault.New(fault.Corrupt, "an edit list of %d bytes", len(body))
	}
	version, count := body[0], int64(binary.BigEndian.Uint32(body[4:]))
	each := int64(12)
	if version == 1 {
		each = 20
	}
	body = body[8:]
	if count*each > int64(len(body)) {
		return nil, fault.New(fault.Corrupt, "an edit list claims %d edits in %d bytes", count, len(body))
	}
	if count > maxEdits {
		return nil, fault.New(fault.Unsupported, "an edit list of %d edits, more than the %d we accept", count, maxEdits)
	}
	edits := make([]edit, count)
	for i := range edits {
		row := body[int64(i)*each:]
		if version == 1 {
			edits[i] = edit{int64(binary.BigEndian.Uint64(row)), int64(binary.BigEndian.Uint64(row[8:]))}
		} else {
			edits[i] = edit{int64(binary.BigEndian.Uint32(row)), int64(int32(binary.BigEndian.Uint32(row[4:])))}
		}
		// Beyond 2^56 ticks lie no films, only overflows.
		if e := edits[i]; e.duration < 0 || e.duration > 1<<56 || e.time < -1 || e.time > 1<<56 {
			return nil, fault.New(fault.Corrupt, "edit %d has duration %d and media time %d", i+1, e.duration, e.time)
		}
	}
	return edits, nil
}

// shown is what an edit list leaves of a track.
type shown struct {
	presentation, sync []int64
	end                int64
	irregular          bool
}

// applyEdits says when each sample is shown, as libavformat's mov demuxer does (mov_fix_index). It does not follow the
// specification to the letter: time starts with the first frame that is shown, even where the edit starts between
// two frames. samples has one more row than the track has samples; it holds the end. slack is what an edit's
// end may lose by rounding. Edits that show the track's samples over and over are Unsupported.
func applyEdits(samples []sample, shift int64, edits []edit, slack int64) (shown, error) {
	rows := samples[:len(samples)-1]
	if len(edits) == 0 {
		var out shown
		for i, s := range rows {
			out.show(s.decode+int64(s.offset), samples[i+1].decode-s.decode, s.sync)
		}
		out.sort()
		return out, nil
	}
	hasOffsets := slices.ContainsFunc(rows, func(s sample) bool { return s.offset != 0 })
	var out shown
	var gap, entryEnd int64
	first := int64(-1) // the earliest presentation time so far; -1 is none
	for i, e := range edits {
		if i >= 2 || i == 1 && edits[0].time != -1 || i > 0 && e.time == -1 {
			out.irregular = true
		}
		now := entryEnd
		entryEnd += e.duration
		if e.time == -1 {
			gap += e.duration
			continue
		}
		if len(out.presentation) > maxSamples {
			return out, fault.New(fault.Unsupported, "edits that show more than %d samples", maxSamples)
		}
		started, lastChance := false, false
		for i := startOf(rows, e.time, shift, hasOffsets); i < len(rows); i++ {
			s := rows[i]
			length := samples[i+1].decode - s.decode
			step := length
			if i == len(rows)-1 {
				step = e.duration
			}
			at := s.decode + int64(s.offset)
			if at >= e.time && at < e.time+e.duration {
				if pts := now + int64(s.offset); first < 0 {
					first = pts
				} else {
					first = min(first, pts)
				}
				started = true
				// The last edit's end cuts the frame's display, unless rounding alone did it.
				if over := at + length - (e.time + e.duration); over >= slack {
					length -= over
				}
				out.show(now+int64(s.offset), length, s.sync)
			}
			if started {
				now += step
			}
			// After the edit's end the demuxer goes on to the next sync sample, and where frames are reordered to the one
			// after that, for frames that belong to the edit may follow the first in decode order.
			if at+step >= e.time+e.duration && s.sync {
				if !hasOffsets || lastChance {
					break
				}
				lastChance = true
			}
		}
	}
	if correction := first - gap; correction > 0 {
		for i := range out.presentation {
			out.presentation[i] -= correction
		}
		for i := range out.sync {
			out.sync[i] -= correction
		}
		out.end -= correction
	}
	out.sort()
	return out, nil
}

func (o *shown) show(at, length int64, sync bool) {
	o.presentation = append(o.presentation, at)
	if sync {
		o.sync = append(o.sync, at)
	}
	if len(o.presentation) == 1 || at+max(length, 1) > o.end {
		o.end = at + max(length, 1)
	}
}

func (o *shown) sort() {
	o.presentation, o.sync = sorted(o.presentation), sorted(o.sync)
}

// startOf returns the sample at which the demuxer starts for media time at: the last sync sample that is both
// decoded and shown no later, else the first sample.
func startOf(rows []sample, at, shift int64, hasOffsets bool) int {
	i := sort.Search(len(rows), func(i int) bool { return rows[i].decode > at }) - 1
	for ; i >= 0; i-- {
		if rows[i].sync && (!hasOffsets || rows[i].decode-shift+int64(rows[i].offset) <= at-shift) {
			return i
		}
	}
	return 0
}

// rescale returns v × to / from, rounded to nearest, halves away from zero, as av_rescale does. v must not be negative;
// what does not fit becomes the largest value.
func rescale(v, to, from int64) int64 {
	hi, lo := bits.Mul64(uint64(v), uint64(to))
	lo, carry := bits.Add64(lo, uint64(from)/2, 0)
	hi += carry
	if hi >= uint64(from) {
		return math.MaxInt64 >> 2
	}
	q, _ := bits.Div64(hi, lo, uint64(from))
	return int64(min(q, math.MaxInt64>>2))
}
