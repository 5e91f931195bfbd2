package job_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/job"
	"pgregory.net/rapid"
)

// anyTimebase draws timebases as containers have them, and as no sane one does.
func anyTimebase() *rapid.Generator[job.Timebase] {
	usual := rapid.SampledFrom([]job.Timebase{
		{Num: 1, Den: 12288},
		{Num: 1, Den: 90000},
		{Num: 1, Den: 1000},
		{Num: 1001, Den: 30000},
		{Num: 1, Den: 48000},
		{Num: 1, Den: 1},
		{Num: 1, Den: 1_000_000_000},
		{Num: 3, Den: 1},
		job.Microseconds,
	})
	odd := rapid.Custom(func(t *rapid.T) job.Timebase {
		limit := rapid.SampledFrom([]int64{1, 100, math.MaxUint32, math.MaxInt64})
		return job.Timebase{
			Num: rapid.Int64Range(1, limit.Draw(t, "limit")).Draw(t, "num"),
			Den: rapid.Int64Range(1, limit.Draw(t, "limit")).Draw(t, "den"),
		}
	})
	return rapid.OneOf(usual, odd)
}

// exactly is t of from in ticks of to, as a fraction.
func exactly(t job.Ticks, from, to job.Timebase) *big.Rat {
	r := new(big.Rat).SetInt64(int64(t))
	r.Mul(r, big.NewRat(from.Num, from.Den))
	return r.Mul(r, big.NewRat(to.Den, to.Num))
}

// nearest rounds r to a whole number, halves away from zero, within what Ticks holds.
func nearest(r *big.Rat) job.Ticks {
	n := new(big.Int).Abs(r.Num())
	n.Lsh(n, 1).Add(n, r.Denom()).Quo(n, new(big.Int).Lsh(r.Denom(), 1)) // ⌊|r| + ½⌋
	if r.Sign() < 0 {
		n.Neg(n)
	}
	switch {
	case n.IsInt64():
		return job.Ticks(n.Int64())
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

func TestRescaleIsTheNearestTick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := job.Ticks(rapid.Int64().Draw(t, "ticks"))
		from, to := anyTimebase().Draw(t, "from"), anyTimebase().Draw(t, "to")
		if got, want := job.Rescale(ticks, from, to), nearest(exactly(ticks, from, to)); got != want {
			t.Fatalf("%d of %v is %d of %v, want %d", ticks, from, got, to, want)
		}
	})
}

func TestRescaleTable(t *testing.T) {
	half := job.Timebase{Num: 1, Den: 2}
	second := job.Timebase{Num: 1, Den: 1}
	for _, c := range []struct {
		ticks    job.Ticks
		from, to job.Timebase
		want     job.Ticks
	}{
		{128000, job.Timebase{Num: 1, Den: 12288}, job.Microseconds, 10_416_667},
		{1, half, second, 1}, // halves away from zero
		{-1, half, second, -1},
		{3, half, second, 2},
		{-3, half, second, -2},
		{0, half, second, 0},
		{math.MaxInt64, second, second, math.MaxInt64},
		{math.MinInt64, second, second, math.MinInt64},
		{math.MaxInt64, second, half, math.MaxInt64}, // saturates
		{math.MinInt64, second, half, math.MinInt64},
		{math.MinInt64 / 2, second, half, math.MinInt64}, // the last that fits
		{math.MaxInt64, job.Timebase{Num: math.MaxInt64, Den: 1}, job.Timebase{Num: 1, Den: math.MaxInt64}, math.MaxInt64},
		{1, job.Timebase{Num: 1 << 40, Den: 1}, job.Timebase{Num: 1, Den: 1 << 40}, math.MaxInt64}, // beyond 64 bits on one side
		{1 << 62, job.Timebase{Num: 1, Den: 1 << 40}, job.Timebase{Num: 1 << 40, Den: 1}, 0},
		{-5, job.Timebase{Num: math.MaxInt64, Den: 3}, job.Timebase{Num: math.MaxInt64, Den: 3}, -5},
	} {
		if got := job.Rescale(c.ticks, c.from, c.to); got != c.want {
			t.Errorf("%d of %v: got %d of %v, want %d", c.ticks, c.from, got, c.to, c.want)
		}
	}
}

