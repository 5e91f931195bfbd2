package pace

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// stoppedAt simulates an encode that writes frame n at at(n) and reports twice a second. It returns
// when the encode was found to miss its deadline; 0 = never.
func stoppedAt(limit time.Duration, frames int64, at func(n int64) time.Duration) time.Duration {
	p := pace{Work: Work{Limit: limit, Total: frames}}
	for now, n := time.Duration(0), int64(0); now < limit && n < frames; now += time.Second / 2 {
		for n < frames && at(n+1) <= now {
			n++
		}
		if p.willMissDeadline(now, n) {
			return now
		}
	}
	return 0
}

func TestAnEncodeThatWillMissItsDeadlineIsStoppedSoon(t *testing.T) {
	const startUp = 40 * time.Second // until the first frame
	for _, limit := range []time.Duration{20 * time.Second, 5 * time.Minute, 15 * time.Minute} {
		startUp := min(startUp, limit/4)
		for _, times := range []int64{3, 10, 100} { // too slow
			each := limit * time.Duration(times) / 1000
			got := stoppedAt(limit, 1000, func(n int64) time.Duration { return startUp + time.Duration(n)*each })
			// The first frame, then the evidence, then one more report.
			if most := startUp + each + max(10*time.Second, limit/20) + each + time.Second; got == 0 || got > most {
				t.Errorf("limit %v, %d times too slow: stopped at %v, want before %v", limit, times, got, most)
			}
		}
	}
}

func TestAnEncodeThatMeetsItsDeadlineIsNeverStopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := time.Duration(rapid.IntRange(10, 900).Draw(t, "limit")) * time.Second
		frames := int64(rapid.IntRange(1, 2000).Draw(t, "frames"))
		start := time.Duration(rapid.IntRange(0, 99).Draw(t, "start")) * limit / 100
		// A steady pace that ends within the limit, with frames that are written in groups.
		group := int64(rapid.IntRange(1, 20).Draw(t, "group"))
		each := (limit - start) / time.Duration(frames+group)
		at := func(n int64) time.Duration { return start + time.Duration((n+group-1)/group*group)*each }
		if got := stoppedAt(limit, frames, at); got != 0 {
			t.Fatalf("stopped at %v of %v", got, limit)
		}
	})
	for name, at := range map[string]func(n int64) time.Duration{
		"a slow beginning": func(n int64) time.Duration {
			if n <= 100 {
				return time.Duration(n) * 3 * time.Second / 2 // 150 s for a tenth, which alone would take 1500
			}
			return 150*time.Second + time.Duration(n-100)*time.Second/2
		},
		"a pause of a minute": func(n int64) time.Duration {
			at := time.Duration(n) * time.Second / 2
			if n > 300 {
				at += 60 * time.Second
			}
			return at
		},
	} {
		if got := stoppedAt(900*time.Second, 1000, at); got != 0 {
			t.Errorf("%s: stopped at %v", name, got)
		}
	}
}

func TestNoPredictionWithoutADeadlineOrANumberOfFrames(t *testing.T) {
	for _, p := range []pace{{Work: Work{Total: 100}}, {Work: Work{Limit: time.Minute}}} {
		for at := range 60 {
			if p.willMissDeadline(time.Duration(at)*time.Second, 1) {
				t.Errorf("%+v: stopped at %d s", p, at)
			}
		}
	}
}

func TestASteadyEncodeIsGivenUpTheEarlierTheSlowerItIs(t *testing.T) {
	t.Parallel()
	const limit = 885 * time.Second
	before := limit
	for _, takes := range []time.Duration{limit + 60*time.Second, 1255 * time.Second, 2 * limit} {
		at, missed := GivesUp(limit, takes)
		if !missed || at >= before || at < evidence(limit) {
			t.Errorf("an encode of %v is given up after %v (%t), want between %v and %v", takes, at, missed, evidence(limit), before)
		}
		before = at
	}
	if at, missed := GivesUp(limit, limit); missed || at != limit {
		t.Errorf("an encode that meets its limit is given up after %v (%t)", at, missed)
	}
}
