// Package sizing shares out the bytes of a film among its segments, so that all of them look about equally good and the film has the size
// that was asked for. It runs nothing, and all of its results follow from its arguments alone.
//
// A fast first pass encodes each segment at two values of CRF. The line through them says what the segment takes at any other, its Curve.
// All segments get what they take at one CRF, the Level at which their sum is the size of the film. As a film encoded at one CRF, that is
// about how two passes over the whole film share out its bytes. A Search then finds the CRF of the final encoder that gives a segment its bytes.
package sizing

import (
	"cmp"
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/film/target"
)

// Point is what a segment takes at a CRF.
type Point struct {
	CRF   float64 `json:"crf"`
	Bytes int64   `json:"bytes"`
}

// Curve holds points of a segment in one rendition, at ascending CRF; none of a segment without frames.
type Curve []Point

// Slopes, in powers of two of bytes per step of CRF: the usual one of x264, by its authors, and the limits of what the points of a
// segment may say.
const (
	usualSlope    = -1.0 / 6
	steepestSlope = -1.0 / 3
	flattestSlope = -1.0 / 20
)

// Slope returns by how many powers of two the bytes change with each step of CRF.
func (c Curve) Slope() float64 {
	if len(c) < 2 || c[0].Bytes < 1 || c[1].Bytes < 1 {
		return usualSlope
	}
	slope := (math.Log2(float64(c[1].Bytes)) - math.Log2(float64(c[0].Bytes))) / (c[1].CRF - c[0].CRF)
	return min(max(slope, steepestSlope), flattestSlope)
}

// Bytes returns what the segment takes at a CRF.
func (c Curve) Bytes(crf float64) float64 {
	if len(c) == 0 {
		return 0
	}
	middle := (c[0].CRF + c[len(c)-1].CRF) / 2
	sum := 0.0
	for _, p := range c {
		sum += math.Log2(float64(max(p.Bytes, 1)))
	}
	return math.Exp2(sum/float64(len(c)) + (crf-middle)*c.Slope())
}

// Share is how the bytes of a rendition are shared out: each segment gets Bytes in proportion to what its curve takes at Level.
type Share struct {
	Level float64 `json:"level"` // CRF
	Total float64 `json:"total"` // bytes that all curves take there
	Bytes int64   `json:"bytes"` // of the rendition
}

// NewShare shares out bytes among segments. ratio is how many bytes the final encoder takes for each byte of the first pass, and top its
// highest CRF.
func NewShare(curves []Curve, bytes int64, ratio, top float64) Share {
	total := func(crf float64) (sum float64) {
		for _, c := range curves {
			sum += c.Bytes(crf)
		}
		return sum
	}
	low, high := 0.0, top
	for range 40 {
		if middle := (low + high) / 2; total(middle)*ratio > float64(bytes) {
			low = middle
		} else {
			high = middle
		}
	}
	level := math.Round((low+high)/2*64) / 64
	return Share{Level: level, Total: total(level), Bytes: bytes}
}

// Of returns how many bytes a segment gets.
func (s Share) Of(c Curve) float64 {
	if s.Total <= 0 {
		return 0
	}
	return float64(s.Bytes) * (c.Bytes(s.Level) / s.Total)
}

// maxProbes limits how often a segment is encoded. tolerance is the fraction of its bytes by which a segment may be off.
const (
	maxProbes = 4
	tolerance = 0.015
)

// Search looks for the CRF with which a segment has a number of bytes.
type Search struct {
	Bytes     float64
	Slack     float64 // by how many bytes it may be off, if that is more than the tolerance
	First     float64 // CRF that is tried first
	Slope     float64 // by how many powers of two the bytes change with each step of CRF
	Low, High float64 // the CRF that may be used
	Step      float64 // between two values that the encoder tells apart
}

// distance returns by how many powers of two a probe has too many bytes.
func (s Search) distance(p target.Probe) float64 {
	return math.Log2(float64(max(p.Bytes, 1))) - math.Log2(max(s.Bytes, 1))
}

// Hit reports whether a number of bytes is near enough.
func (s Search) Hit(bytes int64) bool {
	return math.Abs(float64(bytes)-s.Bytes) <= max(tolerance*s.Bytes, s.Slack)
}

// Best returns which of the probes is nearest; of two that are equally near, the first. -1 for none.
func (s Search) Best(probes []target.Probe) int {
	best := -1
	for i, p := range probes {
		if best < 0 || math.Abs(s.distance(p)) < math.Abs(s.distance(probes[best])) {
			best = i
		}
	}
	return best
}

// Next returns the CRF to try after the probes; more is false where the search is over.
func (s Search) Next(probes []target.Probe) (next target.Probe, more bool) {
	if len(probes) == 0 {
		return target.Probe{CRF: s.round(s.First)}, true
	}
	best := probes[s.Best(probes)]
	if len(probes) >= maxProbes || s.Hit(best.Bytes) {
		return next, false
	}
	low, high := s.Low, s.High
	for _, p := range probes {
		if s.distance(p) > 0 {
			low = max(low, p.CRF+s.Step)
		} else {
			high = min(high, p.CRF-s.Step)
		}
	}
	if low > high+s.Step/2 {
		return next, false
	}
	crf := s.round(min(max(best.CRF-s.distance(best)/s.slope(probes), low), high))
	if slices.ContainsFunc(probes, func(p target.Probe) bool { return math.Abs(p.CRF-crf) < s.Step/2 }) {
		return next, false
	}
	return target.Probe{CRF: crf}, true
}

// slope returns the slope between the nearest probes above and below the bytes, or else between the two nearest. Where that is not
// plausible, and with one probe, it is the slope of the search.
func (s Search) slope(probes []target.Probe) float64 {
	slope := min(s.Slope, flattestSlope/2)
	if len(probes) < 2 {
		return slope
	}
	near := slices.Clone(probes)
	slices.SortStableFunc(near, func(a, b target.Probe) int { return cmp.Compare(math.Abs(s.distance(a)), math.Abs(s.distance(b))) })
	other := near[1]
	for _, p := range near[1:] {
		if s.distance(p) > 0 != (s.distance(near[0]) > 0) {
			other = p
			break
		}
	}
	measured := (s.distance(other) - s.distance(near[0])) / (other.CRF - near[0].CRF)
	if measured < slope/4 && measured > slope*4 {
		return measured
	}
	return slope
}

// round returns the nearest CRF that is in the range and a whole number of steps.
func (s Search) round(crf float64) float64 {
	n := math.Round(min(max(crf, s.Low), s.High) / s.Step)
	return math.Round(n*s.Step*1000) / 1000 // 21.35, not 21.350000000000001
}
