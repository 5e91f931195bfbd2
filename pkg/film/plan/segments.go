// Package plan decides how a source is divided and what is made of it. Everything here is arithmetic: values in, values
// out, the same for the same input.
//
//	j, err := plan.Job(req, source, encoder, copyable)
//	segments := plan.Segments(index, source.Picture.Timebase, 10*time.Second)
package plan

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Index is what a source's own index says of its picture, in ticks.
type Index struct {
	Start media.Ticks   // of the first frame shown
	End   media.Ticks   // end of the last frame
	Sync  []media.Ticks // timestamps of frames from which decoding can begin, ascending
	Times []media.Ticks // timestamps of all frames shown, ascending; empty where the index does not hold them
}

// chosen are the sync frames that an encoder put where it wanted to, as a rule at a scene cut. The others come because
// the longest allowed distance since the last one was over. A cut at one of those costs: the encoder of the segment that
// ends there cannot know that the scene goes on, and spends less on its last second or two than one long encode would
// (x264, CRF 21: a fifth of the bytes). An index in which all distances are about the same has none.
func chosen(sync []media.Ticks) []media.Ticks {
	var longest uint64
	for i := 1; i < len(sync); i++ {
		longest = max(longest, distance(sync[i-1], sync[i]))
	}
	var list []media.Ticks
	for i := 1; i < len(sync); i++ {
		if d := distance(sync[i-1], sync[i]); d > 0 && d < longest-longest/50 { // two percent: timestamps may be rounded
			list = append(list, sync[i])
		}
	}
	return list
}

// Keyframes that one long encode sets without a scene cut: x264 and x265 do so by default when interval frames have
// passed since the last one, and do not count a cut that comes less than soonest after it (keyint, min-keyint).
const (
	interval = 250
	soonest  = interval / 10
)

// regular are the frames at which one long encode sets a keyframe though the scene goes on. They follow from the scene
// cuts, whatever the encoder of the source did between them. None are known where frames or cuts are not.
func (x Index) regular(scenes []media.Ticks) []media.Ticks {
	if len(scenes) == 0 {
		return nil
	}
	var list []media.Ticks
	last := 0
	for i := range len(scenes) + 1 {
		next := len(x.Times)
		if i < len(scenes) {
			next, _ = slices.BinarySearch(x.Times, scenes[i])
		}
		for next-last > interval {
			last += interval
			list = append(list, x.Times[last])
		}
		if next-last >= soonest {
			last = next
		}
	}
	return list
}

// due are the regular keyframes of one long encode that an encode which begins at start lacks: those before the next
// scene cut, unless start is a keyframe of the long one too. To begin a segment at one, a worker may have to decode from
// a sync frame before it; what that costs is bounded as it is for boundaries at wanted places.
func (x Index) due(start media.Ticks, scenes, regular []media.Ticks) []media.Ticks {
	next, cut := slices.BinarySearch(scenes, start)
	from, counted := slices.BinarySearch(regular, start)
	if cut || counted || start <= x.Start {
		return nil
	}
	list := regular[from:]
	if next < len(scenes) {
		through, _ := slices.BinarySearch(list, scenes[next])
		list = list[:through]
	}
	least := distance(x.syncAt(start), start) / runUp
	for len(list) > 0 && distance(start, list[0]) < least && x.syncAt(list[0]) != list[0] {
		list = list[1:]
	}
	return list
}

// MaxSegments is how many children a Distributed Map may have; a film that would give more gets longer segments.
const MaxSegments = 10_000

// Shares of a segment's length that decide where it ends.
const (
	slack = 2 // a boundary moves by up to 1/slack to lie on a sync frame
	rest  = 4 // the last segment is not shorter than 1/rest, but joined to the one before it
	runUp = 4 // a segment is not shorter than 1/runUp of what its worker decodes before it
)

