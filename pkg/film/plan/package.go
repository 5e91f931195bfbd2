package plan

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Aligned is Segments for packages: boundaries lie on multiples of every, counted from the picture's start, so that all
// media segments of the package are as long as asked for, the last one apart. A segment holds as many of them as come
// nearest to the wanted length, more where sync frames are so sparse that workers would decode the source over and over.
func Aligned(index Index, tb media.Rational, want, every time.Duration) []film.Segment {
	x := index
	x.Start = min(x.Start, math.MaxInt64-1)
	x.End = max(x.End, x.Start+1)
	length := max(uint64(max(tb.Ticks(want), 1)), distance(x.Start, x.End)/(MaxSegments/slack)+1)
	step := uint64(media.Rescale(media.Ticks(every.Microseconds()), media.Microseconds, tb))
	if step < 1 || distance(x.Start, x.End) > uint64(media.Rescale(absurd, media.Microseconds, tb)) {
		return Segments(index, tb, want)
	}
	starts := []media.Ticks{x.Start}
	at := x.Start
	for n := int64(0); ; {
		cells := max((max(length, distance(x.syncAt(at), at)/runUp)+step/2)/step, 1)
		n += int64(cells)
		next := line(x.Start, tb, every, n)
		if next <= at || next >= x.End || distance(next, x.End) < min(length, step)/rest {
			break
		}
		at = next
		cut := at
		if len(x.Times) > 0 {
			i, _ := slices.BinarySearch(x.Times, at)
			if i == len(x.Times) {
				break
			}
			cut = x.Times[i]
		}
		if cut > starts[len(starts)-1] && cut < x.End {
			starts = append(starts, cut)
		}
	}
	return x.from(starts)
}

// line is where the n-th media segment of a package begins: the first frame at or after it is its first.
func line(start media.Ticks, tb media.Rational, every time.Duration, n int64) media.Ticks {
	return start + media.Rescale(media.Ticks(every.Microseconds()*n), media.Microseconds, tb)
}

// nearest is the number of the line nearest to t, which is not before start.
func nearest(start, t media.Ticks, tb media.Rational, every time.Duration) int64 {
	us, e := int64(media.Rescale(t-start, tb, media.Microseconds)), every.Microseconds()
	return (us + e/2) / e
}

// absurd is a length in microseconds that no film has: 30 years. An index that claims more is not cut along lines.
const absurd = 1e15

// beyond is how far a last segment may go on after the end that its index told.
const beyond = 10 * time.Minute

// MaxForcedKeyframes bounds the list that an encoder is told: its argument stays below the 128 KiB that Linux allows one.
const MaxForcedKeyframes = 8000

// SegmentStarts are the ticks within a segment, its start apart, at which media segments of a package that are as long as every
// begin, and no more than most. start is the picture's. A last segment, which is open, has some after its end.
func SegmentStarts(seg film.Segment, start media.Ticks, tb media.Rational, every time.Duration, most int) []media.Ticks {
	if every < time.Millisecond {
		return nil
	}
	end := seg.End
	if seg.Last {
		end += tb.Ticks(beyond)
	}
	var lines []media.Ticks
	for n := max(nearest(start, max(seg.Start, start), tb, every), 0); len(lines) < most; n++ {
		at := line(start, tb, every, n)
		if at >= end && (!seg.Last || seg.End > seg.Start+1) {
			break
		}
		if at > seg.Start {
			lines = append(lines, at)
		}
	}
	return lines
}

// CutPoints are the times of the frames with which media segments begin, of a segment whose frames have these times,
// ascending: the first at or after each line. The segment's own first frame begins one in any case and is not named.
func CutPoints(times, lines []media.Ticks) []media.Ticks {
	var cuts []media.Ticks
	from := 1 // the frames before it are taken
	for _, at := range lines {
		if from >= len(times) {
			break
		}
		if at <= times[from-1] { // no frame lies between the line before and this one
			continue
		}
		n, _ := slices.BinarySearch(times[from:], at)
		if from += n; from < len(times) {
			cuts = append(cuts, times[from])
			from++
		}
	}
	return cuts
}

// crumb is what is too short for a last media segment of its own. It is a request for next to nothing, and hls.js 1.7.4 never
// asks for one of a few milliseconds, which the sound often has more than the picture: it waits for it at the end.
const crumb = 250 * time.Millisecond

// WithoutShortTail returns cuts without the last one where less than a quarter of a second lies between it and the end; what
// would follow belongs to the media segment before. Times are of the scale.
func WithoutShortTail(cuts []int64, end int64, scale media.Rational) []int64 {
	if n := len(cuts); n > 0 && end-cuts[n-1] < int64(scale.Ticks(crumb)) {
		return cuts[:n-1]
	}
	return cuts
}