func TestRescaleThereAndBackIsExactThroughAFinerTimebase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := job.Ticks(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "ticks"))
		num, den := rapid.Int64Range(1, 1<<20).Draw(t, "num"), rapid.Int64Range(1, 1<<20).Draw(t, "den")
		from := job.Timebase{Num: num, Den: den}
		finer := job.Timebase{Num: num, Den: den + rapid.Int64Range(0, 1<<20).Draw(t, "finer")}
		if back := job.Rescale(job.Rescale(ticks, from, finer), finer, from); back != ticks {
			t.Fatalf("%d of %v comes back from %v as %d", ticks, from, finer, back)
		}
	})
}

func TestRescaleThereAndBackIsWithinHalfATickOfTheCoarser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := job.Ticks(rapid.Int64Range(-1<<20, 1<<20).Draw(t, "ticks"))
		side := rapid.Int64Range(1, 1<<20)
		from := job.Timebase{Num: side.Draw(t, "num"), Den: side.Draw(t, "den")}
		to := job.Timebase{Num: side.Draw(t, "num"), Den: side.Draw(t, "den")}
		back := job.Rescale(job.Rescale(ticks, from, to), to, from)
		// Half a tick of to on the way there, in ticks of from, and half a tick of from on the way back.
		slack := exactly(1, to, from)
		slack.Add(slack, big.NewRat(1, 1)).Quo(slack, big.NewRat(2, 1))
		if off := new(big.Rat).SetInt64(int64(back - ticks)); off.Abs(off).Cmp(slack) > 0 {
			t.Fatalf("%d of %v comes back from %v as %d, more than %v away", ticks, from, to, back, slack)
		}
	})
}

func TestRescaleKeepsOrderAndSign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := anyTimebase().Draw(t, "from"), anyTimebase().Draw(t, "to")
		a := rapid.Int64().Draw(t, "a")
		b := a
		if a < math.MaxInt64 {
			b = rapid.OneOf(rapid.Just(a+1), rapid.Int64Range(a, math.MaxInt64)).Draw(t, "b")
		}
		ra, rb := job.Rescale(job.Ticks(a), from, to), job.Rescale(job.Ticks(b), from, to)
		if ra > rb {
			t.Fatalf("%d ≤ %d, but %d > %d", a, b, ra, rb)
		}
		if a > math.MinInt64 && ra > math.MinInt64 && ra < math.MaxInt64 {
			if neg := job.Rescale(job.Ticks(-a), from, to); neg != -ra {
				t.Fatalf("%d gives %d, but %d gives %d", a, ra, -a, neg)
			}
		}
	})
}

func TestTimebaseText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyTimebase().Draw(t, "timebase")
		got, err := job.ParseTimebase(want.String())
		if err != nil || got != want {
			t.Fatalf("%v is read as %v, %v", want, got, err)
		}
	})
	for _, bad := range []string{
		"", "1", "1/", "/1", "0/1", "1/0", "-1/25", "1/-25", "1/2/3", "1.5/25", "a/b", " 1/25", "1/99999999999999999999",
	} {
		if got, err := job.ParseTimebase(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func TestTimebaseTellsDurations(t *testing.T) {
	tb := job.Timebase{Num: 1, Den: 12288}
	if got, want := tb.Ticks(10*time.Second), job.Ticks(122880); got != want {
		t.Errorf("10 s are %d ticks, want %d", got, want)
	}
	if got, want := tb.Duration(128000), 10416666667*time.Nanosecond; got != want {
		t.Errorf("128000 ticks are %v, want %v", got, want)
	}
	if got := tb.Duration(math.MaxInt64 / 2); got <= 0 {
		t.Errorf("a long time is %v", got)
	}
}

func TestMomentIsTheSameInEveryTimebase(t *testing.T) {
	m := job.Moment{Ticks: -512, Timebase: job.Timebase{Num: 1, Den: 12288}}
	if got, want := m.In(m.Timebase), m.Ticks; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if got, want := m.In(job.Microseconds), job.Ticks(-41667); got != want {
		t.Errorf("got %d µs, want %d", got, want)
	}
}
