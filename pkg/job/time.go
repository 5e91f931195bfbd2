package job

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Ticks counts media time in units of some Timebase. It may be negative: a source's clock starts where it likes.
type Ticks int64

// Timebase is the length of a tick in seconds, as the fraction Num/Den. Both are positive.
type Timebase struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// Microseconds is the timebase that ffmpeg's command line and ffprobe's start times use.
var Microseconds = Timebase{Num: 1, Den: 1_000_000}

// ParseTimebase reads "1/12288".
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

// Rescale converts t from timebase from to timebase to, to the nearest tick, halves away from zero. The product is
// formed in 128 bits; a result beyond 63 bits saturates.
func Rescale(t Ticks, from, to Timebase) Ticks {
	a, b := uint64(from.Num)*uint64(to.Den), uint64(from.Den)*uint64(to.Num)
	neg := t < 0
	u := uint64(t)
	if neg {
		u = -u
	}
	hi, lo := bits.Mul64(u, a)
	lo, carry := bits.Add64(lo, b/2, 0)
	hi += carry
	if hi >= b {
		if neg {
			return -1 << 63
		}
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, b)
	if q > 1<<63-1 {
		q = 1<<63 - 1
	}
	if neg {
		return -Ticks(q)
	}
	return Ticks(q)
}

// Duration is t as wall-clock time, for messages and progress; never for cutting.
func (tb Timebase) Duration(t Ticks) time.Duration {
	return time.Duration(Rescale(t, tb, Timebase{1, int64(time.Second)}))
}

// Ticks is d in units of tb, to the nearest tick.
func (tb Timebase) Ticks(d time.Duration) Ticks {
	return Rescale(Ticks(d), Timebase{1, int64(time.Second)}, tb)
}