// Segments covers [index.Start, index.End) without gap or overlap, with at least one and at most MaxSegments segments
// of about the wanted length. An index that says of nothing but a point in time is taken to be one tick long.
//
// A boundary is the sync frame nearest to the wanted place, if one lies within half a length of it, and of these rather
// one at a scene cut, where a new segment costs nothing. A segment that had to begin elsewhere rather ends where one long
// encode sets a regular keyframe, which this segment's encoder, counting from its own beginning, would not. Else it is the wanted place itself, or the next frame where
// their times are known, and the worker decodes from the sync frame before it. That costs decoding the same frames
// again, more for each segment that hangs on the same sync frame, so the longer the run-up, the longer the segment. All
// workers together never decode more than six times the source, however sparse its sync frames are: a segment that
// does not end at a sync frame is at least a quarter of its run-up, and the run-up of one that does is no longer than
// the segments since the sync frame before.
//
// A segment is between half and one and a half times as long as wanted (longer where sync frames or frames are sparse),
// the last one between a quarter and one and three quarters. Where the times of frames are known, each segment has one.
func Segments(index Index, tb media.Rational, want time.Duration) []film.Segment {
	x := index
	within, _ := slices.BinarySearch(x.Sync, x.End)
	scenes := chosen(x.Sync[:within])
	regular := x.regular(scenes)
	x.Start = min(x.Start, math.MaxInt64-1)
	x.End = max(x.End, x.Start+1)
	// Half as many as allowed, because a boundary may come half a length early.
	length := max(uint64(max(tb.Ticks(want), 1)), distance(x.Start, x.End)/(MaxSegments/slack)+1)

	starts := []media.Ticks{x.Start}
	at := x.Start
	if len(x.Times) > 0 {
		at = max(at, x.Times[0]) // before it is nothing to cut
	}
	for at < x.End {
		if at = x.boundary(at, length, scenes, x.due(at, scenes, regular)); at < x.End {
			starts = append(starts, at)
		}
	}
	segments := x.from(starts)
	if len(scenes) > 0 && len(x.Times) > 0 { // else nothing tells where one long encode has its keyframes
		for i := range segments[1:] {
			start := segments[i+1].Start
			_, cut := slices.BinarySearch(scenes, start)
			_, counted := slices.BinarySearch(regular, start)
			segments[i+1].MidScene = !cut && !counted
		}
	}
	return segments
}

// from are the segments that begin at starts.
func (x Index) from(starts []media.Ticks) []film.Segment {
	within, _ := slices.BinarySearch(x.Sync, x.End)
	segments := make([]film.Segment, len(starts))
	counted := 0
	for i, start := range starts {
		seg := film.Segment{Index: i, Start: start, End: x.End, Seek: x.syncAt(start), Last: i == len(starts)-1}
		if seg.LeadSync = seg.Seek; i > 0 {
			seg.LeadSync = x.syncAt(start - 1)
		}
		if n, _ := slices.BinarySearch(x.Sync, seg.Seek+1); n < within {
			seg.NextKeyframe = new(x.Sync[n])
		}
		through := len(x.Times) // what lies outside of the index belongs to the first and the last
		if !seg.Last {
			seg.End = starts[i+1]
			through, _ = slices.BinarySearch(x.Times, seg.End)
		}
		seg.Frames = through - counted
		counted = through
		segments[i] = seg
	}
	return segments
}

// boundary is where the segment that starts at start ends: after start, and a good way before the end of the picture,
// or at it.
func (x Index) boundary(start media.Ticks, length uint64, scenes, due []media.Ticks) media.Ticks {
	length = max(length, distance(x.syncAt(start), start)/runUp)
	if distance(start, x.End) < length+length/slack {
		return x.End
	}
	want := start + media.Ticks(length) // before the end, so this cannot overflow
	cut, nearest := want, length/slack
	var found, late bool
	for _, frames := range [][]media.Ticks{due, scenes, x.Sync} {
		i, _ := slices.BinarySearch(frames, want)
		for _, s := range frames[max(i-1, 0):min(i+1, len(frames))] {
			d := distance(min(s, want), max(s, want))
			switch {
			case s <= start || s >= x.End || d > nearest:
			case distance(s, x.End) < length/rest:
				late = true
			default:
				cut, nearest, found = s, d, true
			}
		}
		if found {
			break
		}
	}
	if late && !found { // the one good place leaves too little for a segment of its own
		return x.End
	}
	if len(x.Times) > 0 {
		i, _ := slices.BinarySearch(x.Times, cut)
		if i == len(x.Times) {
			return x.End
		}
		cut = max(cut, x.Times[i])
	}
	if cut >= x.End || distance(cut, x.End) < length/rest {
		return x.End
	}
	return cut
}

// distance is how many ticks b lies after a; it never lies before. An index may be longer than Ticks can count.
func distance(a, b media.Ticks) uint64 { return uint64(b) - uint64(a) }

// syncAt is the last sync frame at or before t, or the start where there is none.
func (x Index) syncAt(t media.Ticks) media.Ticks {
	i, found := slices.BinarySearch(x.Sync, t)
	switch {
	case found:
		return t
	case i == 0:
		return min(x.Start, t)
	}
	return x.Sync[i-1]
}

// SourceChunks covers the picture with segments that begin exactly at index.Sync, one each: the stretches that Split cut,
// whose worker reads its own stretch and the next. The number of frames is not promised: what a source without an index
// holds and what can be decoded of it may differ.
func SourceChunks(index Index) []film.Segment {
	segments := make([]film.Segment, len(index.Sync))
	for i, start := range index.Sync {
		segments[i] = film.Segment{Index: i, Start: start, End: index.End, Seek: start, LeadSync: start}
		if i > 0 {
			segments[i-1].End, segments[i-1].NextKeyframe = start, new(start)
			segments[i].LeadSync = segments[i-1].Start
		}
	}
	if n := len(segments); n > 0 {
		segments[0].Start = min(segments[0].Start, index.Start)
		segments[0].Seek, segments[0].LeadSync = segments[0].Start, segments[0].Start
		segments[n-1].Last = true
	}
	return segments
}
