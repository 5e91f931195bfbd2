package verify

import (
	"math"
	"slices"
	"sort"
)

// What makes a picture wrong. An encoder spends its bits unevenly: at a cut, in a fade or a flash the PSNR moves by some
// dB, but it stays between what comes before and after or falls little below both. A frame that is damaged, or not the
// one that belongs there, falls by far more.
const (
	// steepDrop is how far a frame may fall below the frames before it and those after it, in dB. It is
	// a choice, not a measurement: honest encodes of one real film (x264, CRF 21 to 38; VP9 at 150 kbit/s) had no frame so low, and
	// how far a flash of one frame falls was not measured.
	steepDrop = 10
	// plentyPSNR is above what anyone can see; a drop is counted from here at most, in dB, so that a frame between black ones
	// (60 dB and more) is not blamed.
	plentyPSNR = 45
	// leastPSNR is where a picture has nothing to do with its source any more, in dB. A choice.
	leastPSNR = 13
	// around is how many frames before and after one are looked at.
	around = 24

	// A picture shows the frame before its own when it leans towards it by leastBefore, and by outBefore more than the frames
	// before it or those after it (the median of leanAround, the lower of the two: at a seam one side may be wrong too).
	// Encoders that must save copy from the past, so honest pictures lean that way and hardly ever to the next frame: for that
	// less is enough. Measured on 30 s of real film at 428x240 with x264 at CRF 18 to 38, x265, VP9 and SVT-AV1, where the
	// picture is not coarse: honest ones leant by -0.55 (with less motion than leastMotion) to 0.42, and once by 0.62 (SVT-AV1's
	// last frame but two); those that showed the frame before by 0.70 to 1.0, or with grain by 0.54 and more; those that showed
	// the next by 0.56 to 0.96 the other way.
	leastBefore, outBefore = 0.65, 0.5
	leastNext, outNext     = 0.5, 0.45
	leanAround             = 12
	// leastDip is how far, in dB, the last frame before a keyframe must lie below those around it, to count as the one before:
	// nothing refers to it, so encoders that must save repeat the picture before it (x264 at CRF 35 leant by 0.86 there, 0.4 dB down).
	leastDip = 1
	// Where the median of the frames around leans by this much, all of them show a neighbour: a part that is a frame late.
	// Of honest encodes it was 0.31 at most, of those that were late 0.53 to 1.0.
	shiftedBefore, shiftedNext = 0.5, 0.4
	leastShifted               = 5 // frames with motion
)

// drops says for each of a series how far it lies below the frames around it, in dB: below the median of those before it
// and below that of those after it, whichever is lower. Negative = above.
func drops(series []float32) []float64 {
	below := make([]float64, len(series))
	before, after := &ladder{}, &ladder{}
	for i := 1; i <= around && i < len(series); i++ {
		after.add(series[i])
	}
	for i, v := range series {
		level := math.Inf(1)
		if before.len() > 0 {
			level = before.median()
		}
		if after.len() > 1 || after.len() == 1 && before.len() == 0 {
			level = min(level, after.median())
		}
		if !math.IsInf(level, 1) {
			below[i] = min(level, plentyPSNR) - float64(v)
		}
		before.add(v)
		if i >= around {
			before.remove(series[i-around])
		}
		if i+1 < len(series) {
			after.remove(series[i+1])
		}
		if next := i + 1 + around; next < len(series) {
			after.add(series[next])
		}
	}
	return below
}

// ladder is a small sorted collection.
type ladder struct{ values []float32 }

func (l *ladder) len() int { return len(l.values) }

func (l *ladder) add(v float32) {
	at, _ := slices.BinarySearch(l.values, v)
	l.values = slices.Insert(l.values, at, v)
}

func (l *ladder) remove(v float32) {
	if at := sort.Search(len(l.values), func(i int) bool { return l.values[i] >= v }); at < len(l.values) {
		l.values = slices.Delete(l.values, at, at+1)
	}
}

// median is the lower one where there are two.
func (l *ladder) median() float64 { return float64(l.values[(len(l.values)-1)/2]) }

// wrongFrames are the places in the series whose pictures show a neighbour of their source frame: the frame before where
// they lean by more than 0, else the next. A lean of 0 is a frame without motion, of which nothing is known.
func wrongFrames(leans []float32) []int {
	var wrong []int
	for i, v := range leans {
		if v == 0 {
			continue
		}
		from, to := max(i-leanAround, 0), min(i+1+leanAround, len(leans))
		before, knownBefore := usualLean(leans[from:i])
		after, knownAfter := usualLean(leans[i+1 : to])
		switch {
		case !knownBefore:
			before = after // 0 where neither is known
		case !knownAfter:
			after = before
		}
		all, shifted := usualLean(leans[from:to])
		switch lean := float64(v); {
		case lean >= leastBefore && lean-min(before, after) >= outBefore,
			lean <= -leastNext && max(before, after)-lean >= outNext,
			shifted && all >= shiftedBefore && lean > 0,
			shifted && all <= -shiftedNext && lean < 0:
			wrong = append(wrong, i)
		}
	}
	return wrong
}

// usualLean is the median of those with motion, where there are enough.
func usualLean(leans []float32) (median float64, known bool) {
	var list ladder
	for _, v := range leans {
		if v != 0 {
			list.add(v)
		}
	}
	if list.len() < leastShifted {
		return 0, false
	}
	return list.median(), true
}

// brokenFrames are the places in the series whose pictures are far worse than those around them, or like nothing.
func brokenFrames(series []float32, below []float64) []int {
	var broken []int
	for i, v := range series {
		if below[i] >= steepDrop || v < leastPSNR {
			broken = append(broken, i)
		}
	}
	return broken
}
