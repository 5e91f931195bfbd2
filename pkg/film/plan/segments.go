// Package plan decides how a source is divided into segments and audio parts, and what each output
// is made of. It is pure arithmetic: the same values in give the same values out.
//
//	j, err := plan.Job(request, source, encoder, copyable)
//	segments := plan.Segments(index, source.Video.Timebase, 10*time.Second)
//	j.AudioRenditions = plan.DivideAudio(j, plan.AudioPartLength)
package plan

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Index is what a source's own index declares of its video track, in ticks.
type Index struct {
	Start media.Ticks   // of the first frame shown, of the part that the job takes
	End   media.Ticks   // end of the last frame
	Sync  []media.Ticks // timestamps of frames from which decoding can begin, ascending
	Times []media.Ticks // timestamps of all frames shown, ascending; empty where the index does not hold them
	// Cut reports that the source ends within its media, so that the number of frames in the last
	// segment is not known: the decoder may show the frame that is cut, or not.
	Cut bool
	// First is when the first frame of the whole track is shown, where Start and End are those of a part of it; nil: at Start.
	First *media.Ticks
	// CutEnd reports that frames from End on are left out.
	CutEnd bool
	// Hidden reports that a decoder gets frames before the first that is to be shown.
	Hidden bool
	// Recovery is how long the decoder shows nothing, or no whole frames, after it begins at a sync
	// frame: longer than 0 where sync frames are the recovery points of intra refresh.
	Recovery media.Ticks
	// Chunks describe the source chunks that begin at Sync, of a source that was split and has
	// intra refresh; else nil.
	Chunks []ChunkEntry
}

// ChunkEntry describes how a decoder can begin at a source chunk.
type ChunkEntry struct {
	Gradual bool `json:"gradual,omitempty"` // it begins with a recovery point
	Syncs   int  `json:"syncs"`             // the number of its sync frames, with the first
}

// first returns when the first frame of the whole track is shown.
func (x Index) first() media.Ticks {
	if x.First != nil {
		return *x.First
	}
	return x.Start
}

// MaxSegments is the largest number of segments of a job: as many children as a Distributed Map
// runs side by side. A longer film gets longer segments.
const MaxSegments = 10_000

// Shares of a segment's length that decide where it ends. Each constant is the divisor: 2 means
// half a length.
const (
	reachShare = 2 // a boundary may lie this far from the wanted place to be on a sync frame
	lastShare  = 4 // the last segment is at least this long; a shorter one is joined to the segment before
	runUpShare = 4 // a segment is at least this share of its run-up: of what its worker decodes before it
)

// Segments covers [index.Start, index.End) without gap or overlap, with at least one and at most
// MaxSegments segments of about the wanted length. An index that declares only a point in time
// counts as one tick long.
//
// A boundary is the sync frame nearest to the wanted place, if one lies within half a length of it.
// Sync frames at scene cuts are preferred, because a new segment costs nothing there. A segment
// that starts mid-scene should end at the next keyframe a single-pass encode would force at its GOP
// limit: the segment's own encoder counts frames from the segment's start, so it would set that
// keyframe elsewhere. Without either, the boundary is the wanted place itself, or the next frame
// where the times of frames are known, and the worker decodes from the sync frame before it.
//
// Such a run-up decodes frames again, for each segment that depends on the same sync frame. So the
// longer the run-up, the longer the segment. All workers together never decode more than six times
// the source, however sparse its sync frames are: a segment that does not end at a sync frame is at
// least a quarter of its run-up, and the run-up of one that does is no longer than the segments
// since the previous sync frame.
//
// A segment is between half and one and a half times as long as wanted (longer where sync frames or
// frames are sparse), and the last one between a quarter and one and three quarters. Where the
// times of frames are known, each segment has a frame.
func Segments(index Index, tb media.Rational, want time.Duration) []film.Segment {
	x := index.bounded()
	length := x.segmentLength(tb, want)
	inside, _ := slices.BinarySearch(index.Sync, index.End)
	cuts := sceneCuts(index.Sync[:inside])
	intervals := index.intervalKeyframes(cuts)

	starts := []media.Ticks{x.Start}
	at := x.Start
	if len(x.Times) > 0 {
		at = max(at, x.Times[0]) // there is nothing to divide before the first frame
	}
	for at < x.End {
		if at = x.nextBoundary(at, length, cuts, x.intervalKeyframesAfter(at, cuts, intervals)); at < x.End {
			starts = append(starts, at)
		}
	}
	segments := x.segmentsAt(starts)
	x.explain(segments, cuts, intervals)
	if len(cuts) > 0 && len(x.Times) > 0 { // otherwise the keyframes of a single-pass encode are not known
		for i := range segments[1:] {
			start := segments[i+1].Start
			_, atSceneCut := slices.BinarySearch(cuts, start)
			_, atInterval := slices.BinarySearch(intervals, start)
			segments[i+1].MidScene = !atSceneCut && !atInterval
		}
	}
	return segments
}

