package verify

import (
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// clock compares times of two timebases exactly. Each stream counts from its own first frame; both are turned into
// parts of which every tick of either is a multiple.
type clock struct {
	source, output           int64 // parts in a tick
	sourceFirst, outputFirst int64 // ticks
	perSecond                int64 // parts
}

func newClock(source, output media.Rational) (clock, error) {
	if !source.Known() || !output.Known() {
		return clock{}, fault.New(fault.Unsupported, "a video stream without a timebase cannot be compared")
	}
	divisor := gcd(source.Den, output.Den)
	if source.Den/divisor > math.MaxInt32 || output.Den > math.MaxInt64/(source.Den/divisor)/1000 {
		return clock{}, fault.New(fault.Unsupported, "timebases of %s s and %s s are too fine to compare", source, output)
	}
	common := source.Den / divisor * output.Den
	return clock{source: source.Num * (common / source.Den), output: output.Num * (common / output.Den), perSecond: common}, nil
}

func (c clock) sourceTime(ticks int64) int64 { return (ticks - c.sourceFirst) * c.source }
func (c clock) outputTime(ticks int64) int64 { return (ticks - c.outputFirst) * c.output }

// after is when a source's frame is to be shown that follows one shown at a time. A damaged source may decode to two
// frames at one time; no file can show both, so the second comes a tick of the output later.
func (c clock) after(at, ticks, next int64) int64 {
	if next > ticks {
		return c.sourceTime(next)
	}
	return max(c.sourceTime(next), at+c.output)
}

// duration is a number of parts as a length of time.
func (c clock) duration(parts int64) time.Duration {
	return time.Duration(math.Round(float64(parts) / float64(c.perSecond) * float64(time.Second)))
}

// timing is what is known of the frames' times.
type timing struct {
	pairs       int
	lost, extra int // source frames without an output frame, output frames without a source frame
	firstLost   spot
	firstExtra  spot
	low, high   int64 // the errors' range, in parts; both 0 where every time is exact
	worst       spot  // where the error is largest
	firstOff    spot  // the first error of more than half a tick of the output
	off         int   // how many errors are more than that
}

// spot is a frame: its number, counted from 0, and its time after the first.
type spot struct {
	frame int
	at    time.Duration
}

// add takes a pair of frames into account whose times differ by err parts.
func (t *timing) add(c clock, err int64, at spot) {
	if t.pairs == 0 || magnitude(err) > max(magnitude(t.low), magnitude(t.high)) {
		t.worst = at
	}
	t.low, t.high = min(t.low, err), max(t.high, err)
	if 2*magnitude(err) > c.output {
		if t.off == 0 {
			t.firstOff = at
		}
		t.off++
	}
	t.pairs++
}

// exact says whether every time is the source's, as far as the output's timescale can tell: within half a tick of the
// output of its source's, counted from the first frame. Where the first frame itself had to be rounded, the others may
// seem to be off by up to a tick; then they must lie within less than a tick of each other.
func (t *timing) exact(c clock) bool { return t.off == 0 || t.high-t.low < c.output }

// match says which of two frames come next: both as a pair, the source's alone (it is lost in the output), or the
// output's alone (it is none of the source's). Frames belong together that are nearer to each other than either is to
// the other's successor. Times are in parts; more says whether there is a successor.
func match(source, nextSource int64, moreSource bool, output, nextOutput int64, moreOutput bool) (takeSource, takeOutput bool) {
	apart := magnitude(source - output)
	switch {
	case moreSource && magnitude(nextSource-output) < apart:
		return true, false
	case moreOutput && magnitude(nextOutput-source) < apart:
		return false, true
	}
	return true, true
}

// elapsed returns ticks of r as a length of time, rounded down to a nanosecond. What does not fit is an error of kind
// Corrupt.
func elapsed(ticks int64, r media.Rational) (time.Duration, error) {
	if !r.Known() || r.Den > math.MaxInt64/int64(time.Second) {
		return 0, fault.New(fault.Corrupt, "no time can be counted in %s s", r)
	}
	whole, rest := ticks/r.Den, ticks%r.Den // seconds ÷ num, and the remainder in ticks
	if magnitude(whole) > math.MaxInt64/int64(time.Second)/r.Num/2 || magnitude(rest) > math.MaxInt64/int64(time.Second)/r.Num {
		return 0, fault.New(fault.Corrupt, "%d ticks of %s s are too long a time", ticks, r)
	}
	return time.Duration(whole*r.Num)*time.Second + time.Duration(rest*r.Num*int64(time.Second)/r.Den), nil
}

func magnitude(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
