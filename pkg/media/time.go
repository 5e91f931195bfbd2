package media

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"time"
)

// Ticks counts media time in units of a timebase. It may be negative: a source's clock can start
// anywhere.
type Ticks int64

// Rational is a fraction: a timebase (the length of a tick in seconds, 1/12800), a frame rate
// (frames per second, 24000/1001) or an aspect ratio. The zero value, and any with a part that is
// not positive, means unknown, and must not be used in a conversion.
type Rational struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// Known reports whether both parts are positive.
func (r Rational) Known() bool { return r.Num > 0 && r.Den > 0 }

// String returns the fraction in the form that ffmpeg's options accept: "24000/1001".
func (r Rational) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Instant is an exact point in time.
type Instant struct {
	Ticks    Ticks    `json:"ticks"`
	Timebase Rational `json:"timebase"`
}

// In returns the instant in ticks of tb, rounded to the nearest.
func (i Instant) In(tb Rational) Ticks { return Rescale(i.Ticks, i.Timebase, tb) }

// Microseconds is the timebase that ffmpeg's command line and ffprobe's start times use.
var Microseconds = Rational{Num: 1, Den: 1_000_000}

// Rescale converts t from timebase from to timebase to, to the nearest tick, halves away from zero.
// It is exact for every t and timebase; a result beyond 63 bits saturates.
func Rescale(t Ticks, from, to Rational) Ticks {
	overA, a := bits.Mul64(uint64(from.Num), uint64(to.Den))
	overB, b := bits.Mul64(uint64(from.Den), uint64(to.Num))
	neg := t < 0
	u := uint64(t)
	if neg {
		u = -u
	}
	var q uint64
	if overA|overB != 0 {
		q = rescaleBig(u, from, to)
	} else {
		hi, lo := bits.Mul64(u, a)
		lo, carry := bits.Add64(lo, b/2, 0)
		if hi += carry; hi < b {
			q, _ = bits.Div64(hi, lo, b)
		} else {
			q = math.MaxUint64
		}
	}
	switch {
	case neg && q > math.MaxInt64:
		return math.MinInt64
	case neg:
		return -Ticks(q)
	}
	return Ticks(min(q, math.MaxInt64))
}

// RescaleUp converts t from timebase from to timebase to, rounding up. It is exact for every t and timebase; a result beyond 63
// bits saturates.
func RescaleUp(t Ticks, from, to Rational) Ticks {
	product := func(x, y int64) *big.Int { return new(big.Int).Mul(big.NewInt(x), big.NewInt(y)) }
	n := product(from.Num, to.Den)
	n.Mul(n, big.NewInt(int64(t)))
	q, r := n.DivMod(n, product(from.Den, to.Num), new(big.Int)) // rounded down, because the divisor is positive
	if r.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	switch {
	case q.IsInt64():
		return Ticks(q.Int64())
	case q.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// rescaleBig is Rescale for timebases whose product does not fit in 64 bits. No real container has
// such, but a hostile one may. A result beyond 64 bits gives the largest number.
func rescaleBig(u uint64, from, to Rational) uint64 {
	product := func(x, y int64) *big.Int { return new(big.Int).Mul(big.NewInt(x), big.NewInt(y)) }
	a, b := product(from.Num, to.Den), product(from.Den, to.Num)
	n := new(big.Int).SetUint64(u)
	n.Mul(n, a).Add(n, new(big.Int).Rsh(b, 1)).Quo(n, b)
	if !n.IsUint64() {
		return math.MaxUint64
	}
	return n.Uint64()
}

// Duration returns t ticks of r as a duration, to the nearest nanosecond. It is for messages and
// progress, never for boundaries.
func (r Rational) Duration(t Ticks) time.Duration {
	return time.Duration(Rescale(t, r, Rational{1, int64(time.Second)}))
}

// Ticks returns d in ticks of r, rounded to the nearest.
func (r Rational) Ticks(d time.Duration) Ticks {
	return Rescale(Ticks(d), Rational{1, int64(time.Second)}, r)
}

// CeilMicroseconds converts ticks of r to microseconds, rounding up, exact for every result that
// fits 64 bits. ok is false where the timebase is unknown or the result does not fit.
func (r Rational) CeilMicroseconds(t Ticks) (us int64, ok bool) {
	if !r.Known() {
		return 0, false
	}
	negative := t < 0
	magnitude := uint64(t)
	if negative {
		magnitude = -magnitude
	}
	// The result is magnitude × num × 10⁶ ÷ den. num × 10⁶ must fit 64 bits, as it does for every
	// numerator below 1.8 × 10¹³.
	hi, scale := bits.Mul64(uint64(r.Num), 1_000_000)
	if hi != 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(magnitude, scale)
	if hi >= uint64(r.Den) {
		return 0, false
	}
	quotient, remainder := bits.Div64(hi, lo, uint64(r.Den))
	if !negative && remainder != 0 {
		quotient++
	}
	if quotient > 1<<62 {
		return 0, false
	}
	if negative {
		return -int64(quotient), true
	}
	return int64(quotient), true
}

// TicksOf converts a list of ticks.
func TicksOf(list []int64) []Ticks {
	ticks := make([]Ticks, len(list))
	for i, t := range list {
		ticks[i] = Ticks(t)
	}
	return ticks
}
