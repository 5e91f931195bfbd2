package plan

import (
	"math"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// A constant frame rate fills each gap with frames, so a few frames that are months apart would become
// millions, which one worker must hold.
func TestASegmentOfTooManyFramesIsRefused(t *testing.T) {
	const day = 24 * 3600 * 1000
	track := film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 1000}}
	rate := media.Rational{Num: 60, Den: 1}
	for _, test := range []struct {
		name  string
		rate  media.Rational
		start media.Ticks
		end   media.Ticks
		last  bool
		ok    bool
	}{
		{"an hour", rate, 0, day / 24, false, true},
		{"a day", rate, 0, day, true, true},
		{"30 days", rate, 0, 30 * day, false, false},
		{"30 days at the end", rate, 0, 30 * day, true, false},
		{"30 days without a constant rate", media.Rational{}, 0, 30 * day, true, true},
		{"the largest ticks", rate, 0, math.MaxInt64, true, false},
		{"from the smallest ticks", rate, math.MinInt64, math.MaxInt64, false, false},
	} {
		seg := film.Segment{Start: test.start, End: test.end, Last: test.last}
		err := CheckFrames([]film.Rendition{{Rate: test.rate}}, track, []film.Segment{seg})
		if test.ok != (err == nil) || err != nil && fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%s: error %v of kind %s, want an error of kind Unsupported: %v", test.name, err, fault.KindOf(err), !test.ok)
		}
	}
}
