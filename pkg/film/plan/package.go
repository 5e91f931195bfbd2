package plan

import (
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
		n += int64(max((max(length, distance(x.lastSync(at), at)/runUpShare)+step/2)/step, 1))
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
	return x.segmentsAt(starts)
}

// segmentStart returns the tick at which media segment n of a package should begin, for a video
// track that begins at start. The first frame at or after it is the segment's first.
func segmentStart(start media.Ticks, tb media.Rational, every time.Duration, n int64) media.Ticks {
	return start + media.Rescale(media.Ticks(every.Microseconds()*n), media.Microseconds, tb)
}

// nearestSegmentStart returns the number of the media segment whose start is nearest to t. t is not
// before start.
func nearestSegmentStart(start, t media.Ticks, tb media.Rational, every time.Duration) int64 {
	us, e := int64(media.Rescale(t-start, tb, media.Microseconds)), every.Microseconds()
	return (us + e/2) / e
}

// SegmentStarts returns the ticks after a segment's start and before its end at which media
// segments of a package begin, if they are as long as every: limit ticks at most. start is the
// start of the video track. The last segment has no fixed end, so its list goes on for a while
// after the end that the index declares.
func SegmentStarts(seg film.Segment, start media.Ticks, tb media.Rational, every time.Duration, limit int) []media.Ticks {
	if every < time.Millisecond {
		return nil
	}
	end := seg.End
	if seg.Last {
		end += tb.Ticks(openEnd)
	}
	var starts []media.Ticks
	for n := max(nearestSegmentStart(start, max(seg.Start, start), tb, every), 0); len(starts) < limit; n++ {
		at := segmentStart(start, tb, every, n)
		if at >= end && (!seg.Last || seg.End > seg.Start+1) { // an end one tick after the start is not known
			break
		}
		if at > seg.Start {
			starts = append(starts, at)
		}
	}
	return starts
}

// CutPoints returns the times of the frames with which media segments begin: the first frame at or
// after each of starts. times are those of a segment's frames, ascending. The segment's own first
// frame begins a media segment in any case and is not in the list.
func CutPoints(times, starts []media.Ticks) []media.Ticks {
	var cuts []media.Ticks
	from := 1 // frames before it belong to media segments that have begun
	for _, at := range starts {
		if from >= len(times) {
			break
		}
		if at <= times[from-1] { // there is no frame between the previous start and this one
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

// WithoutShortTail returns cuts without the last one if less than a quarter of a second lies
// between it and the end: these frames then belong to the media segment before. Times are in ticks
// of scale.
func WithoutShortTail(cuts []int64, end int64, scale media.Rational) []int64 {
	if n := len(cuts); n > 0 && end-cuts[n-1] < int64(scale.Ticks(minMediaSegment)) {
		return cuts[:n-1]
	}
	return cuts
}
