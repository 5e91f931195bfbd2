package verify

import (
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// clock compares times of two timebases exactly. Each stream counts from its own first frame. Both
// are converted to units of which every tick of either stream is a multiple; the comments below
// call these parts.
type clock struct {
	source, output           int64 // parts per tick
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

// elapsed converts ticks of r to a length of time, rounded down to a nanosecond. What does not fit is an error of
// kind Corrupt.
func elapsed(ticks int64, r media.Rational) (time.Duration, error) {
	if !r.Known() || r.Den > math.MaxInt64/int64(time.Second) {
		return 0, fault.New(fault.Corrupt, "no time can be counted in %s s", r)
	}
	whole, rest := ticks/r.Den, ticks%r.Den // seconds ÷ num, and the remainder in ticks
	if abs(whole) > math.MaxInt64/int64(time.Second)/r.Num/2 || abs(rest) > math.MaxInt64/int64(time.Second)/r.Num {
		return 0, fault.New(fault.Corrupt, "%d ticks of %s s are too long a time", ticks, r)
	}
	return time.Duration(whole*r.Num)*time.Second + time.Duration(rest*r.Num*int64(time.Second)/r.Den), nil
}

func (c clock) sourceTime(ticks int64) int64 { return (ticks - c.sourceFirst) * c.source }
func (c clock) outputTime(ticks int64) int64 { return (ticks - c.outputFirst) * c.output }

// after returns the time at which the source frame should be shown that follows one shown at a
// time. A damaged source, or one that was joined of several, may decode to frames with one timestamp,
// or whose timestamps step back. No file can show these, so each is expected one output tick later,
// until the source's own times are past that.
func (c clock) after(at, next int64) int64 {
	if own := c.sourceTime(next); own > at {
		return own
	}
	return at + c.output
}

// duration converts parts to a length of time.
func (c clock) duration(parts int64) time.Duration {
	return time.Duration(math.Round(float64(parts) / float64(c.perSecond) * float64(time.Second)))
}

// timing summarises the errors of the frames' timestamps.
type timing struct {
	pairs       int
	lost, extra int           // source frames without an output frame, output frames without a source frame
	lostFrames  []frameRange  // of the source
	extraFrames []frameRange  // of the output
	low, high   int64         // the range of the errors, in parts; both 0 where every timestamp is exact
	worst       framePosition // frame with the largest error
	firstOff    framePosition // first frame whose error exceeds half a tick of the output
	off         int           // number of such errors
}

// framePosition is the number of a frame, from 0, and its time after the first frame.
type framePosition struct {
	frame int
	at    time.Duration
}

// add records a pair of frames whose times differ by err parts.
func (t *timing) add(c clock, err int64, at framePosition) {
	if t.pairs == 0 || abs(err) > max(abs(t.low), abs(t.high)) {
		t.worst = at
	}
	t.low, t.high = min(t.low, err), max(t.high, err)
	if 2*abs(err) > c.output {
		if t.off == 0 {
			t.firstOff = at
		}
		t.off++
	}
	t.pairs++
}

// exact reports whether every timestamp is as close to the source's as the output's timescale
// allows: within half an output tick, counted from the first frame. Where the first frame itself
// had to be rounded, the others may seem to be off by up to a tick; then all errors must lie within
// less than one tick of each other.
func (t *timing) exact(c clock) bool { return t.off == 0 || t.high-t.low < c.output }

// pairFrames decides which of two current frames to consume: both as a pair, the source's alone
// (the output lost it), or the output's alone (it is not in the source). Two frames form a pair if
// they are nearer to each other than either is to the successor of the other. They do too where their
// successors are as near to each other: two frames that are closer together than a tick of the output
// have one time there. Times are in parts; moreSource and moreOutput report whether there is a
// successor.
func pairFrames(source, nextSource int64, moreSource bool, output, nextOutput int64, moreOutput bool) (takeSource, takeOutput bool) {
	distance := abs(source - output)
	successors := abs(nextSource - nextOutput)
	switch {
	case moreSource && moreOutput && successors <= min(abs(nextSource-output), abs(nextOutput-source)):
		return true, true
	case moreSource && abs(nextSource-output) < distance:
		return true, false
	case moreOutput && abs(nextOutput-source) < distance:
		return false, true
	}
	return true, true
}

func abs(n int64) int64 {
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
