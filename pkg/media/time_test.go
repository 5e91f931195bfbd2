package media_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

// anyTimebase draws timebases of real containers, and extreme ones.
func anyTimebase() *rapid.Generator[media.Rational] {
	usual := rapid.SampledFrom([]media.Rational{
		{Num: 1, Den: 12288},
		{Num: 1, Den: 90000},
		{Num: 1, Den: 1000},
		{Num: 1001, Den: 30000},
		{Num: 1, Den: 48000},
		{Num: 1, Den: 1},
		{Num: 1, Den: 1_000_000_000},
		{Num: 3, Den: 1},
		media.Microseconds,
	})
	odd := rapid.Custom(func(t *rapid.T) media.Rational {
		limit := rapid.SampledFrom([]int64{1, 100, math.MaxUint32, math.MaxInt64})
		return media.Rational{
			Num: rapid.Int64Range(1, limit.Draw(t, "limit")).Draw(t, "num"),
			Den: rapid.Int64Range(1, limit.Draw(t, "limit")).Draw(t, "den"),
		}
	})
	return rapid.OneOf(usual, odd)
}

// exactly converts t from timebase from to timebase to, as a fraction.
func exactly(t media.Ticks, from, to media.Rational) *big.Rat {
	r := new(big.Rat).SetInt64(int64(t))
	r.Mul(r, big.NewRat(from.Num, from.Den))
	return r.Mul(r, big.NewRat(to.Den, to.Num))
}

// nearest rounds r to a whole number, halves away from zero, and saturates at the limits of Ticks.
func nearest(r *big.Rat) media.Ticks {
	n := new(big.Int).Abs(r.Num())
	n.Lsh(n, 1).Add(n, r.Denom()).Quo(n, new(big.Int).Lsh(r.Denom(), 1)) // ⌊|r| + ½⌋
	if r.Sign() < 0 {
		n.Neg(n)
	}
	switch {
	case n.IsInt64():
		return media.Ticks(n.Int64())
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

func TestRescaleRoundsToTheNearestTick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := media.Ticks(rapid.Int64().Draw(t, "ticks"))
		from, to := anyTimebase().Draw(t, "from"), anyTimebase().Draw(t, "to")
		if got, want := media.Rescale(ticks, from, to), nearest(exactly(ticks, from, to)); got != want {
			t.Fatalf("%d of %v: got %d of %v, want %d", ticks, from, got, to, want)
		}
	})
}

func TestRescaleTable(t *testing.T) {
	half := media.Rational{Num: 1, Den: 2}
	second := media.Rational{Num: 1, Den: 1}
	for _, c := range []struct {
		ticks    media.Ticks
		from, to media.Rational
		want     media.Ticks
	}{
		{128000, media.Rational{Num: 1, Den: 12288}, media.Microseconds, 10_416_667},
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
		{math.MaxInt64, media.Rational{Num: math.MaxInt64, Den: 1}, media.Rational{Num: 1, Den: math.MaxInt64}, math.MaxInt64},
		{1, media.Rational{Num: 1 << 40, Den: 1}, media.Rational{Num: 1, Den: 1 << 40}, math.MaxInt64}, // beyond 64 bits on one side
		{1 << 62, media.Rational{Num: 1, Den: 1 << 40}, media.Rational{Num: 1 << 40, Den: 1}, 0},
		{-5, media.Rational{Num: math.MaxInt64, Den: 3}, media.Rational{Num: math.MaxInt64, Den: 3}, -5},
	} {
		if got := media.Rescale(c.ticks, c.from, c.to); got != c.want {
			t.Errorf("%d of %v: got %d of %v, want %d", c.ticks, c.from, got, c.to, c.want)
		}
	}
}

func TestRescaleRoundTripIsExactThroughAFinerTimebase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := media.Ticks(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "ticks"))
		num, den := rapid.Int64Range(1, 1<<20).Draw(t, "num"), rapid.Int64Range(1, 1<<20).Draw(t, "den")
		from := media.Rational{Num: num, Den: den}
		finer := media.Rational{Num: num, Den: den + rapid.Int64Range(0, 1<<20).Draw(t, "finer")}
		if back := media.Rescale(media.Rescale(ticks, from, finer), finer, from); back != ticks {
			t.Fatalf("%d of %v converted to %v and back is %d", ticks, from, finer, back)
		}
	})
}

