// Package xpsnr measures how close an encoded frame is to its original, as XPSNR in dB: a PSNR whose errors count less where
// the picture is busy or in motion, where a viewer notices them less.
//
//	m := xpsnr.New[uint8](format, rate)
//	for … { frame := m.Add(original, encoded) }
//	mean := m.Mean()
//
// The measure is C. R. Helmrich, M. Siekmann, S. Becker, S. Bosse, D. Marpe, T. Wiegand: "XPSNR: A low-complexity extension of the
// perceptually weighted peak signal-to-noise ratio for high-resolution video quality assessment", ICASSP 2020. Its figures agree with
// those of the filter xpsnr of ffmpeg 7.1.
package xpsnr

import (
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/media"
)

// Format describes the memory layout of a raw frame: luma, then two planes of chroma, without padding.
type Format struct {
	Width, Height int
	HalfW, HalfH  bool // chroma has half the columns, half the rows
	Depth         int  // bits of a sample: 8 in one byte, or more in two
}

// Plane is a part of a frame: rows of Width samples, starting at sample At.
type Plane struct{ At, Width, Height int }

// Planes returns the three planes of a frame.
func (f Format) Planes() [3]Plane {
	w, h := f.Width, f.Height
	if f.HalfW {
		w = (w + 1) / 2
	}
	if f.HalfH {
		h = (h + 1) / 2
	}
	luma := f.Width * f.Height
	return [3]Plane{{0, f.Width, f.Height}, {luma, w, h}, {luma + w*h, w, h}}
}

// Samples returns the number of samples of a frame.
func (f Format) Samples() int {
	last := f.Planes()[2]
	return last.At + last.Width*last.Height
}

// Sample is the type of a sample.
type Sample interface{ uint8 | uint16 }

// Values are the XPSNR of the three planes in dB; +Inf where a plane is equal to the original's.
type Values [3]float64

// Min returns the lowest of the three, which ffmpeg's filter prints as the minimum, and which Av1an and ab-av1 take for the XPSNR of a
// video.
func (v Values) Min() float64 { return min(v[0], v[1], v[2]) }

// Meter measures the frames of one video, in their order: how much moves in a frame follows from those before it. It keeps two
// frames.
type Meter[S Sample] struct {
	format   Format
	activity activity[S]
	columns  int // blocks in a row
	weights  []float64
	known    *Weights
	sums     [3]float64 // of the square roots of the frames' weighted errors
	values   [3]float64 // of the frames' XPSNR
	frames   int
}

// New returns a Meter. rate is the number of frames a second, which decides how motion is seen.
func New[S Sample](f Format, rate media.Rational) *Meter[S] {
	side := blockSide(f)
	m := &Meter[S]{format: f, activity: activity[S]{
		width: f.Width, height: f.Height, depth: f.Depth, side: side,
		coarse: f.Width*f.Height > coarsePixels, fast: rate.Known() && rate.Num/rate.Den >= fastRate,
	}}
	if side >= minBlock {
		m.columns = (f.Width + side - 1) / side
		m.weights = make([]float64, m.columns*((f.Height+side-1)/side))
	}
	return m
}

// Weights are those of the blocks of a video's frames. They follow from the original frames alone, and take most of the time of a
// measurement: another one with the same originals need not compute them again. The zero value knows none.
type Weights struct {
	frames [][]float64
}

// Use has m use the weights of frames that w knows, and add those of others. All Meters of w must have the same format and rate, and get the
// same original frames.
func (m *Meter[S]) Use(w *Weights) { m.known = w }

// weigh computes the weights of the blocks of a frame, or looks them up.
func (m *Meter[S]) weigh(luma []S) {
	if m.weights == nil {
		return
	}
	if m.known != nil && m.frames < len(m.known.frames) {
		copy(m.weights, m.known.frames[m.frames])
		m.activity.keep(luma)
		return
	}
	m.activity.weigh(luma, m.weights)
	if m.format.Width*m.format.Height <= smoothPixels {
		smooth(m.weights, m.columns)
	}
	if m.known != nil {
		m.known.frames = append(m.known.frames, slices.Clone(m.weights))
	}
}

// The constants of the paper, and of its implementation for what the paper leaves open.
const (
	uhdPixels    = 3840 * 2160 // for which the weights are calibrated
	uhdBlock     = 128         // the side of a block at that size
	minBlock     = 4           // below it, nothing is weighted
	coarsePixels = 2048 * 1152 // above it, activity is that of squares of two by two pixels
	smoothPixels = 640 * 480   // up to it, the weights are smoothed, because blocks are small
	fastRate     = 32          // frames a second, from which on motion is the change of a change
	motionWeight = 2           // of motion beside detail
)

