package plan

import (
	"math"
	"math/big"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// FrameGrid describes which frames of a constant frame rate a segment contributes. Frame k is shown
// k/rate seconds after the start of the video track, and belongs to the segment in which that time
// lies.
type FrameGrid struct {
	// Origin is the source tick at which frame Base is shown: the last such frame, at or before
	// First, whose time is a whole number of ticks. A worker counts from it in whole numbers.
	Origin      media.Ticks
	Base        int64
	First, Next int64 // the segment has the frames First ≤ k < Next; Next is 0, for unknown, in the last segment
	end         int64 // Next, or in the last segment the first frame at or after its end
}

// product returns a × b without overflow.
func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

// Frames returns how many frames the segment contributes, if it ends where the index says.
func (g FrameGrid) Frames() int64 { return max(g.end-g.First, 0) }

// FrameGridOf returns the frames that seg contributes to video track v at a constant rate of frames
// per second.
func FrameGridOf(rate media.Rational, v film.VideoTrack, seg film.Segment) FrameGrid {
	var g FrameGrid
	if seg.Index > 0 {
		g.First = frameAt(rate, v, seg.Start)
	}
	g.end = frameAt(rate, v, seg.End)
	if !seg.OpenEnd() {
		g.Next = g.end
	}
	// The denominator of a frame's duration in ticks is the smallest number of frames that last a
	// whole number of ticks.
	r := new(big.Rat).SetFrac(product(rate.Den, v.Timebase.Den), product(rate.Num, v.Timebase.Num)) // ticks per frame
	if r.Denom().IsInt64() {
		period := r.Denom().Int64()
		g.Base = g.First - g.First%period
	}
	g.Origin = v.Start
	if span := new(big.Int).Mul(r.Num(), big.NewInt(g.Base)); g.Base > 0 {
		g.Origin += media.Ticks(span.Quo(span, r.Denom()).Int64())
	}
	return g
}

// MaxSegmentFrames is the largest number of frames of a segment: a day at 60 frames a second, for a
// film that cannot be divided. A worker holds some 200 bytes of each.
const MaxSegmentFrames = 24 * 3600 * 60

// CheckFrames refuses renditions of a constant frame rate in which a segment has more than
// MaxSegmentFrames: each gap in the source's timestamps is filled with frames, so a few frames that are
// days apart would become millions.
func CheckFrames(renditions []film.Rendition, v film.VideoTrack, segments []film.Segment) error {
	for _, r := range renditions {
		if !r.Rate.Known() {
			continue
		}
		for _, seg := range segments {
			if n := FrameGridOf(r.Rate, v, seg).Frames(); n > MaxSegmentFrames {
				return tooManyFrames(n, r.Rate, v.Timebase.Duration(seg.Start), v.Timebase.Duration(seg.End))
			}
		}
	}
	return nil
}

func tooManyFrames(n int64, rate media.Rational, from, to time.Duration) error {
	return fault.WithHint(fault.New(fault.Unsupported, "at %v frames a second, the segment from %v to %v has %d frames, more than %d",
		rate, from, to, n, MaxSegmentFrames),
		"the timestamps of the source are far apart there; leave the frame rate out to keep them")
}

// frameAt returns the number of the first frame at or after a tick.
func frameAt(rate media.Rational, v film.VideoTrack, at media.Ticks) int64 {
	n := new(big.Int).Sub(big.NewInt(int64(at)), big.NewInt(int64(v.Start)))
	n.Mul(n, big.NewInt(v.Timebase.Num)).Mul(n, big.NewInt(rate.Num))
	d := new(big.Int).Mul(big.NewInt(v.Timebase.Den), big.NewInt(rate.Den))
	if n.Sign() <= 0 {
		return 0
	}
	n.Add(n, d).Sub(n, big.NewInt(1))
	if n.Quo(n, d); !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}
