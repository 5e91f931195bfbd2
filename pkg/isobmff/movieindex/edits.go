package movieindex

import (
	"slices"
	"sort"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// shown holds the samples that are left of a track when its edit list is applied. See Track for the
// fields.
type shown struct {
	presentation, sync []int64
	numbers            []int // of the samples of sync in decode order, from 0; nil of irregular ones
	end                int64
	irregular          bool
	hidden             int
	first              int // the number of the first sample that the demuxer gives
}

// applyEdits computes when each sample is shown, as libavformat's mov demuxer does (mov_fix_index).
// That differs from the specification in one point: time starts with the first frame that is shown,
// even if the edit starts between two frames. samples ends with one extra row that holds the
// track's end. The edits' durations are in ticks of the track; slack is the amount by which
// rounding may make an edit's end early. Edits that repeat samples beyond maxSamples are
// fault.Unsupported.
func applyEdits(samples []sample, shift int64, edits []box.Edit, slack int64) (shown, error) {
	frames := samples[:len(samples)-1] // without the row that holds the end
	sync := 0
	for _, s := range frames {
		if s.sync {
			sync++
		}
	}
	out := shown{presentation: make([]int64, 0, len(frames)), sync: make([]int64, 0, sync)}
	if len(edits) == 0 {
		for i, s := range frames {
			if !s.gone {
				out.show(s.decode+int64(s.offset), samples[i+1].decode-s.decode, i, s.sync)
			}
		}
		out.sort()
		return out, nil
	}
	hasOffsets := slices.ContainsFunc(frames, func(s sample) bool { return s.offset != 0 })
	var gap, entryEnd int64
	first := int64(-1) // the earliest presentation time so far; -1 if there is none yet
	out.irregular = len(edits) > 2 || len(edits) == 2 && (edits[0].Time != -1 || edits[1].Time == -1)
	for _, e := range edits {
		now := entryEnd
		entryEnd += e.Duration
		if e.Time == -1 {
			gap += e.Duration
			continue
		}
		started, lastChance := false, false
		from := startOf(frames, e.Time, shift, hasOffsets)
		if len(out.presentation) == 0 {
			out.first = from
		}
		for i := from; i < len(frames); i++ {
			s := frames[i]
			length := samples[i+1].decode - s.decode
			step := length
			if i == len(frames)-1 {
				step = e.Duration
			}
			at := s.decode + int64(s.offset)
			if at >= e.Time && at < e.Time+e.Duration {
				if pts := now + int64(s.offset); first < 0 {
					first = pts
				} else {
					first = min(first, pts)
				}
				started = true
				// The end of the edit shortens the frame, unless the difference is only due to
				// rounding.
				if over := at + length - (e.Time + e.Duration); over >= slack {
					length -= over
				}
				if len(out.presentation) == maxSamples {
					return out, fault.New(fault.Unsupported, "the edit list shows more than %d samples", maxSamples)
				}
				if !s.gone {
					out.show(now+int64(s.offset), length, i, s.sync)
				}
			}
			if started {
				now += step
			} else if first < 0 {
				out.hidden++
			}
			// After the edit's end the demuxer continues to the next sync sample. If frames are
			// reordered, it continues to the sync sample after that, because frames of the edit may
			// follow the first one in decode order.
			if at+step >= e.Time+e.Duration && s.sync {
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

// show adds the sample of a number in decode order, which is shown from at for length ticks.
func (o *shown) show(at, length int64, number int, sync bool) {
	o.presentation = append(o.presentation, at)
	if sync {
		o.sync = append(o.sync, at)
		if !o.irregular {
			o.numbers = append(o.numbers, number)
		}
	}
	if len(o.presentation) == 1 || at+max(length, 1) > o.end {
		o.end = at + max(length, 1)
	}
}

func (o *shown) sort() {
	slices.Sort(o.presentation)
	if o.irregular {
		o.numbers = nil
		slices.Sort(o.sync)
	} else if !slices.IsSorted(o.sync) {
		sort.Sort(byTime{o.sync, o.numbers})
	}
}

// startOf returns the index of the sample at which the demuxer starts for media time at: the last
// sync sample that is neither decoded nor shown later, else the first sample.
func startOf(frames []sample, at, shift int64, hasOffsets bool) int {
	i := sort.Search(len(frames), func(i int) bool { return frames[i].decode > at }) - 1
	for ; i >= 0; i-- {
		if frames[i].sync && (!hasOffsets || frames[i].decode-shift+int64(frames[i].offset) <= at-shift) {
			return i
		}
	}
	return 0
}
