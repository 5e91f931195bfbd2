package plan_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

// question is what Segments is asked.
type question struct {
	index plan.Index
	tb    media.Rational
	want  time.Duration
}

func (q question) plan() []film.Segment { return plan.Segments(q.index, q.tb, q.want) }

// length is the length in ticks that segments should have, before anything makes them longer.
func (q question) length() uint64 {
	return max(uint64(max(q.tb.Ticks(q.want), 1)), distance(q.index.Start, q.index.End)/(plan.MaxSegments/2)+1)
}

// distance is b - a, which Ticks may not be able to hold.
func distance(a, b media.Ticks) uint64 { return uint64(b) - uint64(a) }

// anyFilm draws an index as a sound container gives it: up to 400 frames, at a fixed rate or a variable one with holes,
// sync frames among them, from none to all, from any start of the clock.
func anyFilm() *rapid.Generator[question] {
	return rapid.Custom(func(t *rapid.T) question {
		q := question{
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
		frame := rapid.Int64Range(1, 1+int64(q.tb.Ticks(rapid.SampledFrom([]time.Duration{
			time.Second / 50, time.Second / 5, 3 * time.Second,
		}).Draw(t, "frame rate")))).Draw(t, "frame")
		variable := rapid.Bool().Draw(t, "variable")
		everySync := rapid.SampledFrom([]int{1, 2, 12, 100, 1000}).Draw(t, "every sync")
		at := start
		for i := range rapid.IntRange(1, 400).Draw(t, "frames") {
			q.index.Times = append(q.index.Times, at)
			if i == 0 || rapid.IntRange(1, everySync).Draw(t, "sync") == 1 {
				q.index.Sync = append(q.index.Sync, at)
			}
			step := frame
			if variable {
				step = rapid.OneOf(rapid.Int64Range(1, frame), rapid.Int64Range(1, 200*frame)).Draw(t, "step")
			}
			at += media.Ticks(step)
		}
		q.index.Start, q.index.End = start, at
		switch rapid.IntRange(0, 5).Draw(t, "sync frames") {
		case 0:
			q.index.Sync = nil
		case 1:
			q.index.Sync = q.index.Sync[:1]
		case 2: // decoding begins before what is shown
			q.index.Sync = slices.Insert(q.index.Sync, 0, start-media.Ticks(rapid.Int64Range(1, 1<<30).Draw(t, "before")))
		case 3: // the first frames hang on something that is not there
			q.index.Sync = q.index.Sync[1:]
		}
		if rapid.Bool().Draw(t, "times unknown") {
			q.index.Times = nil
		}
		return q
	})
}

// strange draws an index as a hostile file may give it: extreme, contradictory, but in order.
func strange() *rapid.Generator[question] {
	return rapid.Custom(func(t *rapid.T) question {
		ticks := rapid.Map(rapid.OneOf(
			rapid.Int64Range(-20, 20), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MaxInt64 - 1}),
		), func(v int64) media.Ticks { return media.Ticks(v) })
		list := rapid.Map(rapid.SliceOfN(ticks, 0, 20), func(l []media.Ticks) []media.Ticks { slices.Sort(l); return l })
		return question{
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

// checkCover fails unless segments are numbered, cover [start, end) without gap, overlap or emptiness, begin decoding
// where they may, and promise each of the index's frames once.
func checkCover(t rapid.TB, x plan.Index, segments []film.Segment) {
	t.Helper()
	n := len(segments)
	if n == 0 || n > plan.MaxSegments {
		t.Fatalf("%d segments, want 1 to %d", n, plan.MaxSegments)
	}
	// An index may claim to end before it starts; it is one tick long then.
	start := min(x.Start, math.MaxInt64-1)
	if end := max(x.End, start+1); segments[0].Start != start || segments[n-1].End != end {
		t.Fatalf("covered %d to %d, want %d to %d", segments[0].Start, segments[n-1].End, start, end)
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
			t.Fatalf("segment %d starts at %d, seeks %d and leads in from %d", i, s.Start, s.Seek, s.LeadSync)
		}
		if _, sync := slices.BinarySearch(x.Sync, s.Seek); s.Seek > s.Start || !sync && s.Seek != start {
			t.Fatalf("segment %d starts at %d and seeks %d, neither a sync frame before it nor the beginning", i, s.Start, s.Seek)
		}
		for _, sync := range x.Sync {
			if s.Seek < sync && sync <= s.Start {
				t.Fatalf("segment %d seeks %d, but the sync frame %d is nearer to its start", i, s.Seek, sync)
			}
			if i > 0 && s.LeadSync < sync && sync < s.Start {
				t.Fatalf("segment %d leads in from %d, but the sync frame %d is nearer to its start", i, s.LeadSync, sync)
			}
			if i > 0 && s.Seek < sync && sync < x.End && (s.NextKeyframe == nil || *s.NextKeyframe > sync) {
				t.Fatalf("segment %d seeks %d, and the sync frame after it is %d, not %v", i, s.Seek, sync, s.NextKeyframe)
			}
		}
	}
	if frames != len(x.Times) {
		t.Fatalf("%d frames are promised of %d", frames, len(x.Times))
	}
}

func TestSegmentsCoverTheSourceExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		checkCover(t, q.index, q.plan())
	})
}

