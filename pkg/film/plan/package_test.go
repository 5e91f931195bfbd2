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

func TestAlignedSegmentsCoverTheSourceExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyIndex().Draw(t, "index")
		every := time.Duration(rapid.IntRange(1, 30).Draw(t, "every")) * time.Second
		checkCover(t, c.index, plan.AlignedSegments(c.index, c.tb, c.want, every))
	})
}

func TestAlignedSegmentsCoverHostileIndexesExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := hostileIndex().Draw(t, "index")
		every := time.Duration(rapid.IntRange(1, 30).Draw(t, "every")) * time.Second
		checkCover(t, c.index, plan.AlignedSegments(c.index, c.tb, c.want, every))
	})
}

// A package has the same media segments, and the same keyframes within them, wherever the boundaries of
// the job's segments lie. An encoder that would be given too many keyframes gets those of the media
// segments alone: then these are the same.
func TestMediaSegmentsDoNotDependOnTheSegmentsOfTheJob(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyIndex().Draw(t, "index")
		every := time.Duration(rapid.IntRange(1, 30).Draw(t, "every")) * time.Second
		if len(c.index.Times) == 0 || c.tb.Duration(c.index.End-c.index.Start) > 4000*every {
			t.Skip("no times, or more media segments than an encoder is given keyframes")
		}
		x := c.index
		grid := plan.Grid{Segment: every, Keyframes: rapid.IntRange(1, 3).Draw(t, "keyframes")}
		starts := func(seg film.Segment, times []media.Ticks) []plan.GridPoint {
			first, points := grid.Points(seg, x.Start, c.tb, plan.MaxForcedKeyframes)
			return append([]plan.GridPoint{{N: first, At: times[0], Segment: true}}, plan.CutPoints(times, points)...)
		}
		whole := film.Segment{Start: x.Start, End: x.End, Last: true}
		want := starts(whole, x.Times)
		var got []plan.GridPoint
		for _, seg := range plan.AlignedSegments(x, c.tb, c.want, every) {
			var times []media.Ticks
			for _, at := range x.Times {
				if (seg.Index == 0 || at >= seg.Start) && (seg.Last || at < seg.End) {
					times = append(times, at)
				}
			}
			if len(times) == 0 {
				continue
			}
			got = append(got, starts(seg, times)...)
		}
		_, all := grid.Points(whole, x.Start, c.tb, 4*plan.MaxForcedKeyframes)
		if len(all) > plan.MaxForcedKeyframes {
			got, want = mediaSegments(got), mediaSegments(want)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("keyframes are at\n     %v\nwant %v", got, want)
		}
	})
}

// mediaSegments returns where media segments begin, without the numbers of the points: a frame that
// stands for several has the number of the last one, which may have been left out.
func mediaSegments(points []plan.GridPoint) (list []plan.GridPoint) {
	for _, p := range points {
		if p.Segment {
			list = append(list, plan.GridPoint{At: p.At, Segment: true})
		}
	}
	return list
}

// Fragments are numbered as the grid's points, and every fragment of a track has the next number.
func TestPointsCountUpByOneWhereverSegmentsBegin(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 1000}
	rapid.Check(t, func(t *rapid.T) {
		grid := plan.Grid{Segment: time.Duration(rapid.IntRange(1, 7).Draw(t, "seconds")) * time.Second, Keyframes: rapid.IntRange(1, 4).Draw(t, "keyframes")}
		start := rapid.Custom(func(t *rapid.T) media.Ticks { return media.Ticks(rapid.IntRange(0, 100_000).Draw(t, "start")) }).Draw(t, "start")
		var times []media.Ticks
		for i := range 1000 {
			times = append(times, start+media.Ticks(i*40))
		}
		x := plan.Index{Start: start, End: start + 40_000, Times: times, Sync: []media.Ticks{start}}
		for last := 0; ; { // source chunks at keyframes anywhere, at least an interval apart
			if last += (int(grid.Interval().Milliseconds())+39)/40 + rapid.IntRange(0, 60).Draw(t, "frames"); last >= len(times) {
				break
			}
			x.Sync = append(x.Sync, times[last])
		}
		for name, segments := range map[string][]film.Segment{
			"source chunks": plan.SourceChunks(x), "aligned": plan.AlignedSegments(x, tb, 10*time.Second, grid.Segment),
		} {
			points := grid.Points
			if name == "source chunks" {
				points = grid.PointsBetween
			}
			next := int64(0)
			for _, seg := range segments {
				from, _ := slices.BinarySearch(times, seg.Start)
				until, _ := slices.BinarySearch(times, seg.End)
				first, inside := points(seg, start, tb, plan.MaxForcedKeyframes)
				for _, cut := range append([]plan.GridPoint{{N: first, At: seg.Start}}, plan.CutPoints(times[from:until], inside)...) {
					if cut.N != next {
						t.Fatalf("%s: the keyframe at %v has the number %d, want %d", name, cut.At, cut.N, next)
					}
					next++
				}
			}
		}
	})
}

func TestAlignedSegmentsAreAboutAsLongAsWanted(t *testing.T) {
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
		for _, s := range plan.AlignedSegments(x, tb, c.want, c.every) {
			got = append(got, s.Start/24)
		}
		if !slices.Equal(got, c.starts) {
			t.Errorf("segments of %v, media segments of %v: starts at %v s, want %v", c.want, c.every, got, c.starts)
		}
	}
}

func TestAShortTailBelongsToTheMediaSegmentBefore(t *testing.T) {
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
			t.Errorf("cuts at %v before the end at %d: got %v, want %v", c.cuts, c.end, got, c.want)
		}
	}
}

func TestChaptersOfPackagesAreNoLoss(t *testing.T) {
	src := source(640, 360)
	src.Chapters = []media.Chapter{{Title: "One"}, {Title: "Two"}}
	if got := planned(t, src, `{"name": "a", "container": "hls"}, {"name": "b"}`, "").Warnings; len(got) > 0 {
		t.Errorf("warnings %q, want none", got)
	}
}
