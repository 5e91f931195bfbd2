package plan_test

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

// input holds the arguments of Segments.
type input struct {
	index plan.Index
	tb    media.Rational
	want  time.Duration
}

// plan returns the segments.
func (in input) plan() []film.Segment { return plan.Segments(in.index, in.tb, in.want) }

// length returns the length of segments in ticks that do not have to be longer.
func (in input) length() uint64 {
	return max(uint64(max(in.tb.Ticks(in.want), 1)), distance(in.index.Start, in.index.End)/(plan.MaxSegments/2)+1)
}

// gap returns the longest time between two frames; 0 if their times are not known.
func (in input) gap() (longest uint64) {
	for i, at := range in.index.Times {
		next := in.index.End
		if i+1 < len(in.index.Times) {
			next = in.index.Times[i+1]
		}
		longest = max(longest, distance(at, next))
	}
	return longest
}

// distance returns b - a, which may be more than Ticks can hold.
func distance(a, b media.Ticks) uint64 { return uint64(b) - uint64(a) }

// anyIndex draws the index of a valid container: up to 400 frames, at a constant rate or a variable
// one with gaps. Any number of them are sync frames, and the clock starts at any time.
func anyIndex() *rapid.Generator[input] {
	return rapid.Custom(func(t *rapid.T) input {
		in := input{
			tb: rapid.SampledFrom([]media.Rational{
				{Num: 1, Den: 12288},
				{Num: 1, Den: 90000},
				{Num: 1, Den: 1000},
				{Num: 1, Den: 25},
				{Num: 1001, Den: 30000},
				{Num: 1, Den: 1_000_000_000},
				{Num: 1, Den: math.MaxUint32},
				{Num: 7, Den: 1},
			}).Draw(t, "timebase"),
			want: time.Duration(rapid.Int64Range(int64(time.Second), int64(30*time.Second)).Draw(t, "want")),
		}
		start := media.Ticks(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-1<<40, 1<<40)).Draw(t, "start"))
		frame := rapid.Int64Range(1, 1+int64(in.tb.Ticks(rapid.SampledFrom([]time.Duration{
			time.Second / 50, time.Second / 5, 3 * time.Second,
		}).Draw(t, "frame rate")))).Draw(t, "frame")
		variable := rapid.Bool().Draw(t, "variable")
		everySync := rapid.SampledFrom([]int{1, 2, 12, 100, 1000}).Draw(t, "every sync")
		at := start
		for i := range rapid.IntRange(1, 400).Draw(t, "frames") {
			in.index.Times = append(in.index.Times, at)
			if i == 0 || rapid.IntRange(1, everySync).Draw(t, "sync") == 1 {
				in.index.Sync = append(in.index.Sync, at)
			}
			step := frame
			if variable {
				step = rapid.OneOf(rapid.Int64Range(1, frame), rapid.Int64Range(1, 200*frame)).Draw(t, "step")
			}
			at += media.Ticks(step)
		}
		in.index.Start, in.index.End = start, at
		switch rapid.IntRange(0, 5).Draw(t, "sync frames") {
		case 0:
			in.index.Sync = nil
		case 1:
			in.index.Sync = in.index.Sync[:1]
		case 2: // decoding begins before the first frame shown
			in.index.Sync = slices.Insert(in.index.Sync, 0, start-media.Ticks(rapid.Int64Range(1, 1<<30).Draw(t, "before")))
		case 3: // the first frames depend on a sync frame that is missing
			in.index.Sync = in.index.Sync[1:]
		}
		if rapid.Bool().Draw(t, "times unknown") {
			in.index.Times = nil
		}
		return in
	})
}

// hostileIndex draws the index of a hostile file: extreme and contradictory, but in ascending order.
func hostileIndex() *rapid.Generator[input] {
	return rapid.Custom(func(t *rapid.T) input {
		ticks := rapid.Map(rapid.OneOf(
			rapid.Int64Range(-20, 20), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MaxInt64 - 1}),
		), func(v int64) media.Ticks { return media.Ticks(v) })
		list := rapid.Map(rapid.SliceOfN(ticks, 0, 20), func(l []media.Ticks) []media.Ticks { slices.Sort(l); return l })
		return input{
			index: plan.Index{
				Start: ticks.Draw(t, "start"), End: ticks.Draw(t, "end"), Sync: list.Draw(t, "sync"), Times: list.Draw(t, "times"),
			},
			tb: rapid.SampledFrom([]media.Rational{
				{Num: 1, Den: 12288}, {Num: 1, Den: math.MaxInt64}, {Num: math.MaxInt64, Den: 1}, {Num: 1, Den: 1},
			}).Draw(t, "timebase"),
			want: time.Duration(rapid.OneOf(rapid.Int64Range(-5, 5), rapid.Int64()).Draw(t, "want")),
		}
	})
}

