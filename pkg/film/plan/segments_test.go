package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

func TestSegmentsCoverTheSourceExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		checkCover(t, in.index, in.plan())
	})
}

func TestSegmentsCoverHostileIndexesExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := hostileIndex().Draw(t, "index")
		checkCover(t, in.index, in.plan())
	})
}

func TestSegmentsCountTheirFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		for _, s := range in.plan() {
			var frames int
			for _, at := range in.index.Times {
				if s.Start <= at && at < s.End {
					frames++
				}
			}
			if frames != s.Frames {
				t.Fatalf("segment %d: Frames is %d, want %d", s.Index, s.Frames, frames)
			}
			if len(in.index.Times) > 0 && frames == 0 {
				t.Fatalf("segment %d has no frame", s.Index)
			}
		}
	})
}

func TestSegmentsBeginAtFramesIfTheTimesAreKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		if len(in.index.Times) == 0 {
			return
		}
		for _, s := range in.plan() {
			if _, ok := slices.BinarySearch(in.index.Times, s.Start); !ok {
				t.Fatalf("segment %d starts at %d, where there is no frame", s.Index, s.Start)
			}
		}
	})
}

func TestSegmentsAreAboutAsLongAsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		segments, gap := in.plan(), in.gap()
		for _, s := range segments {
			runUp, got := distance(s.Seek, s.Start), distance(s.Start, s.End)
			length := max(in.length(), runUp/4)
			least, most := length-length/2, length+length/2+gap
			if s.Last {
				least, most = in.length()/4, most+length/4
			}
			if got > most || got < least && len(segments) > 1 {
				t.Fatalf("segment %d is %d ticks long with a run-up of %d, want %d to %d", s.Index, got, runUp, least, most)
			}
		}
	})
}

func TestBoundariesLieOnSyncFramesInReach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		for _, s := range in.plan() {
			length := max(in.length(), distance(s.Seek, s.Start)/4)
			want := s.Start + media.Ticks(length)
			if s.Last || slices.Contains(in.index.Sync, s.End) || endsAtInterval(in.index, s) {
				continue
			}
			for _, sync := range in.index.Sync {
				inReach := sync > s.Start && sync < in.index.End && distance(sync, in.index.End) >= length/4
				if inReach && distance(min(sync, want), max(sync, want)) <= length/2 {
					t.Fatalf("segment %d ends at %d, though the sync frame %d is near the wanted %d", s.Index, s.End, sync, want)
				}
			}
		}
	})
}

func TestBoundariesLieOnTheNearestSyncFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		for _, s := range in.plan() {
			if s.Last || !slices.Contains(in.index.Sync, s.End) || endsAtInterval(in.index, s) {
				continue
			}
			length := max(in.length(), distance(s.Seek, s.Start)/4)
			want := s.Start + media.Ticks(length)
			off := distance(min(s.End, want), max(s.End, want))
			if off > length/2 {
				continue // it is the next frame, and a sync frame by chance
			}
			for _, sync := range in.index.Sync {
				if isSceneCut(in.index.Sync, s.End) != isSceneCut(in.index.Sync, sync) {
					continue
				}
				if sync > s.Start && distance(min(sync, want), max(sync, want)) < off && sync <= s.End {
					t.Fatalf("segment %d ends at %d, though the sync frame %d is nearer to the wanted %d", s.Index, s.End, sync, want)
				}
			}
		}
	})
}