// explain sets the boundaries of segments.
func (x Index) explain(segments []film.Segment, cuts, intervals []media.Ticks) {
	for i := 1; i < len(segments); i++ {
		s := &segments[i]
		s.Boundary = film.AtLength
		for _, c := range []struct {
			times []media.Ticks
			is    film.Boundary
		}{{x.Sync, film.AtKeyframe}, {cuts, film.AtSceneCut}, {intervals, film.AtInterval}} {
			if _, found := slices.BinarySearch(c.times, s.Start); found {
				s.Boundary = c.is
			}
		}
	}
}

// bounded returns the index with an End after Start.
func (x Index) bounded() Index {
	x.Start = min(x.Start, math.MaxInt64-1)
	x.End = max(x.End, x.Start+1)
	return x
}

// segmentLength returns the length of the index's segments in ticks: the wanted one, or a longer
// one that keeps their number below MaxSegments. It allows for segments of half that length,
// because boundaries may come half a length early.
func (x Index) segmentLength(tb media.Rational, want time.Duration) uint64 {
	return max(uint64(max(tb.Ticks(want), 1)), distance(x.Start, x.End)/(MaxSegments/reachShare)+1)
}

// sceneCuts returns the sync frames that the source's encoder chose, as a rule at scene cuts. It
// set the others because its longest keyframe interval had passed: their distance to the sync frame
// before is about the longest in the index. A boundary at one of those costs quality: the encoder
// of the segment that ends there does not know that the scene goes on, and spends less on the last
// second or two than a single-pass encode would (x264, CRF 21: a fifth fewer bytes). An index in
// which all distances are about the same has no scene cuts.
func sceneCuts(sync []media.Ticks) []media.Ticks {
	var longest uint64
	for i := 1; i < len(sync); i++ {
		longest = max(longest, distance(sync[i-1], sync[i]))
	}
	var list []media.Ticks
	for i := 1; i < len(sync); i++ {
		if d := distance(sync[i-1], sync[i]); d > 0 && d < longest-longest/50 { // 2 %: timestamps may be rounded
			list = append(list, sync[i])
		}
	}
	return list
}

// Keyframe intervals of a single-pass encode, in frames: the defaults of x264 and x265.
const (
	keyframeInterval    = 250                   // the GOP limit (keyint): the encoder forces a keyframe that long after the last one
	minKeyframeInterval = keyframeInterval / 10 // min-keyint: a scene cut sooner after the last keyframe does not restart the count
)

// intervalKeyframes returns the frames at which a single-pass encode forces a keyframe although the
// scene goes on. They follow from the scene cuts, whatever the source's encoder did between those.
// None are known if the times of frames or the scene cuts are not.
func (x Index) intervalKeyframes(sceneCuts []media.Ticks) []media.Ticks {
	if len(sceneCuts) == 0 {
		return nil
	}
	var list []media.Ticks
	last := 0 // number of the frame with the last keyframe
	for i := range len(sceneCuts) + 1 {
		next := len(x.Times)
		if i < len(sceneCuts) {
			next, _ = slices.BinarySearch(x.Times, sceneCuts[i])
		}
		for next-last > keyframeInterval {
			last += keyframeInterval
			list = append(list, x.Times[last])
		}
		if next-last >= minKeyframeInterval {
			last = next
		}
	}
	return list
}

// intervalKeyframesAfter returns the interval keyframes of a single-pass encode that the encode of
// a segment from start would miss: those before the next scene cut. There are none if start itself
// is a keyframe of the single-pass encode, or the start of the video track. A segment that begins
// at one may need a run-up; its cost is bounded as for boundaries at the wanted place.
func (x Index) intervalKeyframesAfter(start media.Ticks, sceneCuts, intervals []media.Ticks) []media.Ticks {
	next, atSceneCut := slices.BinarySearch(sceneCuts, start)
	from, atInterval := slices.BinarySearch(intervals, start)
	if atSceneCut || atInterval || start <= x.Start {
		return nil
	}
	list := intervals[from:]
	if next < len(sceneCuts) {
		through, _ := slices.BinarySearch(list, sceneCuts[next])
		list = list[:through]
	}
	minLength := distance(x.lastSync(start), start) / runUpShare
	for len(list) > 0 && distance(start, list[0]) < minLength && x.lastSync(list[0]) != list[0] {
		list = list[1:]
	}
	return list
}

// nextBoundary returns the end of the segment that begins at start: well before the end of the
// video track, or that end.
func (x Index) nextBoundary(start media.Ticks, length uint64, sceneCuts, intervals []media.Ticks) media.Ticks {
	length = max(length, distance(x.entry(start), start)/runUpShare)
	if distance(start, x.End) < length+length/reachShare {
		return x.End
	}
	want := start + media.Ticks(length) // before the end, so this cannot overflow
	boundary, nearest := want, length/reachShare
	var found, nearEnd bool
	for _, candidates := range [][]media.Ticks{intervals, sceneCuts, x.Sync} { // in order of preference
		i, _ := slices.BinarySearch(candidates, want)
		for _, t := range candidates[max(i-1, 0):min(i+1, len(candidates))] {
			d := distance(min(t, want), max(t, want))
			switch {
			case t <= start || t >= x.End || d > nearest:
			case distance(t, x.End) < length/lastShare:
				nearEnd = true
			default:
				boundary, nearest, found = t, d, true
			}
		}
		if found {
			break
		}
	}
	if nearEnd && !found { // the only good place leaves too little for a segment of its own
		return x.End
	}
	if len(x.Times) > 0 {
		i, _ := slices.BinarySearch(x.Times, boundary)
		if i == len(x.Times) {
			return x.End
		}
		boundary = max(boundary, x.Times[i])
	}
	if boundary >= x.End || distance(boundary, x.End) < length/lastShare {
		return x.End
	}
	return boundary
}

