package source

import (
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// constantRate returns the rate of a video stream with a constant frame rate, and zero for any other.
// index is that of the track, or nil. Where it does not list the frames, a stream has the rate that
// ffprobe finds if its average is the same, to a thousandth, and its sync frames agree.
func constantRate(s probe.Stream, index *plan.Index) media.Rational {
	rate := s.BaseRate
	if fieldOrder(s.FieldOrder) != "" && about(rate, media.Rational{Num: 2 * s.AverageRate.Num, Den: s.AverageRate.Den}) {
		rate.Den *= 2 // ffprobe counts fields
	}
	listed := index != nil && len(index.Times) > 0
	if !rate.Known() || !listed && !about(rate, s.AverageRate) || index != nil && !index.HasRate(rate, s.Timebase) {
		return media.Rational{}
	}
	return rate
}

// about reports whether two rates differ by a thousandth at most.
func about(a, b media.Rational) bool {
	if !a.Known() || !b.Known() {
		return false
	}
	x, y := float64(a.Num)/float64(a.Den), float64(b.Num)/float64(b.Den)
	return max(x, y) <= 1.001*min(x, y)
}
