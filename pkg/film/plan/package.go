package plan

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// maxPlausibleDuration is longer than any film: 30 years, in microseconds. An index that declares
// more is damaged or hostile, and is not divided at multiples of a media segment.
const maxPlausibleDuration = 1e15

// openEnd is how far after the declared end of the video track the last segment may have media
// segments.
const openEnd = 10 * time.Minute

// MaxForcedKeyframes bounds the list of keyframes that an encoder is given, so that the argument
// stays below the 128 KiB that Linux allows for one.
const MaxForcedKeyframes = 8000

// minMediaSegment is the shortest last media segment. A shorter one would cost a request for next
// to nothing. And audio is often some milliseconds longer than video: hls.js 1.7.4 never requests
// an audio segment of a few milliseconds, and waits for it at the end.
const minMediaSegment = 250 * time.Millisecond

// AlignedSegments returns the segments of a job that makes packages, whose media segments are as
// long as every. Boundaries lie on multiples of every, counted from the start of the video track,
// so that all media segments but the last one have that length. A segment holds the number of media
// segments that comes nearest to the wanted length, and more where sync frames are so sparse that
// workers would decode the source again and again.
func AlignedSegments(index Index, tb media.Rational, want, every time.Duration) []film.Segment {
	x := index.bounded()
	length := x.segmentLength(tb, want)
	step := uint64(media.Rescale(media.Ticks(every.Microseconds()), media.Microseconds, tb))
	if step < 1 || distance(x.Start, x.End) > uint64(media.Rescale(maxPlausibleDuration, media.Microseconds, tb)) {
		return Segments(index, tb, want)
	}
	starts := []media.Ticks{x.Start}
	at := x.Start
	for n := int64(0); ; {
		n += int64(max((max(length, distance(x.entry(at), at)/runUpShare)+step/2)/step, 1))
		next := segmentStart(x.Start, tb, every, n)
		if next <= at || next >= x.End || distance(next, x.End) < min(length, step)/lastShare {
			break
		}
		at = next
		boundary := at
		if len(x.Times) > 0 {
			i, _ := slices.BinarySearch(x.Times, at)
			if i == len(x.Times) {
				break
			}
			boundary = x.Times[i]
		}
		if boundary > starts[len(starts)-1] && boundary < x.End {
			starts = append(starts, boundary)
		}
	}
	segments := x.segmentsAt(starts)
	for i := 1; i < len(segments); i++ {
		segments[i].Boundary = film.AtMediaSegment
	}
	return segments
}

// Grid is a sequence of times at which keyframes of a package's video should be: those that divide
// each media segment of length Segment into so many equal parts. Times are counted from the start of
// the video track. The first frame at or after each one is a keyframe; the first of every Keyframes
// begins a media segment. The zero value of Keyframes counts as 1.
type Grid struct {
	Segment   time.Duration
	Keyframes int
}

// GridPoint is a time of a Grid.
type GridPoint struct {
	N       int64 // its number, counted from 0
	At      media.Ticks
	Segment bool // a media segment begins
}

// GridOf returns the grid of a rendition for packages.
func GridOf(r film.Rendition) Grid {
	return Grid{Segment: RenditionSegmentLength(r), Keyframes: r.Keyframes}
}

// Interval returns the distance of keyframes, rounded up.
func (g Grid) Interval() time.Duration {
	parts := time.Duration(max(g.Keyframes, 1))
	return (g.Segment + parts - 1) / parts
}

// units returns the timebase in which points are a whole number of ticks apart, and that number.
func (g Grid) units() (tb media.Rational, step int64) {
	return media.Rational{Num: 1, Den: 1_000_000 * int64(max(g.Keyframes, 1))}, g.Segment.Microseconds()
}

// at returns point n, for a video track that begins at start.
func (g Grid) at(n int64, start media.Ticks, tb media.Rational) media.Ticks {
	unit, step := g.units()
	return start + media.Rescale(media.Ticks(step*n), unit, tb)
}

// nearest returns the number of the point that is nearest to t. It is 0 before start.
func (g Grid) nearest(t, start media.Ticks, tb media.Rational) int64 {
	unit, step := g.units()
	return (int64(media.Rescale(max(t, start)-start, tb, unit)) + step/2) / step
}

