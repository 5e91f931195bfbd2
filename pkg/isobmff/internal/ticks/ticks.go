// Package ticks is the integer arithmetic of media time: ticks of one timescale in another, and the
// grid along which a movie's tracks are interleaved.
package ticks

import (
	"math"
	"math/bits"
	"time"
)

// Rescale returns v × to / from, rounded to nearest, halves away from zero, as av_rescale does. v
// must not be negative. A result that does not fit becomes the largest value.
func Rescale(v, to, from int64) int64 {
	hi, lo := bits.Mul64(uint64(v), uint64(to))
	lo, carry := bits.Add64(lo, uint64(from)/2, 0)
	hi += carry
	if hi >= uint64(from) {
		return math.MaxInt64 >> 2
	}
	q, _ := bits.Div64(hi, lo, uint64(from))
	return int64(min(q, math.MaxInt64>>2))
}

// RescaleUp returns v × to / from, rounded up. A result that does not fit becomes the largest
// value.
func RescaleUp(v, to, from uint64) uint64 {
	hi, lo := bits.Mul64(v, to)
	lo, carry := bits.Add64(lo, from-1, 0)
	hi += carry
	if hi >= from {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, from)
	return min(q, math.MaxInt64)
}

// Grid divides a movie's time into cells of equal length. The samples of a track that fall into one
// cell lie side by side.
type Grid struct {
	Length time.Duration // of a cell
	each   uint64        // length of a cell in thousandths of a tick
}

// NewGrid returns the grid for a track of the given timescale. Lengths are limited to 1 ms up to an
// hour; 0 is a second.
func NewGrid(length time.Duration, timescale uint32) Grid {
	if length == 0 {
		length = time.Second
	}
	length = min(max(length, time.Millisecond), time.Hour)
	return Grid{length, uint64(length.Milliseconds()) * uint64(timescale)}
}

// Cell returns the cell that contains a movie time in ticks of the track. Times before 0 are in the
// first cell.
func (g Grid) Cell(at int64) int64 {
	if at <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(at), 1000)
	if hi >= g.each {
		return math.MaxInt64
	}
	cell, _ := bits.Div64(hi, lo, g.each)
	return int64(min(cell, math.MaxInt64))
}

// After returns the first tick after a cell.
func (g Grid) After(cell int64) int64 { return int64(RescaleUp(uint64(cell)+1, g.each, 1000)) }