// segmentsAt returns the segments that begin at starts.
func (x Index) segmentsAt(starts []media.Ticks) []film.Segment {
	inside, _ := slices.BinarySearch(x.Sync, x.End)
	segments := make([]film.Segment, len(starts))
	assigned := 0 // frames that belong to previous segments
	for i, start := range starts {
		seg := film.Segment{Index: i, Start: start, End: x.End, Seek: x.entry(start), Last: i == len(starts)-1}
		seg.CutStart, seg.CutEnd = i == 0 && start > x.first(), seg.Last && x.CutEnd
		if seg.LeadSync = seg.Seek; !seg.OpenStart() {
			seg.LeadSync = x.entry(start - 1)
		}
		if n, _ := slices.BinarySearch(x.Sync, seg.Seek+1); n < inside {
			seg.NextKeyframe = new(x.Sync[n])
		}
		through := len(x.Times) // frames outside of [Start, End) belong to the first and the last segment
		if !seg.Last {
			seg.End = starts[i+1]
			through, _ = slices.BinarySearch(x.Times, seg.End)
		}
		if seg.Frames = through - assigned; seg.Last && x.Cut {
			seg.Frames = 0
		}
		assigned = through
		segments[i] = seg
	}
	return segments
}

// distance returns b - a, for a ≤ b. The difference may be larger than Ticks can hold.
func distance(a, b media.Ticks) uint64 { return uint64(b) - uint64(a) }

// lastSync returns the last sync frame at or before t, or the start of the video track if there is
// none.
func (x Index) lastSync(t media.Ticks) media.Ticks {
	i, found := slices.BinarySearch(x.Sync, t)
	switch {
	case found:
		return t
	case i == 0:
		return min(x.first(), t)
	}
	return x.Sync[i-1]
}

// Intra refresh needs a run-up. A refresh is complete before the next begins, but frames that the
// decoder counts as whole are not always: those that were missing at the entry point may have upset
// the order of reference frames, and what refers to the wrong ones stays wrong until it is refreshed
// once more. (x264 build 164, keyint 36: at one of twelve recovery points, 28 wrong frames. From the
// recovery point before, all were right.)
const (
	gradualSyncs    = 2 // decoding begins this many sync frames before the last one that precedes the segment
	gradualRecovery = 3 // and at least this many times Index.Recovery before the segment
)

// entry returns the sync frame from which decoding gives whole frames from t on.
func (x Index) entry(t media.Ticks) media.Ticks {
	sync := x.lastSync(t)
	if x.Recovery <= 0 {
		return sync
	}
	for n := 0; sync > x.first() && (n < gradualSyncs || distance(sync, t) < gradualRecovery*uint64(x.Recovery)); n++ {
		sync = x.lastSync(sync - 1)
	}
	return sync
}

// runUp returns how many source chunks before chunk i a decoder must read to give whole frames from
// that chunk on.
func (x Index) runUp(i int) int {
	if len(x.Chunks) != len(x.Sync) || !x.Chunks[i].Gradual {
		return 0
	}
	n, syncs := 0, 0
	for n < i && (syncs < gradualSyncs || distance(x.Sync[i-n], x.Sync[i]) < gradualRecovery*uint64(max(x.Recovery, 0))) {
		n++
		syncs += x.Chunks[i-n].Syncs
		if !x.Chunks[i-n].Gradual {
			break
		}
	}
	return n
}

// SourceChunks covers the video track with one segment per source chunk: they begin exactly at
// index.Sync. A segment's worker reads its own source chunk and the next, and those of its run-up.
// The number of frames stays unknown: a source without an index may hold frames that cannot be
// decoded.
func SourceChunks(index Index) []film.Segment {
	segments := make([]film.Segment, len(index.Sync))
	for i, start := range index.Sync {
		segments[i] = film.Segment{Index: i, Start: start, End: index.End, Seek: start, LeadSync: start, RunUp: index.runUp(i)}
		if i > 0 {
			segments[i-1].End, segments[i-1].NextKeyframe = start, new(start)
			segments[i].LeadSync, segments[i].Boundary = segments[i-1].Start, film.AtSourceChunk
		}
	}
	if n := len(segments); n > 0 {
		segments[0].Start = min(segments[0].Start, index.Start)
		segments[0].Seek, segments[0].LeadSync = segments[0].Start, segments[0].Start
		segments[n-1].Last = true
	}
	return segments
}
