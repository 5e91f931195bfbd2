package xpsnr

import "math/bits"

// activity measures how busy the blocks of a plane of luma are, and how much moves in them.
type activity[S Sample] struct {
	width, height, depth, side int

	coarse bool // sums of two by two pixels count, instead of pixels
	fast   bool // motion is the difference of two successive changes

	last, before []S // the luma of the frame before, and of that before it
}

// weigh writes the weight of each block: the reciprocal of its detail and its motion.
func (a *activity[S]) weigh(luma []S, weights []float64) {
	least := float64(int(1) << (a.depth - 6))
	if a.last == nil {
		a.last, a.before = make([]S, len(luma)), make([]S, len(luma))
	}
	i := 0
	for y := 0; y < a.height; y += a.side {
		for x := 0; x < a.width; x += a.side {
			w, h := min(a.side, a.width-x), min(a.side, a.height-y)
			weights[i] = 1
			if detail, ok := a.detail(luma, x, y, w, h); ok {
				weights[i] = 1 / max(detail+motionWeight*a.motion(luma, x, y, w, h), least)
			}
			i++
		}
	}
	a.keep(luma)
}

// keep makes luma that of the frame before the next one.
func (a *activity[S]) keep(luma []S) {
	if a.last == nil {
		a.last, a.before = make([]S, len(luma)), make([]S, len(luma))
	}
	a.last, a.before = a.before, a.last
	copy(a.last, luma)
}

// reach returns how far the high-pass filter looks beyond the pixels that it is for.
func (a *activity[S]) reach() int {
	if a.coarse {
		return 2
	}
	return 1
}

// detail returns the mean response of a high-pass filter in a block of w × h pixels at x, y. Pixels whose neighbours lie outside of
// the picture do not count; ok is false where none is left.
func (a *activity[S]) detail(luma []S, x, y, w, h int) (mean float64, ok bool) {
	reach := a.reach()
	left, top, right, bottom := x, y, x+w, y+h
	if x == 0 {
		left += reach
	}
	if y == 0 {
		top += reach
	}
	if right >= a.width {
		right = x + w - reach
	}
	if bottom >= a.height {
		bottom = y + h - reach
	}
	if right <= left || bottom <= top {
		return 0, false
	}
	var sum uint64
	if a.coarse {
		sum = a.coarseDetail(luma, left, top, right, bottom)
	} else {
		for row := top; row < bottom; row++ {
			at := row * a.width
			sum += fineRow(luma[at-a.width+left-1:at-a.width+right+1], luma[at+left-1:at+right+1], luma[at+a.width+left-1:at+a.width+right+1])
		}
	}
	return float64(sum) / float64((right-left)*(bottom-top)), true
}

// fineRow sums |12·own − 2·(beside, above, below) − (diagonal)| over the pixels of a row, except the first and the last. The filter is
// separable: its response is 16·own − (left + 2·middle + right), where each of these is the column above + 2·own + below. So a column is
// computed once for three pixels.
func fineRow[S Sample](above, own, below []S) (sum uint64) {
	if len(own) < 3 {
		return 0
	}
	above, below = above[:len(own)], below[:len(own)]
	column := func(i int) int { return int(above[i]) + 2*int(own[i]) + int(below[i]) }
	left, middle, center := column(0), column(1), int(own[1])
	for i := 2; i < len(own); i++ {
		c := int(own[i])
		right := int(above[i]) + 2*c + int(below[i])
		sum += uint64(magnitude(16*center - left - 2*middle - right))
		left, middle, center = middle, right, c
	}
	return sum
}

// coarseDetail sums the response of the same filter for squares of two by two pixels: 12 for the square, −3 for the eight pixels that
// touch its sides, −2 for its corners, −1 for the sixteen beyond.
func (a *activity[S]) coarseDetail(luma []S, left, top, right, bottom int) (sum uint64) {
	row := func(y, x int) []S { return luma[y*a.width+x-2 : y*a.width+x+4] } // from two pixels before the square to two after it
	for y := top; y < bottom; y += 2 {
		for x := left; x < right; x += 2 {
			if y+3 >= a.height || x+3 >= a.width {
				continue
			}
			b2, b1, s0, s1, n1, n2 := row(y-2, x), row(y-1, x), row(y, x), row(y+1, x), row(y+2, x), row(y+3, x)
			at := func(r []S, i int) int { return int(r[i]) }
			square := at(s0, 2) + at(s0, 3) + at(s1, 2) + at(s1, 3)
			sides := at(b1, 2) + at(b1, 3) + at(n1, 2) + at(n1, 3) + at(s0, 1) + at(s0, 4) + at(s1, 1) + at(s1, 4)
			corners := at(b1, 1) + at(b1, 4) + at(n1, 1) + at(n1, 4)
			beyond := at(b2, 1) + at(b2, 2) + at(b2, 3) + at(b2, 4) + at(n2, 1) + at(n2, 2) + at(n2, 3) + at(n2, 4) +
				at(b1, 0) + at(s0, 0) + at(s1, 0) + at(n1, 0) + at(b1, 5) + at(s0, 5) + at(s1, 5) + at(n1, 5)
			v := 12*square - 3*sides - 2*corners - beyond
			sum += uint64(magnitude(v))
		}
	}
	return sum
}

// motion returns the mean change of the pixels in a block of w × h pixels at x, y.
func (a *activity[S]) motion(luma []S, x, y, w, h int) float64 {
	var sum int64
	for row := y; row < y+h; row++ {
		from, to := row*a.width+x, row*a.width+x+w
		if a.coarse {
			if row+1 >= y+h {
				break
			}
			row++
			sum += a.coarseChange(luma, from, to)
			continue
		}
		own := luma[from:to]
		last, before := a.last[from:to][:len(own)], a.before[from:to][:len(own)]
		if a.fast {
			for i, v := range own {
				sum += int64(magnitude(int(v) - 2*int(last[i]) + int(before[i])))
			}
		} else {
			for i, v := range own {
				sum += int64(magnitude(int(v) - int(last[i])))
			}
		}
	}
	return float64(sum) / float64(w*h)
}

// coarseChange sums the changes of squares of two by two pixels, whose upper rows are [from, to).
func (a *activity[S]) coarseChange(luma []S, from, to int) (sum int64) {
	square := func(plane []S, i int) int {
		return int(plane[i]) + int(plane[i+1]) + int(plane[i+a.width]) + int(plane[i+a.width+1])
	}
	for i := from; i+1 < to; i += 2 {
		change := square(luma, i) - square(a.last, i)
		if a.fast {
			change -= square(a.last, i) - square(a.before, i)
		}
		sum += int64(magnitude(change))
	}
	return sum
}

// magnitude returns |v| without a branch, which would be mispredicted for about half of the pixels.
func magnitude(v int) int {
	sign := v >> (bits.UintSize - 1)
	return (v ^ sign) - sign
}