func TestSegmentsThatStartMidSceneEndAtTheNextIntervalKeyframe(t *testing.T) {
	checked := 0
	rapid.Check(t, func(t *rapid.T) {
		in := encodedIndex().Draw(t, "index")
		keyframes, atSceneCut := singlePassKeyframes(in.index)
		if len(atSceneCut) == 0 || !slices.ContainsFunc(in.index.Sync, func(at media.Ticks) bool { return isSceneCut(in.index.Sync, at) }) {
			return // the keyframes of a single-pass encode are not known
		}
		for _, s := range in.plan() {
			atKeyframe := slices.Contains(keyframes, s.Start) || isSceneCut(in.index.Sync, s.Start)
			if s.MidScene == atKeyframe {
				t.Fatalf("segment %d starts at %d: MidScene is %v", s.Index, s.Start, s.MidScene)
			}
			if s.Last || atKeyframe {
				continue
			}
			runUp := distance(s.Seek, s.Start)
			length := max(in.length(), runUp/4)
			want := s.Start + media.Ticks(length)
			for _, k := range keyframes[1:] {
				if k <= s.Start {
					continue
				}
				if isSceneCut(in.index.Sync, k) || slices.ContainsFunc(in.index.Sync, func(at media.Ticks) bool {
					return s.Start < at && at <= k && isSceneCut(in.index.Sync, at)
				}) {
					break // the scene cut restarts the count in both encodes
				}
				tooNear := distance(s.Start, k) < runUp/4 && !slices.Contains(in.index.Sync, k)
				if tooNear || distance(min(k, want), max(k, want)) > length/2 || distance(k, in.index.End) < length/4 {
					continue
				}
				if !slices.Contains(keyframes, s.End) || atSceneCut[s.End] {
					t.Fatalf("segment %d, %d to %d, does not end at an interval keyframe of a single-pass encode, though %d is in reach", s.Index, s.Start, s.End, k)
				}
				checked++
			}
		}
	})
	if checked == 0 {
		t.Error("no segment could end at an interval keyframe")
	}
}

func TestSegmentsCoverEncodedFilmsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := encodedIndex().Draw(t, "index")
		segments := in.plan()
		checkCover(t, in.index, segments)
		if cost, source := decoded(segments); cost > 6*source {
			t.Fatalf("workers decode %.0f ticks of a source of %.0f", cost, source)
		}
		for _, s := range segments {
			length := max(in.length(), distance(s.Seek, s.Start)/4)
			if got := distance(s.Start, s.End); got > length+length/2+length/4+1 || !s.Last && got < length-length/2 {
				t.Fatalf("segment %d is %d ticks long, want about %d", s.Index, got, length)
			}
		}
	})
}

func TestBoundariesPreferSceneCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		for _, s := range in.plan() {
			length := max(in.length(), distance(s.Seek, s.Start)/4)
			want := s.Start + media.Ticks(length)
			if s.Last || isSceneCut(in.index.Sync, s.End) || endsAtInterval(in.index, s) {
				continue
			}
			for _, sync := range in.index.Sync {
				inReach := sync > s.Start && sync < in.index.End && distance(sync, in.index.End) >= length/4
				if inReach && isSceneCut(in.index.Sync, sync) && distance(min(sync, want), max(sync, want)) <= length/2 {
					t.Fatalf("segment %d ends at %d, though the scene cut %d is in reach of the wanted %d", s.Index, s.End, sync, want)
				}
			}
		}
	})
}

func TestDecodingIsBoundedForSparseSyncFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if cost, source := decoded(anyIndex().Draw(t, "index").plan()); cost > 6*source {
			t.Fatalf("workers decode %.0f ticks of a source of %.0f", cost, source)
		}
	})
}

func TestDecodingIsBoundedWithOneSyncFrame(t *testing.T) {
	second := media.Rational{Num: 1, Den: 1000}
	for _, hours := range []int{1, 2, 12, 100} {
		index := plan.Index{End: second.Ticks(time.Duration(hours) * time.Hour), Sync: []media.Ticks{0}}
		segments := plan.Segments(index, second, time.Second)
		cost, source := decoded(segments)
		if cost > 6*source || len(segments) < 20 {
			t.Errorf("%d h: %d segments decode %.2f times the source", hours, len(segments), cost/source)
		}
	}
}

func TestSegmentsDependOnTheirInputOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		before := input{in.index, in.tb, in.want}
		before.index.Sync, before.index.Times = slices.Clone(in.index.Sync), slices.Clone(in.index.Times)
		first := in.plan()
		if diff := cmp.Diff(first, in.plan()); diff != "" {
			t.Fatalf("a second plan differs (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(before.index, in.index); diff != "" {
			t.Fatalf("planning changed the index (-before +after):\n%s", diff)
		}
		// A sync frame that is listed twice and one at the end change nothing.
		if n := len(in.index.Sync); n > 0 {
			in.index.Sync = slices.Concat([]media.Ticks{in.index.Sync[0]}, in.index.Sync, []media.Ticks{max(in.index.End, in.index.Sync[n-1])})
			if diff := cmp.Diff(first, in.plan()); diff != "" {
				t.Fatalf("redundant sync frames changed the plan (-before +after):\n%s", diff)
			}
		}
	})
}

func TestSegmentsMoveWithTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		by := media.Ticks(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "by"))
		want := in.plan()
		for i := range want {
			want[i].Start, want[i].End, want[i].Seek = want[i].Start+by, want[i].End+by, want[i].Seek+by
			want[i].LeadSync += by
			if next := want[i].NextKeyframe; next != nil {
				want[i].NextKeyframe = new(*next + by)
			}
		}
		shifted := func(list []media.Ticks) []media.Ticks {
			list = slices.Clone(list)
			for i := range list {
				list[i] += by
			}
			return list
		}
		moved := plan.Index{Start: in.index.Start + by, End: in.index.End + by, Sync: shifted(in.index.Sync), Times: shifted(in.index.Times)}
		if diff := cmp.Diff(want, plan.Segments(moved, in.tb, in.want)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestSegmentsOfRealFootage(t *testing.T) {
	// Big Buck Bunny: 24 frames per second, scene cuts at 11.88, 15.75 and 23.04 s. The sync frame
	// at 10.42 s is an interval keyframe, 250 frames after the first.
	const frame = 512
	tb := media.Rational{Num: 1, Den: 12288}
	index := plan.Index{End: 720 * frame, Sync: []media.Ticks{0, 128000, 145920, 193536, 283136}}
	for i := range 720 {
		index.Times = append(index.Times, media.Ticks(i*frame))
	}
	at := func(t media.Ticks) *media.Ticks { return &t }
	for _, c := range []struct {
		name  string
		want  time.Duration
		times bool
		plan  []film.Segment
	}{
		{"10 s", 10 * time.Second, true, []film.Segment{
			{Index: 0, Start: 0, End: 145920, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Frames: 285},
			{Index: 1, Start: 145920, End: 283136, Seek: 145920, LeadSync: 128000, NextKeyframe: at(193536), Frames: 268, Boundary: film.AtSceneCut},
			{Index: 2, Start: 283136, End: 368640, Seek: 283136, LeadSync: 193536, Frames: 167, Last: true, Boundary: film.AtSceneCut},
		}},
		{"5 s", 5 * time.Second, true, []film.Segment{
			{Index: 0, Start: 0, End: 61440, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Frames: 120},
			{Index: 1, Start: 61440, End: 128000, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Frames: 130, MidScene: true, Boundary: film.AtLength},
			{Index: 2, Start: 128000, End: 193536, Seek: 128000, LeadSync: 0, NextKeyframe: at(145920), Frames: 128, Boundary: film.AtInterval},
			{Index: 3, Start: 193536, End: 283136, Seek: 193536, LeadSync: 145920, NextKeyframe: at(283136), Frames: 175, Boundary: film.AtSceneCut},
			{Index: 4, Start: 283136, End: 368640, Seek: 283136, LeadSync: 193536, Frames: 167, Last: true, Boundary: film.AtSceneCut},
		}},
		{"5 s, frames unknown", 5 * time.Second, false, []film.Segment{
			{Index: 0, Start: 0, End: 61440, Seek: 0, LeadSync: 0, NextKeyframe: at(128000)},
			{Index: 1, Start: 61440, End: 145920, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Boundary: film.AtLength},
			{Index: 2, Start: 145920, End: 193536, Seek: 145920, LeadSync: 128000, NextKeyframe: at(193536), Boundary: film.AtSceneCut},
			{Index: 3, Start: 193536, End: 283136, Seek: 193536, LeadSync: 145920, NextKeyframe: at(283136), Boundary: film.AtSceneCut},
			{Index: 4, Start: 283136, End: 368640, Seek: 283136, LeadSync: 193536, Last: true, Boundary: film.AtSceneCut},
		}},
		{"a minute", time.Minute, true, []film.Segment{{Index: 0, Start: 0, End: 368640, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Frames: 720, Last: true}}},
	} {
		x := index
		if !c.times {
			x.Times = nil
		}
		if diff := cmp.Diff(c.plan, plan.Segments(x, tb, c.want)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestSegmentsTable(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 10} // ten seconds are 100 ticks
	starts := func(x plan.Index) (list []media.Ticks) {
		for _, s := range plan.Segments(x, tb, 10*time.Second) {
			list = append(list, s.Start)
		}
		return list
	}
	for _, c := range []struct {
		name  string
		index plan.Index
		want  []media.Ticks
	}{
		{"empty index", plan.Index{Start: 5, End: 5}, []media.Ticks{5}},
		{"end before start", plan.Index{Start: 5, End: -5}, []media.Ticks{5}},
		{"one frame without duration", plan.Index{Start: 5, End: 5, Sync: []media.Ticks{5}, Times: []media.Ticks{5}}, []media.Ticks{5}},
		{"a short last segment is joined to the one before", plan.Index{End: 149}, []media.Ticks{0}},
		{"a longer one is not", plan.Index{End: 150}, []media.Ticks{0, 100}},
		{"wanted places if no sync frame is near", plan.Index{End: 400, Sync: []media.Ticks{0}}, []media.Ticks{0, 100, 200, 300}},
		{"sync frames near", plan.Index{End: 400, Sync: []media.Ticks{0, 49, 119, 189, 259}}, []media.Ticks{0, 119, 189, 259}},
		{"a scene cut rather than the nearest", plan.Index{End: 400, Sync: []media.Ticks{0, 100, 130, 230, 330}}, []media.Ticks{0, 130, 230, 330}},
		{"no scene cut in reach", plan.Index{End: 400, Sync: []media.Ticks{0, 30, 130, 230, 330}}, []media.Ticks{0, 130, 230, 330}},
		{"sync frames at equal distances are no scene cuts", plan.Index{End: 400, Sync: []media.Ticks{0, 48, 96, 144, 192, 240, 288, 336, 384}}, []media.Ticks{0, 96, 192, 288}},
		{"a sync frame that is listed twice is no scene cut", plan.Index{End: 200, Sync: []media.Ticks{70, 70, 110}}, []media.Ticks{0, 110}},
		{"nearest of two", plan.Index{End: 200, Sync: []media.Ticks{0, 89, 110}}, []media.Ticks{0, 110}},
		{"just within reach", plan.Index{End: 400, Sync: []media.Ticks{0, 150}}, []media.Ticks{0, 150, 250, 350}},
		{"just out of reach", plan.Index{End: 400, Sync: []media.Ticks{0, 151}}, []media.Ticks{0, 100, 151, 251}},
		{"the frames after a sync frame near the end are joined to the segment before", plan.Index{End: 150, Sync: []media.Ticks{0, 126}}, []media.Ticks{0}},
		{"a sync frame that is far enough from the end", plan.Index{End: 150, Sync: []media.Ticks{0, 125}}, []media.Ticks{0, 125}},
		{"an earlier sync frame than the one near the end", plan.Index{End: 150, Sync: []media.Ticks{60, 140}}, []media.Ticks{0, 60}},
		{"the next frame", plan.Index{End: 400, Sync: []media.Ticks{0}, Times: []media.Ticks{0, 70, 140, 210, 280, 350}}, []media.Ticks{0, 140, 280}},
		{"a gap", plan.Index{End: 1000, Sync: []media.Ticks{0}, Times: []media.Ticks{0, 10, 900, 910}}, []media.Ticks{0, 900}},
		{"a gap before a short last segment", plan.Index{End: 910, Sync: []media.Ticks{0}, Times: []media.Ticks{0, 10, 900}}, []media.Ticks{0}},
		{"frames long after the start", plan.Index{End: 1000, Sync: []media.Ticks{0}, Times: []media.Ticks{900, 910}}, []media.Ticks{0}},
		{"frames beyond the end", plan.Index{End: 200, Times: []media.Ticks{0, 100, 300}}, []media.Ticks{0, 100}},
	} {
		if diff := cmp.Diff(c.want, starts(c.index)); diff != "" {
			t.Errorf("%s: starts (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestLongFilmsHaveAtMostMaxSegments(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 90000}
	for _, hours := range []int{2, 24, 24 * 365} {
		index := plan.Index{End: tb.Ticks(time.Duration(hours) * time.Hour)}
		// Sync frames where they make segments as short as possible: half a length after each
		// boundary.
		length := max(tb.Ticks(time.Second), index.End/(plan.MaxSegments/2)+1)
		for at := media.Ticks(0); at < index.End; at += (length + 1) / 2 {
			index.Sync = append(index.Sync, at)
		}
		if n := len(plan.Segments(index, tb, time.Second)); n > plan.MaxSegments || n < plan.MaxSegments/4 {
			t.Errorf("%d h: %d segments", hours, n)
		}
	}
}

func TestSegmentsOfASplitSourceBeginAtItsSourceChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyIndex().Draw(t, "index")
		x := in.index
		if len(x.Sync) == 0 || x.Sync[0] < x.Start {
			x.Sync = []media.Ticks{x.Start}
		}
		segments := plan.SourceChunks(x)
		x.Times = nil
		checkCover(t, x, segments)
		if len(segments) != len(x.Sync) {
			t.Fatalf("%d segments for %d source chunks", len(segments), len(x.Sync))
		}
		for i, s := range segments {
			if i > 0 && (s.Seek != x.Sync[i] || s.Start != x.Sync[i]) {
				t.Fatalf("segment %d starts at %d with Seek %d, but its source chunk begins at %d", i, s.Start, s.Seek, x.Sync[i])
			}
		}
	})
}

func TestASourceWithLittleDataHasFewSegments(t *testing.T) {
	for _, c := range []struct {
		duration time.Duration
		size     int64
		want     time.Duration
	}{
		{2 * time.Hour, 1 << 30, 10 * time.Second},
		{time.Hour, 25 << 20, 10 * time.Second},
		{5 * time.Minute, 10, 10 * time.Second},          // few anyway
		{9600 * time.Minute, 1 << 20, 300 * time.Minute}, // claimed by three megabytes
		{100 * time.Hour, 400 * 64 << 10, 15 * time.Minute},
		{0, 3 << 20, 10 * time.Second},
	} {
		tb := media.Rational{Num: 1, Den: 1000}
		j := film.Job{Source: film.Source{Duration: 1, Size: c.size, Video: &film.VideoTrack{Timebase: tb}}} // a duration is claimed, too
		index := plan.Index{Start: -500, End: tb.Ticks(c.duration) - 500}
		j.Request.Segment.Seconds = film.Seconds(10 * time.Second)
		if got := plan.IndexedSegmentLength(j, index); got != c.want {
			t.Errorf("%v in %d bytes: segments of %v, want %v", c.duration, c.size, got, c.want)
		}
	}
}
