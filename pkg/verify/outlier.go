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
	// steepDrop is how far a frame may fall below the frames before it and those after it, in dB. Single flashes, the
	// hardest honest case, were 6 to 8 dB below in x264 at low bitrates.
	steepDrop = 10
	// plentyPSNR is above what anyone can see; a drop is counted from here at most, in dB, so that a frame between black ones
	// (60 dB and more) is not blamed.
	plentyPSNR = 45
	// leastPSNR is where a picture has nothing to do with its source any more, in dB. White noise encoded badly has more.
	leastPSNR = 13
	// around is how many frames before and after one are looked at.
	around = 24

	// strangerRatio is how many times nearer (in squared error) a frame must be to a neighbour of its source frame to show
	// that one, when its PSNR also falls by strangerDrop dB below the frames around it. An encoder that skips blocks lets
	// pictures lag a little, all of them, at very low bitrates; it does not do that to one frame.
	strangerRatio = 2
	strangerDrop  = 3
	// surelyRatio is where the likeness to another frame is proof enough alone: 6 dB, and a difference of squaredNoise at least.
	surelyRatio  = 4
	squaredNoise = 0.25
)

// suspect is an output frame that is more like a neighbour of its source frame than like that.
type suspect struct {
	frame   int     // of the output
	index   int     // in the series of pairs
	shows   int     // the source frame that it is like
	belongs int     // the source frame that it should show
	ratio   float64 // how many times nearer
	own     float64 // squared error to its own source frame, a sample's mean
}

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

// wrongFrames are the suspects that do show another frame.
func wrongFrames(below []float64, suspects []suspect) []suspect {
	var wrong []suspect
	for _, s := range suspects {
		surely := s.ratio >= surelyRatio && s.own >= squaredNoise
		if surely || s.ratio >= strangerRatio && below[s.index] >= strangerDrop {
			wrong = append(wrong, s)
		}
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