func TestSegmentsCoverHostileIndexesToo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := strange().Draw(t, "index")
		checkCover(t, q.index, q.plan())
	})
}

func TestSegmentsPromiseTheFramesWithinThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		for _, s := range q.plan() {
			var frames int
			for _, at := range q.index.Times {
				if s.Start <= at && at < s.End {
					frames++
				}
			}
			if frames != s.Frames {
				t.Fatalf("segment %d promises %d frames and has %d", s.Index, s.Frames, frames)
			}
			if len(q.index.Times) > 0 && frames == 0 {
				t.Fatalf("segment %d has no frame", s.Index)
			}
		}
	})
}

func TestSegmentsBeginAtFramesWhereTheseAreKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		if len(q.index.Times) == 0 {
			return
		}
		for _, s := range q.plan() {
			if _, ok := slices.BinarySearch(q.index.Times, s.Start); !ok {
				t.Fatalf("segment %d starts at %d, where no frame is", s.Index, s.Start)
			}
		}
	})
}

// gap is the longest time between two frames; 0 where they are not known.
func (q question) gap() (longest uint64) {
	for i, at := range q.index.Times {
		next := q.index.End
		if i+1 < len(q.index.Times) {
			next = q.index.Times[i+1]
		}
		longest = max(longest, distance(at, next))
	}
	return longest
}

func TestSegmentsAreAboutAsLongAsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		segments, gap := q.plan(), q.gap()
		for _, s := range segments {
			runUp, got := distance(s.Seek, s.Start), distance(s.Start, s.End)
			length := max(q.length(), runUp/4)
			least, most := length-length/2, length+length/2+gap
			if s.Last {
				least, most = q.length()/4, most+length/4
			}
			if got > most || got < least && len(segments) > 1 {
				t.Fatalf("segment %d is %d ticks long with a run-up of %d, want %d to %d", s.Index, got, runUp, least, most)
			}
		}
	})
}

func TestBoundariesLieOnSyncFramesWithinReach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		for _, s := range q.plan() {
			length := max(q.length(), distance(s.Seek, s.Start)/4)
			want := s.Start + media.Ticks(length)
			if s.Last || slices.Contains(q.index.Sync, s.End) || restores(q.index, s) {
				continue
			}
			for _, sync := range q.index.Sync {
				inReach := sync > s.Start && sync < q.index.End && distance(sync, q.index.End) >= length/4
				if inReach && distance(min(sync, want), max(sync, want)) <= length/2 {
					t.Fatalf("segment %d ends at %d, though the sync frame %d is near the wanted %d", s.Index, s.End, sync, want)
				}
			}
		}
	})
}

