package verify

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// finer is how many places are tried between two samples. At ffmpeg.SoundRate a note of 3 kHz has fewer than three samples
// to a period: of the periods it fits, the one that happens to fall on a sample would seem the best.
const finer = 4

// asGood is how far below the best correlation another place counts as well: a part of what the best lacks itself, which
// is noise of the encoder and as likely to be more or less a period further on, and a little for the arithmetic.
func asGood(best float64) float64 { return 0.002 + 0.1*best*(1-best) }

// fit is where a piece of sound lies in a longer one.
type fit struct {
	at     float64 // samples
	match  float64 // normalised cross-correlation, 1 = equal
	spread float64 // samples between the first and the last place that are as good
}

// locate finds window in field, which is longer. Tones fit at every period: of places that are as good the one nearest to
// the middle counts, and spread tells how far the others lie.
func locate(window, field []float64) fit {
	list := correlation(window, field)
	var peaks []fit
	best := fit{match: -1}
	for i, v := range list {
		left, right := math.Inf(-1), math.Inf(-1)
		if i > 0 {
			left = list[i-1]
		}
		if i+1 < len(list) {
			right = list[i+1]
		}
		if v < left || v < right {
			continue
		}
		p := fit{at: float64(i), match: v}
		if d := left - 2*v + right; d < 0 && !math.IsInf(d, 0) { // the top of a parabola through three points
			by := (left - right) / (2 * d)
			p.at += by
			p.match -= (left - right) * by / 4
		}
		p.at /= finer
		peaks = append(peaks, p)
		if p.match > best.match {
			best = p
		}
	}
	middle := float64(len(field)-len(window)) / 2
	least := best.match - asGood(best.match)
	first, last := best.at, best.at
	for _, p := range peaks {
		if p.match < least {
			continue
		}
		first, last = min(first, p.at), max(last, p.at)
		if math.Abs(p.at-middle) < math.Abs(best.at-middle) {
			best = p
		}
	}
	best.match, best.spread = min(best.match, 1), last-first
	return best
}

// correlation is how alike window and field are from each place of field to the last, in steps of 1/finer of a sample.
func correlation(window, field []float64) []float64 {
	last := len(field) - len(window)
	n := 1 << bits.Len(uint(len(field)-1))
	a, b := make([]complex128, n), make([]complex128, n)
	own, energy := 0.0, 0.0
	for i, v := range window {
		a[i] = complex(v, 0)
		own += v * v
		energy += field[i] * field[i]
	}
	for i, v := range field {
		b[i] = complex(v, 0)
	}
	transform(a)
	transform(b)
	// The spectrum of all products, with zeros above it, gives values between the samples. It is turned around, so that
	// transforming again inverts it.
	c := make([]complex128, n*finer)
	for i := range n / 2 {
		c[i] = cmplx.Conj(b[i]) * a[i]
		if i > 0 {
			c[len(c)-i] = cmplx.Conj(c[i])
		}
	}
	transform(c)

	list := make([]float64, last*finer+1)
	if own <= 1 {
		return list
	}
	for i := range list {
		lag, part := i/finer, float64(i%finer)/finer
		more := 0.0
		if lag < last {
			more = field[lag+len(window)]*field[lag+len(window)] - field[lag]*field[lag]
		}
		if at := energy + part*more; at > 1 {
			list[i] = real(c[i]) / float64(n) / math.Sqrt(own*at)
		}
		if i%finer == finer-1 {
			energy += more
		}
	}
	return list
}

// transform is the discrete Fourier transform, in place; the length is a power of two.
func transform(x []complex128) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); n > 1 && i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	turns := make([]complex128, n/2)
	for i := range turns {
		turns[i] = cmplx.Rect(1, -2*math.Pi*float64(i)/float64(n))
	}
	for size := 2; size <= n; size *= 2 {
		half, step := size/2, n/size
		for at := 0; at < n; at += size {
			for k := range half {
				u, v := x[at+k], x[at+k+half]*turns[k*step]
				x[at+k], x[at+k+half] = u+v, u-v
			}
		}
	}
}
