package stage

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// when plays an encode that writes frame n at at(n), reported twice a second, and returns when it was found to be late;
// 0 = never.
func when(limit time.Duration, frames int64, at func(n int64) time.Duration) time.Duration {
	p := pace{limit: limit, frames: frames}
	for now, n := time.Duration(0), int64(0); now < limit && n < frames; now += time.Second / 2 {
		for n < frames && at(n+1) <= now {
			n++
		}
		if p.late(now, n) {
			return now
		}
	}
	return 0
}

func TestAnEncodeThatWillBeLateIsSeenSoon(t *testing.T) {
	const look = 40 * time.Second // until the first frame
	for _, limit := range []time.Duration{20 * time.Second, 5 * time.Minute, 15 * time.Minute} {
		look := min(look, limit/4)
		for _, times := range []int64{3, 10, 100} { // as long as the limit
			each := limit * time.Duration(times) / 1000
			got := when(limit, 1000, func(n int64) time.Duration { return look + time.Duration(n)*each })
			// The first frame, then the evidence, then a report.
			if most := look + each + max(10*time.Second, limit/20) + each + time.Second; got == 0 || got > most {
				t.Errorf("limit %v, %d times too slow: stopped at %v, want before %v", limit, times, got, most)
			}
		}
	}
}

func TestAnEncodeThatMakesItIsNeverStopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := time.Duration(rapid.IntRange(10, 900).Draw(t, "limit")) * time.Second
		frames := int64(rapid.IntRange(1, 2000).Draw(t, "frames"))
		start := time.Duration(rapid.IntRange(0, 99).Draw(t, "start")) * limit / 100
		// A steady pace that ends within the limit, with frames that come in groups.
		group := int64(rapid.IntRange(1, 20).Draw(t, "group"))
		each := (limit - start) / time.Duration(frames+group)
		at := func(n int64) time.Duration { return start + time.Duration((n+group-1)/group*group)*each }
		if got := when(limit, frames, at); got != 0 {
			t.Fatalf("stopped at %v of %v", got, limit)
		}
	})
	for name, at := range map[string]func(n int64) time.Duration{
		"a hard beginning": func(n int64) time.Duration {
			if n <= 100 {
				return time.Duration(n) * 3 * time.Second / 2 // 150 s for a tenth, which alone would take 1500
			}
			return 150*time.Second + time.Duration(n-100)*time.Second/2
		},
		"frames that stand still for a while": func(n int64) time.Duration {
			at := time.Duration(n) * time.Second / 2
			if n > 300 {
				at += 60 * time.Second
			}
			return at
		},
	} {
		if got := when(900*time.Second, 1000, at); got != 0 {
			t.Errorf("%s: stopped at %v", name, got)
		}
	}
}

func TestNothingIsJudgedWithoutADeadlineOrANumber(t *testing.T) {
	for _, p := range []pace{{frames: 100}, {limit: time.Minute}} {
		for at := range 60 {
			if p.late(time.Duration(at)*time.Second, 1) {
				t.Errorf("%+v: late at %d s", p, at)
			}
		}
	}
}
