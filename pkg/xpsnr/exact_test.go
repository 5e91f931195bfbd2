package xpsnr

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/media"
)

// The sums of integers equal what their formulas say, pixel by pixel, for rows of any length and for the extremes.
func TestSumsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkSums[uint8](t, 8)
		checkSums[uint16](t, rapid.SampledFrom([]int{10, 12, 16}).Draw(t, "depth"))
	})
}

func checkSums[S Sample](t *rapid.T, depth int) {
	peak := 1<<depth - 1
	sample := rapid.OneOf(rapid.SampledFrom([]int{0, peak}), rapid.IntRange(0, peak))
	width := rapid.IntRange(1, 19).Draw(t, "width")
	row := func(name string) []S {
		list := make([]S, width)
		for i, v := range rapid.SliceOfN(sample, width, width).Draw(t, name) {
			list[i] = S(v)
		}
		return list
	}
	rows := [4][]S{row("above"), row("own"), row("below"), row("below that")}
	own, other := rows[1], rows[2]
	at := func(list []S, i int) float64 { return float64(list[i]) } // exact up to 2^53

	errors, change, acceleration, fine := 0.0, 0.0, 0.0, 0.0
	for i := range own {
		d := at(own, i) - at(other, i)
		errors += d * d
		change += math.Abs(d)
		acceleration += math.Abs(at(own, i) - 2*at(other, i) + at(rows[0], i))
		if i > 0 && i < width-1 {
			beside := at(own, i-1) + at(own, i+1) + at(rows[0], i) + at(rows[2], i)
			diagonal := at(rows[0], i-1) + at(rows[0], i+1) + at(rows[2], i-1) + at(rows[2], i+1)
			fine += math.Abs(12*at(own, i) - 2*beside - diagonal)
		}
	}
	if got := squaredError(own, other); float64(got) != errors {
		t.Fatalf("squared error %d, want %v of %v and %v", got, errors, own, other)
	}
	if got := fineRow(rows[0], own, rows[2]); float64(got) != fine {
		t.Fatalf("detail %d, want %v of %v", got, fine, rows[:3])
	}
	for fast, want := range map[bool]float64{false: change, true: acceleration} {
		a := activity[S]{width: width, height: 1, depth: depth, fast: fast, last: other, before: rows[0]}
		if got := a.motion(own, 0, 0, width, 1); got != want/float64(width) {
			t.Fatalf("motion %v, want %v of %v", got, want/float64(width), rows[:3])
		}
	}
}

// Black against white, of the largest samples, has the lowest quality that there is, and not that of a sum that overflowed.
func TestBlackAgainstWhite(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{
		{Width: 2, Height: 2, HalfW: true, HalfH: true, Depth: 10},
		{Width: 47, Height: 45, HalfW: true, HalfH: true, Depth: 10},
		{Width: 1280, Height: 720, HalfW: true, HalfH: true, Depth: 10},
		{Width: 2064, Height: 1160, HalfW: true, HalfH: true, Depth: 10},
	} {
		black, white := make([]uint16, f.Samples()), make([]uint16, f.Samples())
		for i := range white {
			white[i] = 1023
		}
		m := New[uint16](f, media.Rational{Num: 25, Den: 1})
		first := m.Add(black, white)
		for i, v := range first {
			if math.IsNaN(v) || v > 0 || v < -40 {
				t.Errorf("%d x %d, plane %d: %v dB, want less than 0", f.Width, f.Height, i, v)
			}
		}
		if second := m.Add(black, white); second.Min() > first.Min() {
			t.Errorf("%d x %d: %v dB of a still picture, want no more than %v", f.Width, f.Height, second, first)
		}
	}
}
