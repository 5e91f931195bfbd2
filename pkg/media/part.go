package media

import (
	"slices"
	"time"
)

// coarseTick is the length of a tick from which on the nearest tick may be too far from a time.
const coarseTick = time.Millisecond

// PartTick returns the first tick of tb that belongs to a part of a film that begins at us, in microseconds; or the first that no
// longer belongs to one that ends there. That is the nearest, as for ffmpeg's filters trim and atrim: a frame whose time its container
// rounded is not lost. Ticks of more than a millisecond, such as those of AVI, are rounded up.
func PartTick(us Ticks, tb Rational) Ticks {
	if tb.Duration(1) > coarseTick {
		return RescaleUp(us, Microseconds, tb)
	}
	return Rescale(us, Microseconds, tb)
}

// PartBound returns the bound of a part of a film whose video counts in tb, in microseconds: us itself, or, where ticks are coarse, the
// first tick from there on. Sound and video then begin together, as the video's timeline has no place between.
func PartBound(us Ticks, tb Rational) Ticks {
	if tb.Duration(1) > coarseTick {
		return Rescale(PartTick(us, tb), tb, Microseconds)
	}
	return us
}

// CutChapters returns the chapters of a part from start to before end, in microseconds, on the part's own timeline. end is 0 where the
// part has no end of its own.
func CutChapters(list []Chapter, start, end Ticks) []Chapter {
	var cut []Chapter
	for _, c := range list {
		if end > 0 {
			c.End = min(c.End, end)
		}
		c.Start, c.End = max(c.Start-start, 0), c.End-start
		if c.End > c.Start && (end <= 0 || c.Start < end-start) {
			cut = append(cut, c)
		}
	}
	return slices.Clip(cut)
}