// checkCover fails unless segments are numbered, are not empty, cover [start, end) without gap or
// overlap, begin to decode at sync frames, and count each of the index's frames once.
func checkCover(t rapid.TB, x plan.Index, segments []film.Segment) {
	t.Helper()
	n := len(segments)
	if n == 0 || n > plan.MaxSegments {
		t.Fatalf("%d segments, want 1 to %d", n, plan.MaxSegments)
	}
	// An index that ends before it starts counts as one tick long.
	start := min(x.Start, math.MaxInt64-1)
	if end := max(x.End, start+1); segments[0].Start != start || segments[n-1].End != end {
		t.Fatalf("segments cover %d to %d, want %d to %d", segments[0].Start, segments[n-1].End, start, end)
	}
	frames := 0
	for i, s := range segments {
		switch {
		case s.Index != i:
			t.Fatalf("segment %d has the number %d", i, s.Index)
		case s.Last != (i == n-1):
			t.Fatalf("segment %d of %d: Last is %v", i, n, s.Last)
		case s.Start >= s.End:
			t.Fatalf("segment %d is empty: %d to %d", i, s.Start, s.End)
		case i > 0 && s.Start != segments[i-1].End:
			t.Fatalf("segment %d starts at %d, the one before ends at %d", i, s.Start, segments[i-1].End)
		}
		frames += s.Frames
		if i > 0 && s.LeadSync >= s.Start || s.LeadSync > s.Seek {
			t.Fatalf("segment %d starts at %d: Seek is %d and LeadSync %d", i, s.Start, s.Seek, s.LeadSync)
		}
		if _, sync := slices.BinarySearch(x.Sync, s.Seek); s.Seek > s.Start || !sync && s.Seek != start {
			t.Fatalf("segment %d starts at %d: Seek is %d, neither a sync frame before it nor the start", i, s.Start, s.Seek)
		}
		for _, sync := range x.Sync {
			if s.Seek < sync && sync <= s.Start {
				t.Fatalf("segment %d: Seek is %d, but the sync frame %d is nearer to its start", i, s.Seek, sync)
			}
			if i > 0 && s.LeadSync < sync && sync < s.Start {
				t.Fatalf("segment %d: LeadSync is %d, but the sync frame %d is nearer to its start", i, s.LeadSync, sync)
			}
			if i > 0 && s.Seek < sync && sync < x.End && (s.NextKeyframe == nil || *s.NextKeyframe > sync) {
				t.Fatalf("segment %d: Seek is %d and the sync frame after it %d, but NextKeyframe is %v", i, s.Seek, sync, s.NextKeyframe)
			}
		}
	}
	if frames != len(x.Times) {
		t.Fatalf("segments have %d frames, want %d", frames, len(x.Times))
	}
}

// isSceneCut reports whether a sync frame is nearer to the one before than the longest distance in
// its index.
func isSceneCut(sync []media.Ticks, at media.Ticks) bool {
	var longest, own uint64
	for i := 1; i < len(sync); i++ {
		d := distance(sync[i-1], sync[i])
		longest = max(longest, d)
		if sync[i] == at {
			own = d
		}
	}
	return own > 0 && own < longest-longest/50
}

// encodedIndex draws the index of a film as encoders write it: a constant frame rate, and sync
// frames at scene cuts and at regular distances after them.
func encodedIndex() *rapid.Generator[input] {
	return rapid.Custom(func(t *rapid.T) input {
		in := input{
			tb:   media.Rational{Num: 1, Den: 24},
			want: time.Duration(rapid.Int64Range(int64(time.Second), int64(30*time.Second)).Draw(t, "want")),
		}
		at := media.Ticks(rapid.Int64Range(-1000, 1000).Draw(t, "start"))
		in.index.Start = at
		group := rapid.SampledFrom([]int{12, 48, 120, 250, 300, 2000}).Draw(t, "group")
		for _, scene := range rapid.SliceOfN(rapid.IntRange(1, 800), 1, 8).Draw(t, "scenes") {
			for i := range scene {
				if i%group == 0 {
					in.index.Sync = append(in.index.Sync, at)
				}
				in.index.Times = append(in.index.Times, at)
				at++
			}
		}
		in.index.End = at
		return in
	})
}

// singlePassKeyframes returns the keyframes of a single-pass encode with x264's defaults. It goes
// through the frames one by one. atSceneCut holds for each keyframe whether it is at a scene cut.
func singlePassKeyframes(x plan.Index) (list []media.Ticks, atSceneCut map[media.Ticks]bool) {
	atSceneCut = map[media.Ticks]bool{}
	since := 0
	for i, at := range x.Times {
		sceneCut := since >= 25 && slices.Contains(x.Sync, at) && isSceneCut(x.Sync, at)
		if i == 0 || sceneCut || since == 250 {
			list, since = append(list, at), 0
			atSceneCut[at] = sceneCut
		}
		since++
	}
	return list, atSceneCut
}

// endsAtInterval reports whether a segment that begins at no keyframe of a single-pass encode ends
// at an interval keyframe.
func endsAtInterval(x plan.Index, s film.Segment) bool {
	keyframes, atSceneCut := singlePassKeyframes(x)
	return !slices.Contains(keyframes, s.Start) && slices.Contains(keyframes, s.End) && !atSceneCut[s.End]
}

// decoded returns how many ticks all workers decode together, and the length of the source with the
// run-up of its start.
func decoded(segments []film.Segment) (cost, source float64) {
	for _, s := range segments {
		cost += float64(distance(s.Seek, s.End))
	}
	return cost, float64(distance(segments[0].Seek, segments[len(segments)-1].End))
}