// blockSide returns the side of the blocks that have a weight each: as large as 128 pixels are on a screen of 3840 × 2160.
func blockSide(f Format) int {
	return minBlock * int(uhdBlock/minBlock*math.Sqrt(f.relativeSize())+0.5)
}

func (f Format) relativeSize() float64 { return float64(f.Width*f.Height) / uhdPixels }

// Add compares an encoded frame with its original. Both have the Meter's format.
func (m *Meter[S]) Add(original, encoded []S) Values {
	var a, b [3][]S
	for i, p := range m.format.Planes() {
		a[i], b[i] = original[p.At:p.At+p.Width*p.Height], encoded[p.At:p.At+p.Width*p.Height]
	}
	return m.AddPlanes(a, b)
}

// AddPlanes is Add for frames whose planes do not follow each other in memory. It does not keep the slices.
func (m *Meter[S]) AddPlanes(original, encoded [3][]S) Values {
	m.weigh(original[0])
	var v Values
	for i, p := range m.format.Planes() {
		root := math.Sqrt(m.weightedError(original[i], encoded[i], p))
		v[i] = m.decibels(root, p)
		m.sums[i] += root
		m.values[i] += v[i]
	}
	m.frames++
	return v
}

// Mean returns the XPSNR of all frames. It is not the mean of theirs but follows from the mean of their root errors, so that a few
// perfect frames do not hide bad ones.
func (m *Meter[S]) Mean() Values {
	var v Values
	for i, p := range m.format.Planes() {
		n := float64(m.frames)
		if m.sums[i] >= n {
			v[i] = m.decibels(m.sums[i]/n, p)
		} else {
			v[i] = m.values[i] / n
		}
	}
	return v
}

// decibels converts the square root of a plane's weighted squared error.
func (m *Meter[S]) decibels(root float64, p Plane) float64 {
	peak := float64(int(1)<<m.format.Depth - 1)
	return 10 * math.Log10(float64(p.Width*p.Height)*peak*peak/(root*root))
}

// weightedError returns the squared error of a plane, with each block's multiplied by its weight.
func (m *Meter[S]) weightedError(a, b []S, p Plane) float64 {
	if m.weights == nil {
		return float64(squaredError(a, b))
	}
	side := m.activity.side
	w, h := side*p.Width/m.format.Width, side*p.Height/m.format.Height
	sums := make([]uint64, m.columns)
	total, first := 0.0, 0
	for y := 0; y < p.Height; y++ {
		row := a[y*p.Width : (y+1)*p.Width]
		other := b[y*p.Width : (y+1)*p.Width]
		for i, x := 0, 0; x < p.Width && i < m.columns; i, x = i+1, x+w {
			end := min(x+w, p.Width)
			sums[i] += squaredError(row[x:end], other[x:end])
		}
		if (y+1)%h != 0 && y+1 < p.Height {
			continue
		}
		for i := range sums {
			if first+i < len(m.weights) {
				total += float64(sums[i]) * m.weights[first+i]
			}
			sums[i] = 0
		}
		first += m.columns
	}
	average := math.Sqrt(16 * float64(int(1)<<(2*m.format.Depth-9)) / math.Sqrt(max(0.00001, m.format.relativeSize())))
	return math.Floor(total*average + 0.5)
}

func squaredError[S Sample](a, b []S) uint64 {
	b = b[:len(a)]
	var even, odd uint64             // two sums, so that the processor adds to one while it waits for the other
	for len(a) >= 4 && len(b) >= 4 { // the second condition spares checks of bounds
		d0, d1, d2, d3 := int64(a[0])-int64(b[0]), int64(a[1])-int64(b[1]), int64(a[2])-int64(b[2]), int64(a[3])-int64(b[3])
		even += uint64(d0*d0) + uint64(d2*d2)
		odd += uint64(d1*d1) + uint64(d3*d3)
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		d := int64(v) - int64(b[i])
		even += uint64(d * d)
	}
	return even + odd
}

// smooth limits each weight to the higher one of its neighbours to the left, to the right and above: one flat block among busy ones
// does not stand out.
func smooth(weights []float64, columns int) {
	limit := func(i int, high float64) {
		if weights[i] > high {
			weights[i] = high
		}
	}
	for i := 1; i < len(weights); i++ {
		x := i % columns
		high := 0.0
		switch {
		case x == 0: // the one before ends a row
			if i > 1 {
				high = weights[i-2]
			}
		case x > 1:
			high = max(weights[i-2], weights[i])
		default:
			high = weights[i]
		}
		if i > columns {
			high = max(high, weights[i-1-columns])
		}
		limit(i-1, high)
	}
	if last := len(weights) - 1; last > columns {
		limit(last, max(weights[last-1], weights[last-columns]))
	}
}
