// Package plan decides how a source is divided and what is made of it. Everything here is arithmetic: values in, values
// out, the same for the same input.
//
//	segments := plan.Segments(index, picture.Timebase, 10*time.Second)
package plan

import (
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/job"
)

// Index is what a source's own index says of its picture, in ticks.
type Index struct {
	Start job.Ticks   // of the first frame shown
	End   job.Ticks   // end of the last frame
	Sync  []job.Ticks // timestamps of frames from which decoding can begin, ascending
	Times []job.Ticks // timestamps of all frames shown, ascending; nil where the index does not hold them
}

// MaxSegments is how many children a Distributed Map may have; a film that would give more gets longer segments.
const MaxSegments = 10_000

// Segments covers [index.Start, index.End) without gap or overlap.
//
// A boundary is the sync frame nearest to the wanted place, if one lies within half a segment of it: encoders put sync
// frames at scene cuts, where a new segment costs nothing. Else it is the wanted place itself, and the worker decodes
// from the sync frame before it. That costs decoding the same frames again, more for each segment that hangs on the
// same sync frame, so the longer the run-up, the longer the segment: it is never shorter than a quarter of its run-up.
func Segments(index Index, tb job.Timebase, want time.Duration) []job.Segment {
	if index.End <= index.Start {
		return nil
	}
	length := max(tb.Ticks(want), 1, (index.End-index.Start)/(MaxSegments/2)+1) // half: a cut may come half a length early
	var cuts []job.Ticks                                                        // starts of the segments after the first
	for at := index.Start; ; {
		next := index.boundary(at, length)
		if next >= index.End {
			break
		}
		cuts = append(cuts, next)
		at = next
	}
	segments := make([]job.Segment, 0, len(cuts)+1)
	start := index.Start
	for _, end := range append(cuts, index.End) {
		seg := job.Segment{Start: start, End: end, Seek: index.syncAt(start), Frames: index.count(start, end)}
		start = end
		if index.Times != nil && seg.Frames == 0 { // a hole in a variable frame rate: nobody's work
			if n := len(segments); n > 0 {
				segments[n-1].End = end
			} else {
				start = seg.Start
			}
			continue
		}
		seg.Index = len(segments)
		segments = append(segments, seg)
	}
	if n := len(segments); n > 0 {
		segments[n-1].Last = true
		segments[n-1].End = index.End
	}
	return segments
}

// boundary is where the segment that starts at start ends.
func (x Index) boundary(start, length job.Ticks) job.Ticks {
	length = max(length, (start-x.syncAt(start))/4)
	want := start + length
	if x.End-want < length/2 { // a last segment shorter than half is joined to this one
		return x.End
	}
	best := want
	slack := length / 2
	i, _ := slices.BinarySearch(x.Sync, want)
	for _, j := range []int{i - 1, i} {
		if j < 0 || j >= len(x.Sync) || x.Sync[j] <= start {
			continue
		}
		if d := max(x.Sync[j]-want, want-x.Sync[j]); d <= slack {
			best, slack = x.Sync[j], d
		}
	}
	return best
}

// syncAt is the last sync frame at or before t, or the start where there is none.
func (x Index) syncAt(t job.Ticks) job.Ticks {
	i, found := slices.BinarySearch(x.Sync, t)
	switch {
	case found:
		return t
	case i == 0:
		return min(x.Start, t)
	}
	return x.Sync[i-1]
}

func (x Index) count(start, end job.Ticks) int {
	i, _ := slices.BinarySearch(x.Times, start)
	j, _ := slices.BinarySearch(x.Times, end)
	return j - i
}

// Stretches covers the picture with segments that begin exactly at index.Sync, one each: the stretches that Split cut,
// whose worker reads its own stretch and the next. The number of frames is not promised: what a source without an index
// holds and what can be decoded of it may differ.
func Stretches(index Index) []job.Segment {
	segments := make([]job.Segment, len(index.Sync))
	for i, start := range index.Sync {
		segments[i] = job.Segment{Index: i, Start: start, End: index.End, Seek: start}
		if i > 0 {
			segments[i-1].End = start
		}
	}
	if n := len(segments); n > 0 {
		segments[0].Start = min(segments[0].Start, index.Start)
		segments[n-1].Last = true
	}
	return segments
}