func TestBoundariesLieOnTheNearestSyncFrameOfItsKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		for _, s := range q.plan() {
			if s.Last || !slices.Contains(q.index.Sync, s.End) || restores(q.index, s) {
				continue
			}
			length := max(q.length(), distance(s.Seek, s.Start)/4)
			want := s.Start + media.Ticks(length)
			off := distance(min(s.End, want), max(s.End, want))
			if off > length/2 {
				continue // not chosen for being one, but as the next frame
			}
			for _, sync := range q.index.Sync {
				if scene(q.index.Sync, s.End) != scene(q.index.Sync, sync) {
					continue
				}
				if sync > s.Start && distance(min(sync, want), max(sync, want)) < off && sync <= s.End {
					t.Fatalf("segment %d ends at %d, though the sync frame %d is nearer to the wanted %d", s.Index, s.End, sync, want)
				}
			}
		}
	})
}

// scene says whether a sync frame came before the longest distance of its index was over.
func scene(sync []media.Ticks, at media.Ticks) bool {
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

// encoded draws a film as encoders make them: even frames, sync frames at scene cuts and at regular distances after
// them.
func encoded() *rapid.Generator[question] {
	return rapid.Custom(func(t *rapid.T) question {
		q := question{
			tb:   media.Rational{Num: 1, Den: 24},
			want: time.Duration(rapid.Int64Range(int64(time.Second), int64(30*time.Second)).Draw(t, "want")),
		}
		at := media.Ticks(rapid.Int64Range(-1000, 1000).Draw(t, "start"))
		q.index.Start = at
		group := rapid.SampledFrom([]int{12, 48, 120, 250, 300, 2000}).Draw(t, "group")
		for _, scene := range rapid.SliceOfN(rapid.IntRange(1, 800), 1, 8).Draw(t, "scenes") {
			for i := range scene {
				if i%group == 0 {
					q.index.Sync = append(q.index.Sync, at)
				}
				q.index.Times = append(q.index.Times, at)
				at++
			}
		}
		q.index.End = at
		return q
	})
}

// longKeyframes are those of one long encode with x264's defaults, which goes through the frames one by one. cut says
// which of them come because the scene changes.
func longKeyframes(x plan.Index) (list []media.Ticks, cut map[media.Ticks]bool) {
	cut = map[media.Ticks]bool{}
	since := 0
	for i, at := range x.Times {
		sceneCut := since >= 25 && slices.Contains(x.Sync, at) && scene(x.Sync, at)
		if i == 0 || sceneCut || since == 250 {
			list, since = append(list, at), 0
			cut[at] = sceneCut
		}
		since++
	}
	return list, cut
}

// restores says whether a segment that begins at no keyframe of one long encode ends at a regular one.
func restores(x plan.Index, s film.Segment) bool {
	keyframes, cut := longKeyframes(x)
	return !slices.Contains(keyframes, s.Start) && slices.Contains(keyframes, s.End) && !cut[s.End]
}

func TestCountingKeyframesComesBackIntoStepWithOneLongEncode(t *testing.T) {
	restored := 0
	rapid.Check(t, func(t *rapid.T) {
		q := encoded().Draw(t, "film")
		keyframes, cut := longKeyframes(q.index)
		if len(cut) == 0 || !slices.ContainsFunc(q.index.Sync, func(at media.Ticks) bool { return scene(q.index.Sync, at) }) {
			return // nothing tells where the long encode would set them
		}
		for _, s := range q.plan() {
			inStep := slices.Contains(keyframes, s.Start) || scene(q.index.Sync, s.Start)
			if s.MidScene == inStep {
				t.Fatalf("segment %d starts at %d: MidScene is %v", s.Index, s.Start, s.MidScene)
			}
			if s.Last || inStep {
				continue
			}
			runUp := distance(s.Seek, s.Start)
			length := max(q.length(), runUp/4)
			want := s.Start + media.Ticks(length)
			for _, k := range keyframes[1:] {
				if k <= s.Start {
					continue
				}
				if scene(q.index.Sync, k) || slices.ContainsFunc(q.index.Sync, func(at media.Ticks) bool {
					return s.Start < at && at <= k && scene(q.index.Sync, at)
				}) {
					break // a scene cut brings the count into step by itself
				}
				far := distance(s.Start, k) < runUp/4 && !slices.Contains(q.index.Sync, k)
				if far || distance(min(k, want), max(k, want)) > length/2 || distance(k, q.index.End) < length/4 {
					continue
				}
				if !slices.Contains(keyframes, s.End) || cut[s.End] {
					t.Fatalf("segment %d, %d to %d, does not end at a regular keyframe of a long encode, though %d is in reach", s.Index, s.Start, s.End, k)
				}
				restored++
			}
		}
	})
	if restored == 0 {
		t.Error("no film had such a place")
	}
}

func TestSegmentsCoverEncodedFilmsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := encoded().Draw(t, "film")
		segments := q.plan()
		checkCover(t, q.index, segments)
		if cost, source := decoded(segments); cost > 6*source {
			t.Fatalf("%.0f ticks are decoded of %.0f", cost, source)
		}
		for _, s := range segments {
			length := max(q.length(), distance(s.Seek, s.Start)/4)
			if got := distance(s.Start, s.End); got > length+length/2+length/4+1 || !s.Last && got < length-length/2 {
				t.Fatalf("segment %d is %d ticks long, want about %d", s.Index, got, length)
			}
		}
	})
}

func TestBoundariesPreferSceneCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		for _, s := range q.plan() {
			length := max(q.length(), distance(s.Seek, s.Start)/4)
			want := s.Start + media.Ticks(length)
			if s.Last || scene(q.index.Sync, s.End) || restores(q.index, s) {
				continue
			}
			for _, sync := range q.index.Sync {
				inReach := sync > s.Start && sync < q.index.End && distance(sync, q.index.End) >= length/4
				if inReach && scene(q.index.Sync, sync) && distance(min(sync, want), max(sync, want)) <= length/2 {
					t.Fatalf("segment %d ends at %d, though the scene cut %d is in reach of the wanted %d", s.Index, s.End, sync, want)
				}
			}
		}
	})
}

// decoded is what all workers decode together, in ticks, and the source's length with what must be decoded before it.
func decoded(segments []film.Segment) (cost, source float64) {
	for _, s := range segments {
		cost += float64(distance(s.Seek, s.End))
	}
	return cost, float64(distance(segments[0].Seek, segments[len(segments)-1].End))
}

func TestDecodingIsBoundedHoweverSparseSyncFramesAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if cost, source := decoded(anyFilm().Draw(t, "film").plan()); cost > 6*source {
			t.Fatalf("%.0f ticks are decoded of %.0f", cost, source)
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

func TestPlanIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		before := question{q.index, q.tb, q.want}
		before.index.Sync, before.index.Times = slices.Clone(q.index.Sync), slices.Clone(q.index.Times)
		first := q.plan()
		if diff := cmp.Diff(first, q.plan()); diff != "" {
			t.Fatalf("a second plan differs (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(before.index, q.index); diff != "" {
			t.Fatalf("planning changed the index (-before +after):\n%s", diff)
		}
		// Sync frames that cannot begin a segment, and those that do, told twice, add nothing.
		if n := len(q.index.Sync); n > 0 {
			q.index.Sync = slices.Concat([]media.Ticks{q.index.Sync[0]}, q.index.Sync, []media.Ticks{max(q.index.End, q.index.Sync[n-1])})
			if diff := cmp.Diff(first, q.plan()); diff != "" {
				t.Fatalf("adding nothing changed the plan (-before +after):\n%s", diff)
			}
		}
	})
}

func TestPlanMovesWithTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		by := media.Ticks(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "by"))
		want := q.plan()
		for i := range want {
			want[i].Start, want[i].End, want[i].Seek = want[i].Start+by, want[i].End+by, want[i].Seek+by
			want[i].LeadSync += by
			if next := want[i].NextKeyframe; next != nil {
				want[i].NextKeyframe = new(*next + by)
			}
		}
		later := func(list []media.Ticks) []media.Ticks {
			list = slices.Clone(list)
			for i := range list {
				list[i] += by
			}
			return list
		}
		moved := plan.Index{Start: q.index.Start + by, End: q.index.End + by, Sync: later(q.index.Sync), Times: later(q.index.Times)}
		if diff := cmp.Diff(want, plan.Segments(moved, q.tb, q.want)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestSegmentsOfRealFootage(t *testing.T) {
	// Big Buck Bunny: 24 frames a second, scene cuts at 11.88, 15.75 and 23.04 s. The sync frame at 10.42 s is there
	// because the encoder allowed 250 frames without one.
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
			{Index: 1, Start: 145920, End: 283136, Seek: 145920, LeadSync: 128000, NextKeyframe: at(193536), Frames: 268},
			{Index: 2, Start: 283136, End: 368640, Seek: 283136, LeadSync: 193536, Frames: 167, Last: true},
		}},
		{"5 s", 5 * time.Second, true, []film.Segment{
			{Index: 0, Start: 0, End: 61440, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Frames: 120},
			{Index: 1, Start: 61440, End: 128000, Seek: 0, LeadSync: 0, NextKeyframe: at(128000), Frames: 130, MidScene: true},
			{Index: 2, Start: 128000, End: 193536, Seek: 128000, LeadSync: 0, NextKeyframe: at(145920), Frames: 128},
			{Index: 3, Start: 193536, End: 283136, Seek: 193536, LeadSync: 145920, NextKeyframe: at(283136), Frames: 175},
			{Index: 4, Start: 283136, End: 368640, Seek: 283136, LeadSync: 193536, Frames: 167, Last: true},
		}},
		{"5 s, frames unknown", 5 * time.Second, false, []film.Segment{
			{Index: 0, Start: 0, End: 61440, Seek: 0, LeadSync: 0, NextKeyframe: at(128000)},
			{Index: 1, Start: 61440, End: 145920, Seek: 0, LeadSync: 0, NextKeyframe: at(128000)},
			{Index: 2, Start: 145920, End: 193536, Seek: 145920, LeadSync: 128000, NextKeyframe: at(193536)},
			{Index: 3, Start: 193536, End: 283136, Seek: 193536, LeadSync: 145920, NextKeyframe: at(283136)},
			{Index: 4, Start: 283136, End: 368640, Seek: 283136, LeadSync: 193536, Last: true},
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
		{"no index to speak of", plan.Index{Start: 5, End: 5}, []media.Ticks{5}},
		{"end before start", plan.Index{Start: 5, End: -5}, []media.Ticks{5}},
		{"one frame without duration", plan.Index{Start: 5, End: 5, Sync: []media.Ticks{5}, Times: []media.Ticks{5}}, []media.Ticks{5}},
		{"a short rest is joined", plan.Index{End: 149}, []media.Ticks{0}},
		{"a longer one is not", plan.Index{End: 150}, []media.Ticks{0, 100}},
		{"wanted places where no sync frame is near", plan.Index{End: 400, Sync: []media.Ticks{0}}, []media.Ticks{0, 100, 200, 300}},
		{"sync frames near", plan.Index{End: 400, Sync: []media.Ticks{0, 49, 119, 189, 259}}, []media.Ticks{0, 119, 189, 259}},
		{"a scene cut rather than the nearest", plan.Index{End: 400, Sync: []media.Ticks{0, 100, 130, 230, 330}}, []media.Ticks{0, 130, 230, 330}},
		{"no scene cut in reach", plan.Index{End: 400, Sync: []media.Ticks{0, 30, 130, 230, 330}}, []media.Ticks{0, 130, 230, 330}},
		{"regular sync frames have no scene cuts", plan.Index{End: 400, Sync: []media.Ticks{0, 48, 96, 144, 192, 240, 288, 336, 384}}, []media.Ticks{0, 96, 192, 288}},
		{"a sync frame told twice is no scene cut", plan.Index{End: 200, Sync: []media.Ticks{70, 70, 110}}, []media.Ticks{0, 110}},
		{"nearest of two", plan.Index{End: 200, Sync: []media.Ticks{0, 89, 110}}, []media.Ticks{0, 110}},
		{"just within reach", plan.Index{End: 400, Sync: []media.Ticks{0, 150}}, []media.Ticks{0, 150, 250, 350}},
		{"just out of reach", plan.Index{End: 400, Sync: []media.Ticks{0, 151}}, []media.Ticks{0, 100, 151, 251}},
		{"what is behind a sync frame near the end is joined", plan.Index{End: 150, Sync: []media.Ticks{0, 126}}, []media.Ticks{0}},
		{"a sync frame not so near the end", plan.Index{End: 150, Sync: []media.Ticks{0, 125}}, []media.Ticks{0, 125}},
		{"an earlier sync frame than the one near the end", plan.Index{End: 150, Sync: []media.Ticks{60, 140}}, []media.Ticks{0, 60}},
		{"the next frame", plan.Index{End: 400, Sync: []media.Ticks{0}, Times: []media.Ticks{0, 70, 140, 210, 280, 350}}, []media.Ticks{0, 140, 280}},
		{"a hole", plan.Index{End: 1000, Sync: []media.Ticks{0}, Times: []media.Ticks{0, 10, 900, 910}}, []media.Ticks{0, 900}},
		{"a hole before a short rest", plan.Index{End: 910, Sync: []media.Ticks{0}, Times: []media.Ticks{0, 10, 900}}, []media.Ticks{0}},
		{"frames long after the start", plan.Index{End: 1000, Sync: []media.Ticks{0}, Times: []media.Ticks{900, 910}}, []media.Ticks{0}},
		{"frames beyond the end", plan.Index{End: 200, Times: []media.Ticks{0, 100, 300}}, []media.Ticks{0, 100}},
	} {
		if diff := cmp.Diff(c.want, starts(c.index)); diff != "" {
			t.Errorf("%s: starts (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestLongFilmsStayWithinTheMap(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 90000}
	for _, hours := range []int{2, 24, 24 * 365} {
		index := plan.Index{End: tb.Ticks(time.Duration(hours) * time.Hour)}
		// Sync frames where they make segments as short as can be: half a length after each boundary.
		length := max(tb.Ticks(time.Second), index.End/(plan.MaxSegments/2)+1)
		for at := media.Ticks(0); at < index.End; at += (length + 1) / 2 {
			index.Sync = append(index.Sync, at)
		}
		if n := len(plan.Segments(index, tb, time.Second)); n > plan.MaxSegments || n < plan.MaxSegments/4 {
			t.Errorf("%d h: %d segments", hours, n)
		}
	}
}

func TestStretchesBeginWhereTheSourceWasSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyFilm().Draw(t, "film")
		x := q.index
		if len(x.Sync) == 0 || x.Sync[0] < x.Start {
			x.Sync = []media.Ticks{x.Start}
		}
		segments := plan.SourceChunks(x)
		x.Times = nil
		checkCover(t, x, segments)
		if len(segments) != len(x.Sync) {
			t.Fatalf("%d segments for %d stretches", len(segments), len(x.Sync))
		}
		for i, s := range segments {
			if i > 0 && (s.Seek != x.Sync[i] || s.Start != x.Sync[i]) {
				t.Fatalf("segment %d starts at %d and seeks %d, its stretch begins at %d", i, s.Start, s.Seek, x.Sync[i])
			}
		}
	})
}
