package plan

import (
	"time"

	"github.com/mapreel/mapreel/pkg/media"
)

// roundedTo is how far the times of a constant frame rate may be from exact ones: Matroska, FLV and
// many phones round them to milliseconds.
const roundedTo = time.Millisecond

// HasRate reports whether the frames of an index are shown at a constant rate, apart from rounding:
// frame n of Times at n frame durations after the first. Without Times, it reports whether all sync
// frames are a whole number of frame durations apart.
func (x Index) HasRate(rate, tb media.Rational) bool {
	if !rate.Known() || !tb.Known() {
		return false
	}
	frame := media.Rational{Num: rate.Den, Den: rate.Num}
	tolerance := min(tb.Ticks(roundedTo)+1, media.Rescale(1, frame, tb)/3)
	near := func(n, t, start media.Ticks) bool {
		d := t - start - media.Rescale(n, frame, tb)
		return -tolerance <= d && d <= tolerance
	}
	for i, t := range x.Times {
		if !near(media.Ticks(i), t, x.Times[0]) {
			return false
		}
	}
	if len(x.Times) > 0 {
		return true
	}
	for _, t := range x.Sync {
		if !near(media.Rescale(t-x.Start, tb, frame), t, x.Start) {
			return false
		}
	}
	return true
}
