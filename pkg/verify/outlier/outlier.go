// Package outlier finds the frames of an output that are damaged or show the wrong source frame,
// from what was measured of each.
package outlier

import (
	"math"
	"slices"
	"sort"

	"github.com/mapreel/mapreel/pkg/verify/picture"
)

// These constants decide which frames are damaged and which show the wrong source frame. An encoder
// spends its bits unevenly: at a cut, in a fade or in a flash the PSNR moves by some dB, but it
// stays between the levels before and after, or falls little below both. A frame that is damaged,
// or that shows the wrong frame, falls by far more.
const (
	// MaxDrop is how far a frame may fall below the frames before it and below those after it, in
	// dB. It is a choice, not a measurement: correct encodes of one real film (x264 at CRF 21 to
	// 38; VP9 at 150 kbit/s) had no frame that low. How far a flash of one frame falls was not
	// measured.
	MaxDrop = 10
	// transparentPSNR is above what anyone can see, in dB. A drop counts from this level at most,
	// so that a frame between black ones (60 dB and more) is not reported.
	transparentPSNR = 45
	// minPSNR is the PSNR in dB below which a frame has nothing in common with its source frame. A
	// choice.
	minPSNR = 13
	// MinHardPSNR is the PSNR in dB from which a low frame may be one that is hard to encode. It is
	// above that of a frame that shows another scene, which changes as suddenly.
	MinHardPSNR = 25
	// dropWindow is the number of frames before and after a frame that it is compared with.
	dropWindow = 24

	// A frame shows the frame before its own if its bias (see picture.NeighbourBias) is at least
	// minPreviousBias and exceeds the usual bias by minPreviousExcess. The usual bias is the lower
	// of the medians of biasWindow frames before and after, because at a seam one side may be wrong
	// too. A starved encoder repeats the past, so correct frames are biased towards the previous
	// frame and hardly ever towards the next, for which a smaller bias is enough. Measured on 30 s
	// of real film at 428x240 with x264 at CRF 18 to 38, x265, VP9 and SVT-AV1, excluding frames
	// above maxResidual. Correct frames had -0.55 (with less motion than minMotion) to 0.42, and
	// once 0.62 (the last frame but two of SVT-AV1). Frames that showed the previous frame had 0.70
	// to 1.0, with grain 0.54 and more. Frames that showed the next frame had -0.56 to -0.96.
	minPreviousBias, minPreviousExcess = 0.65, 0.5
	minNextBias, minNextExcess         = 0.5, 0.45
	biasWindow                         = 12
	// MinDip is how far, in dB, the last frame before a keyframe must lie below those around it for
	// its bias towards the previous frame to count. No other frame refers to it, so a starved
	// encoder repeats the frame before it (x264 at CRF 35: bias 0.86, only 0.4 dB down).
	MinDip = 1
	// MaxFilteredDip is how far, in dB, a keyframe of SVT-AV1 may lie below the frames around it for
	// its bias towards the next frame to mean nothing. That encoder filters keyframes in time: it
	// mixes them with the frames that follow. In 30 s of film at 320x180 and 640x360 with presets 8 to
	// 12, its keyframes had biases down to -1.07, and lay 2.8 dB below the others at most. Where the
	// picture moves enough to see the difference, the next frame in the place of a keyframe lies lower.
	MaxFilteredDip = 4
	// Where the median bias of the surrounding frames reaches these values, all of them show a
	// neighbour: a section that is late or early by a frame. Correct encodes had 0.31 at most,
	// shifted ones 0.53 to 1.0.
	shiftedPreviousBias, shiftedNextBias = 0.5, 0.4
	minMovingFrames                      = 5 // frames with motion that make a median meaningful
)

