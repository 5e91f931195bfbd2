package sound

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// oversampling is the number of lags that are tried per sample. At decode.AudioRate a tone of 3 kHz
// has fewer than three samples per period: without oversampling, whichever period happens to fall
// on a sample would seem the best.
const oversampling = 4

// peakTolerance returns how far below the best correlation another peak still counts as equally
// good. It is a fraction of what the best lacks itself, which is encoder noise and varies from
// period to period, plus a little for the arithmetic.
func peakTolerance(best float64) float64 { return 0.002 + 0.1*best*(1-best) }

// Fit is the position of a window of audio in a longer one.
type Fit struct {
	At     float64 // samples
	Match  float64 // normalised cross-correlation, 1 = equal
	Spread float64 // samples between the first and the last peak that are equally good
}

// Locate finds window in field, which is longer. A tone matches at every period: among equally good
// peaks it takes the one nearest to the middle, and Spread reports how far the others lie apart.
func Locate(window, field []float64) Fit {
	list := correlation(window, field)
	var peaks []Fit
	best := Fit{Match: -1}
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
		p := Fit{At: float64(i), Match: v}
		if d := left - 2*v + right; d < 0 && !math.IsInf(d, 0) { // the vertex of a parabola through three points
			by := (left - right) / (2 * d)
			p.At += by
			p.Match -= (left - right) * by / 4
		}
		p.At /= oversampling
		peaks = append(peaks, p)
		if p.Match > best.Match {
			best = p
		}
	}
	middle := float64(len(field)-len(window)) / 2
	least := best.Match - peakTolerance(best.Match)
	first, last := best.At, best.At
	for _, p := range peaks {
		if p.Match < least {
			continue
		}
		first, last = min(first, p.At), max(last, p.At)
		if math.Abs(p.At-middle) < math.Abs(best.At-middle) {
			best = p
		}
	}
	best.Match, best.Spread = min(best.Match, 1), last-first
	return best
}

// correlation returns the normalised cross-correlation of window with field at every lag, in steps
// of 1/oversampling of a sample.
func correlation(window, field []float64) []float64 {
	last := len(field) - len(window)
	n := 1 << bits.Len(uint(len(field)-1))
	a, b := make([]complex128, n), make([]complex128, n)
	windowEnergy, fieldEnergy := 0.0, 0.0
	for i, v := range window {
		a[i] = complex(v, 0)
		windowEnergy += v * v
		fieldEnergy += field[i] * field[i]
	}
	for i, v := range field {
		b[i] = complex(v, 0)
	}
	transform(a)
	transform(b)
	// The product of the spectra, padded with zeros at high frequencies, gives values between the samples. It is
	// conjugated, so that the forward transform inverts it.
	c := make([]complex128, n*oversampling)
	for i := range n / 2 {
		c[i] = cmplx.Conj(b[i]) * a[i]
		if i > 0 {
			c[len(c)-i] = cmplx.Conj(c[i])
		}
	}
	transform(c)

	list := make([]float64, last*oversampling+1)
	if windowEnergy <= 1 {
		return list
	}
	for i := range list {
		lag, part := i/oversampling, float64(i%oversampling)/oversampling
		change := 0.0
		if lag < last {
			change = field[lag+len(window)]*field[lag+len(window)] - field[lag]*field[lag]
		}
		if at := fieldEnergy + part*change; at > 1 {
			list[i] = real(c[i]) / float64(n) / math.Sqrt(windowEnergy*at)
		}
		if i%oversampling == oversampling-1 {
			fieldEnergy += change
		}
	}
	return list
}

// transform computes the discrete Fourier transform in place; the length is a power of two.
func transform(x []complex128) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); n > 1 && i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	roots := make([]complex128, n/2)
	for i := range roots {
		roots[i] = cmplx.Rect(1, -2*math.Pi*float64(i)/float64(n))
	}
	for size := 2; size <= n; size *= 2 {
		half, step := size/2, n/size
		for at := 0; at < n; at += size {
			for k := range half {
				u, v := x[at+k], x[at+k+half]*roots[k*step]
				x[at+k], x[at+k+half] = u+v, u-v
			}
		}
	}
}