// segmentStart returns the tick at which media segment n of a package should begin, for a video
// track that begins at start. The first frame at or after it is the segment's first.
func segmentStart(start media.Ticks, tb media.Rational, every time.Duration, n int64) media.Ticks {
	return Grid{Segment: every}.at(n, start, tb)
}

// Points returns the points of the grid after a segment's start and before its end, and the number of
// the point that the segment's own start stands for. They are limit points at most: if there are
// more, only those at which media segments begin. start is the start of the video track. The last segment has no fixed end, so its list goes on for a while after the end
// that the index declares.
func (g Grid) Points(seg film.Segment, start media.Ticks, tb media.Rational, limit int) (first int64, points []GridPoint) {
	if g.Segment < time.Millisecond {
		return 0, nil
	}
	end := seg.End
	if seg.OpenEnd() {
		end += tb.Ticks(openEnd)
	}
	n := g.nearest(seg.Start, start, tb)
	for ; len(points) < limit*max(g.Keyframes, 1); n++ {
		at := g.at(n, start, tb)
		if at >= end && (!seg.OpenEnd() || seg.End > seg.Start+1) { // an end one tick after the start is not known
			break
		}
		if at > seg.Start {
			points = append(points, GridPoint{n, at, n%int64(max(g.Keyframes, 1)) == 0})
		}
	}
	first = n
	if len(points) > 0 {
		first = points[0].N
	}
	if len(points) > limit {
		points = slices.DeleteFunc(points, func(p GridPoint) bool { return !p.Segment })
		points = points[:min(len(points), limit)]
	}
	return max(first-1, 0), points
}

// PointsBetween returns what Points does for a segment that may begin anywhere, as a source chunk
// does at a keyframe of the source. Such a start takes the place of the nearest point, so that each
// point stands for exactly one keyframe if segments are longer than the grid's interval.
func (g Grid) PointsBetween(seg film.Segment, start media.Ticks, tb media.Rational, limit int) (first int64, points []GridPoint) {
	if g.Segment < time.Millisecond {
		return 0, nil
	}
	_, points = g.Points(seg, start, tb, limit)
	first = g.nearest(seg.Start, start, tb)
	next := int64(math.MaxInt64)
	if !seg.Last {
		next = g.nearest(seg.End, start, tb)
	}
	return first, slices.DeleteFunc(points, func(p GridPoint) bool { return p.N <= first || p.N >= next })
}

// SegmentStarts returns the ticks after a segment's start and before its end at which media
// segments of a package begin, if they are as long as every: limit ticks at most. start and the end
// of the last segment are those of Grid.Points.
func SegmentStarts(seg film.Segment, start media.Ticks, tb media.Rational, every time.Duration, limit int) []media.Ticks {
	_, points := Grid{Segment: every}.Points(seg, start, tb, limit)
	var starts []media.Ticks
	for _, p := range points {
		starts = append(starts, p.At)
	}
	return starts
}

// CutPoints returns the times of the frames that are the first at or after each of points. times are
// those of a segment's frames, ascending. A frame that several points stand for has the number of the
// last one. The segment's own first frame is not in the list.
func CutPoints(times []media.Ticks, points []GridPoint) []GridPoint {
	var cuts []GridPoint
	from := 1 // frames before it belong to points that have been found
	for _, p := range points {
		if n := len(cuts); n > 0 && p.At <= cuts[n-1].At {
			cuts[n-1].N, cuts[n-1].Segment = p.N, cuts[n-1].Segment || p.Segment
			continue
		}
		if from >= len(times) {
			break
		}
		if p.At <= times[from-1] { // there is no frame between the segment's start and this point
			continue
		}
		n, _ := slices.BinarySearch(times[from:], p.At)
		if from += n; from < len(times) {
			cuts = append(cuts, GridPoint{p.N, times[from], p.Segment})
			from++
		}
	}
	return cuts
}

// WithoutShortTail returns cuts without the last one if less than a quarter of a second lies
// between it and the end: these frames then belong to the media segment before. Times are in ticks
// of scale.
func WithoutShortTail(cuts []int64, end int64, scale media.Rational) []int64 {
	if n := len(cuts); n > 0 && end-cuts[n-1] < int64(scale.Ticks(minMediaSegment)) {
		return cuts[:n-1]
	}
	return cuts
}