// Drops returns how far each value of a series lies below the values around it, in dB: below the
// median of those before it or below that of those after it, whichever is lower. A negative value
// lies above.
func Drops(series []float32) []float64 {
	below := make([]float64, len(series))
	before, after := &sortedValues{}, &sortedValues{}
	for i := 1; i <= dropWindow && i < len(series); i++ {
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
			below[i] = min(level, transparentPSNR) - float64(v)
		}
		before.add(v)
		if i >= dropWindow {
			before.remove(series[i-dropWindow])
		}
		if i+1 < len(series) {
			after.remove(series[i+1])
		}
		if next := i + 1 + dropWindow; next < len(series) {
			after.add(series[next])
		}
	}
	return below
}

// sortedValues is a small sorted collection.
type sortedValues struct{ values []float32 }

func (l *sortedValues) len() int { return len(l.values) }

func (l *sortedValues) add(v float32) {
	at, _ := slices.BinarySearch(l.values, v)
	l.values = slices.Insert(l.values, at, v)
}

func (l *sortedValues) remove(v float32) {
	if at := sort.Search(len(l.values), func(i int) bool { return l.values[i] >= v }); at < len(l.values) {
		l.values = slices.Delete(l.values, at, at+1)
	}
}

// median returns the lower one of two middle values.
func (l *sortedValues) median() float64 { return float64(l.values[(len(l.values)-1)/2]) }

// Wrong returns the indexes of frames that show a neighbour of their source frame: the
// previous one where the bias is positive, else the next. A bias of 0 means a frame without motion,
// about which nothing is known.
func Wrong(biases []float32) []int {
	var wrong []int
	for i, v := range biases {
		if v == 0 {
			continue
		}
		from, to := max(i-biasWindow, 0), min(i+1+biasWindow, len(biases))
		before, knownBefore := medianBias(biases[from:i])
		after, knownAfter := medianBias(biases[i+1 : to])
		switch {
		case !knownBefore:
			before = after // 0 where neither is known
		case !knownAfter:
			after = before
		}
		all, shifted := medianBias(biases[from:to])
		switch bias := float64(v); {
		case bias >= minPreviousBias && bias-min(before, after) >= minPreviousExcess,
			bias <= -minNextBias && max(before, after)-bias >= minNextExcess,
			shifted && all >= shiftedPreviousBias && bias > 0,
			shifted && all <= -shiftedNextBias && bias < 0:
			wrong = append(wrong, i)
		}
	}
	return wrong
}

// medianBias returns the median of the frames with motion. known is false where there are too few.
func medianBias(biases []float32) (median float64, known bool) {
	var list sortedValues
	for _, v := range biases {
		if v != 0 {
			list.add(v)
		}
	}
	if list.len() < minMovingFrames {
		return 0, false
	}
	return list.median(), true
}

// Novelties returns how much more than usual each frame of the source differs from the one before it,
// in dB: than the median of the frames before and after it. An encoder's error grows with what is
// new in a frame, as where a flash, an explosion or damage fills one frame of a quiet scene.
func Novelties(motion []float32) []float64 {
	list := make([]float64, len(motion))
	var around sortedValues
	for i := 0; i <= dropWindow && i < len(motion); i++ {
		around.add(motion[i])
	}
	for i, v := range motion {
		usual := max(around.median(), picture.MinMotion)
		list[i] = 10 * math.Log10(max(float64(v), usual)/usual)
		if i >= dropWindow {
			around.remove(motion[i-dropWindow])
		}
		if next := i + 1 + dropWindow; next < len(motion) {
			around.add(motion[next])
		}
	}
	return list
}

// Broken returns the indexes of frames that are far worse than those around them although they
// are not as much harder to encode, or that resemble nothing.
func Broken(series []float32, below, novelty []float64) []int {
	var broken []int
	for i, v := range series {
		allowed := float64(MaxDrop)
		if v >= MinHardPSNR {
			allowed += novelty[i]
		}
		if below[i] >= allowed || v < minPSNR {
			broken = append(broken, i)
		}
	}
	return broken
}
