package plan

import (
	"math/big"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// FrameGrid says which frames of a constant rate a segment gives. Frame k is shown k/rate after the picture's first; it
// belongs to the segment in which that moment lies.
type FrameGrid struct {
	// Origin is a source tick at which frame Base is shown exactly, as near before the segment as there is one: from it a
	// worker counts in whole numbers.
	Origin      media.Ticks
	Base        int64
	First, Next int64 // the segment gives First ≤ k < Next; Next is not known for the last one
}

// FrameGridOf divides a picture by a constant rate of frames a second.
func FrameGridOf(rate media.Rational, p film.VideoTrack, seg film.Segment) FrameGrid {
	var g FrameGrid
	if seg.Index > 0 {
		g.First = frameAt(rate, p, seg.Start)
	}
	if !seg.Last {
		g.Next = frameAt(rate, p, seg.End)
	}
	// period frames last span ticks exactly: span × timebase = period ÷ rate, with the smallest numbers.
	product := func(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }
	r := new(big.Rat).SetFrac(product(rate.Den, p.Timebase.Den), product(rate.Num, p.Timebase.Num)) // ticks a frame
	if r.Denom().IsInt64() {
		period := r.Denom().Int64()
		g.Base = g.First - g.First%period
	}
	g.Origin = p.Start
	if span := new(big.Int).Mul(r.Num(), big.NewInt(g.Base)); g.Base > 0 {
		g.Origin += media.Ticks(span.Quo(span, r.Denom()).Int64())
	}
	return g
}

// frameAt is the first frame at or after a tick.
func frameAt(rate media.Rational, p film.VideoTrack, at media.Ticks) int64 {
	n := new(big.Int).Sub(big.NewInt(int64(at)), big.NewInt(int64(p.Start)))
	n.Mul(n, big.NewInt(p.Timebase.Num)).Mul(n, big.NewInt(rate.Num))
	d := new(big.Int).Mul(big.NewInt(p.Timebase.Den), big.NewInt(rate.Den))
	if n.Sign() <= 0 {
		return 0
	}
	n.Add(n, d).Sub(n, big.NewInt(1))
	return n.Quo(n, d).Int64()
}
