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

	// A picture shows a neighbour of its source frame when it leans towards it by leastLean to mostLean, and by leanOut more
	// than nearly all of the frames around it (all but lagging of them). Measured on 30 s of real film, frames with
	// leastMotion: honest ones lean up to 0.28 with x264 at CRF 21, 0.75 at CRF 30 (the last frame; else 0.62), 1.77 at CRF 38,
	// and 0.86 with VP9 at 150 kbit/s, but there many around them do too. Of two frames doubled before an encode at CRF 30
	// one leant by 0.89 and is found; the other, which the encoder blended with its neighbours, by 0.63 and is not.
	leastLean, mostLean = 0.55, 1.3
	leanOut             = 0.4
	lagging             = 2
	leanAround          = 12
	// shiftedPart is the part of all frames that moves and leans so, from which all of them count: a film that is a frame late.
	shiftedPart, leastShifted = 0.5, 5
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

// wrongFrames are the places in the series whose pictures show a neighbour of their source frame.
func wrongFrames(leans []float32) []int {
	var leaning, wrong []int
	moving := 0
	for i, v := range leans {
		if v > 0 {
			moving++
		}
		if v < leastLean || v > mostLean {
			continue
		}
		leaning = append(leaning, i)
		near := slices.Concat(leans[max(i-leanAround, 0):i], leans[i+1:min(i+1+leanAround, len(leans))])
		slices.Sort(near)
		if at := len(near) - 1 - lagging; at < 0 || v-near[at] >= leanOut {
			wrong = append(wrong, i)
		}
	}
	if len(leaning) >= leastShifted && float64(len(leaning)) >= shiftedPart*float64(moving) {
		return leaning
	}
	return wrong
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