func TestRescaleRoundTripIsWithinHalfATickOfTheCoarserTimebase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := media.Ticks(rapid.Int64Range(-1<<20, 1<<20).Draw(t, "ticks"))
		side := rapid.Int64Range(1, 1<<20)
		from := media.Rational{Num: side.Draw(t, "num"), Den: side.Draw(t, "den")}
		to := media.Rational{Num: side.Draw(t, "num"), Den: side.Draw(t, "den")}
		back := media.Rescale(media.Rescale(ticks, from, to), to, from)
		// Half a tick of to on the way there, in ticks of from, and half a tick of from on the way
		// back.
		slack := exactly(1, to, from)
		slack.Add(slack, big.NewRat(1, 1)).Quo(slack, big.NewRat(2, 1))
		if off := new(big.Rat).SetInt64(int64(back - ticks)); off.Abs(off).Cmp(slack) > 0 {
			t.Fatalf("%d of %v converted to %v and back is %d, off by more than %v", ticks, from, to, back, slack)
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
		ra, rb := media.Rescale(media.Ticks(a), from, to), media.Rescale(media.Ticks(b), from, to)
		if ra > rb {
			t.Fatalf("%d ≤ %d, but %d > %d", a, b, ra, rb)
		}
		if a > math.MinInt64 && ra > math.MinInt64 && ra < math.MaxInt64 {
			if neg := media.Rescale(media.Ticks(-a), from, to); neg != -ra {
				t.Fatalf("%d gives %d, but %d gives %d", a, ra, -a, neg)
			}
		}
	})
}

func TestCeilMicrosecondsRoundsUpAndReportsOverflow(t *testing.T) {
	for _, test := range []struct {
		timebase media.Rational
		ticks    media.Ticks
		want     int64
		ok       bool
	}{
		{media.Rational{Num: 1, Den: 12800}, 12800, 1_000_000, true},
		{media.Rational{Num: 1, Den: 90000}, 1, 12, true},
		{media.Rational{Num: 1, Den: 90000}, -1, -11, true},
		{media.Rational{Num: 1001, Den: 30000}, 1, 33367, true},
		{media.Rational{Num: 1, Den: 1000}, 1 << 40, 1 << 40 * 1000, true},
		{media.Rational{Num: 1, Den: 1}, 1 << 62, 0, false},
		{media.Rational{Num: 1 << 50, Den: 1}, 1, 0, false},
		{media.Rational{}, 1, 0, false},
		{media.Rational{Num: 1, Den: 10_000_000}, 1<<63 - 1, 922337203685477581, true},
	} {
		got, ok := test.timebase.CeilMicroseconds(test.ticks)
		if got != test.want || ok != test.ok {
			t.Errorf("%d ticks of %v = %d, %v; want %d, %v", test.ticks, test.timebase, got, ok, test.want, test.ok)
		}
	}
}

func TestRationalConvertsDurations(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 12288}
	if got, want := tb.Ticks(10*time.Second), media.Ticks(122880); got != want {
		t.Errorf("10 s: got %d ticks, want %d", got, want)
	}
	if got, want := tb.Duration(128000), 10416666667*time.Nanosecond; got != want {
		t.Errorf("128000 ticks: got %v, want %v", got, want)
	}
	if got := tb.Duration(math.MaxInt64 / 2); got <= 0 {
		t.Errorf("a long time: got %v, want it positive", got)
	}
}

func TestInstantIsTheSameInEveryTimebase(t *testing.T) {
	m := media.Instant{Ticks: -512, Timebase: media.Rational{Num: 1, Den: 12288}}
	if got, want := m.In(m.Timebase), m.Ticks; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if got, want := m.In(media.Microseconds), media.Ticks(-41667); got != want {
		t.Errorf("got %d µs, want %d", got, want)
	}
}
