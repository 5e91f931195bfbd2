package plan_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestAlignedCoversTheSourceExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		every := time.Duration(rapid.IntRange(1, 30).Draw(t, "every")) * time.Second
		checkCover(t, q.index, plan.Aligned(q.index, q.tb, q.want, every))
	})
}

func TestAlignedCoversHostileIndexesToo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := strange().Draw(t, "index")
		every := time.Duration(rapid.IntRange(1, 30).Draw(t, "every")) * time.Second
		checkCover(t, q.index, plan.Aligned(q.index, q.tb, q.want, every))
	})
}

// The media segments of a package are those that one long encode would have been cut into, wherever the segments of the
// job lie.
func TestMediaSegmentsAreThoseOfThePictureAsAWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		every := time.Duration(rapid.IntRange(1, 30).Draw(t, "every")) * time.Second
		if len(q.index.Times) == 0 || q.tb.Duration(q.index.End-q.index.Start) > 4000*every {
			t.Skip("no times, or more than one encoder is told of")
		}
		x := q.index
		whole := film.Segment{Start: x.Start, End: x.End, Last: true}
		want := append([]media.Ticks{x.Times[0]}, plan.CutPoints(x.Times, plan.SegmentStarts(whole, x.Start, q.tb, every, plan.MaxForcedKeyframes))...)
		var got []media.Ticks
		for _, seg := range plan.Aligned(x, q.tb, q.want, every) {
			var times []media.Ticks
			for _, at := range x.Times {
				if (seg.Index == 0 || at >= seg.Start) && (seg.Last || at < seg.End) {
					times = append(times, at)
				}
			}
			if len(times) == 0 {
				continue
			}
			got = append(got, times[0])
			got = append(got, plan.CutPoints(times, plan.SegmentStarts(seg, x.Start, q.tb, every, plan.MaxForcedKeyframes))...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("media segments start at\n     %v\nwant %v", got, want)
		}
	})
}

func TestAlignedKeepsToTheWantedLength(t *testing.T) {
	// 100 s of 24 frames a second, a sync frame every 2 s.
	x := plan.Index{End: 100 * 24}
	for i := range media.Ticks(100 * 24) {
		x.Times = append(x.Times, i)
		if i%48 == 0 {
			x.Sync = append(x.Sync, i)
		}
	}
	tb := media.Rational{Num: 1, Den: 24}
	for _, c := range []struct {
		want, every time.Duration
		starts      []media.Ticks // in seconds
	}{
		{10 * time.Second, 6 * time.Second, []media.Ticks{0, 12, 24, 36, 48, 60, 72, 84, 96}},
		{10 * time.Second, 4 * time.Second, []media.Ticks{0, 12, 24, 36, 48, 60, 72, 84, 96}},
		{30 * time.Second, 7 * time.Second, []media.Ticks{0, 28, 56, 84}},
		{2 * time.Second, 30 * time.Second, []media.Ticks{0, 30, 60, 90}},
		{200 * time.Second, 6 * time.Second, []media.Ticks{0}},
	} {
		var got []media.Ticks
		for _, s := range plan.Aligned(x, tb, c.want, c.every) {
			got = append(got, s.Start/24)
		}
		if !slices.Equal(got, c.starts) {
			t.Errorf("%v in media segments of %v: starts at %v s, want %v", c.want, c.every, got, c.starts)
		}
	}
}

func TestWhatIsTooShortForAMediaSegmentBelongsToTheOneBefore(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 1000}
	for _, c := range []struct {
		cuts []int64
		end  int64
		want []int64
	}{
		{[]int64{2000, 4000}, 4004, []int64{2000}},
		{[]int64{2000, 4000}, 4249, []int64{2000}},
		{[]int64{2000, 4000}, 4250, []int64{2000, 4000}},
		{[]int64{2000, 4000}, 4000, []int64{2000}},
		{[]int64{2000}, 2100, []int64{}},
		{nil, 100, nil},
	} {
		if got := plan.WithoutShortTail(c.cuts, c.end, tb); !slices.Equal(got, c.want) {
			t.Errorf("cuts at %v of what ends at %d: %v, want %v", c.cuts, c.end, got, c.want)
		}
	}
}

func TestChaptersThatAPackageCannotHoldAreTold(t *testing.T) {
	src := source(640, 360)
	src.Chapters = []media.Chapter{{Title: "One"}, {Title: "Two"}}
	got := planned(t, src, `{"name": "a", "container": "hls"}, {"name": "b"}`, "").Warnings
	if want := []string{"a.m3u8: left out: 2 chapters, which hls cannot hold"}; !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
}
