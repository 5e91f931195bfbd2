package job

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Ticks counts media time in units of some Timebase. It may be negative: a source's clock starts where it likes.
type Ticks int64

// Timebase is the length of a tick in seconds, as the fraction Num/Den. Both are positive. A frame rate is one too, in
// frames per second, and has Num 0 where it is unknown; such a one is for no conversion.
type Timebase struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// Microseconds is the timebase that ffmpeg's command line and ffprobe's start times use.
var Microseconds = Timebase{Num: 1, Den: 1_000_000}

// ParseTimebase reads "1/12288": two positive whole numbers.
func ParseTimebase(s string) (Timebase, error) {
	num, den, ok := strings.Cut(s, "/")
	n, err1 := strconv.ParseInt(num, 10, 64)
	d, err2 := strconv.ParseInt(den, 10, 64)
	if !ok || err1 != nil || err2 != nil || n <= 0 || d <= 0 {
		return Timebase{}, fmt.Errorf("%q is not a timebase", s)
	}
	return Timebase{n, d}, nil
}

func (tb Timebase) String() string { return fmt.Sprintf("%d/%d", tb.Num, tb.Den) }

// Rescale converts t from timebase from to timebase to, to the nearest tick, halves away from zero. It is exact for
// every t and timebase; a result beyond 63 bits saturates.
func Rescale(t Ticks, from, to Timebase) Ticks {
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

// rescaleBig is Rescale for timebases whose product does not fit in 64 bits. No real container has such, but a
// hostile one may. What is beyond 64 bits gives the largest number.
func rescaleBig(u uint64, from, to Timebase) uint64 {
	product := func(x, y int64) *big.Int { return new(big.Int).Mul(big.NewInt(x), big.NewInt(y)) }
	a, b := product(from.Num, to.Den), product(from.Den, to.Num)
	n := new(big.Int).SetUint64(u)
	n.Mul(n, a).Add(n, new(big.Int).Rsh(b, 1)).Quo(n, b)
	if !n.IsUint64() {
		return math.MaxUint64
	}
	return n.Uint64()
}

// Duration is t as wall-clock time, to the nearest nanosecond, for messages and progress; never for cutting.
func (tb Timebase) Duration(t Ticks) time.Duration {
	return time.Duration(Rescale(t, tb, Timebase{1, int64(time.Second)}))
}

// Ticks is d in units of tb, to the nearest tick.
func (tb Timebase) Ticks(d time.Duration) Ticks {
	return Rescale(Ticks(d), Timebase{1, int64(time.Second)}, tb)
}
