package verify

import (
	"math"
	"sync"
)

// format is how a raw picture lies in memory: luma, then two planes of chroma, each without padding.
type format struct {
	width, height int
	halfW, halfH  bool // chroma has half the columns, half the rows
	deep          bool // 10 bits in two bytes, little end first; else 8 in one
}

// name is ffmpeg's for the format.
func (f format) name() string {
	name := "yuv444p"
	switch {
	case f.halfW && f.halfH:
		name = "yuv420p"
	case f.halfW:
		name = "yuv422p"
	}
	if f.deep {
		name += "10le"
	}
	return name
}

// plane is a part of a picture: n samples from at on, in rows of width.
type plane struct{ at, width, height int }

func (f format) planes() [3]plane {
	w, h := f.width, f.height
	if f.halfW {
		w = (w + 1) / 2
	}
	if f.halfH {
		h = (h + 1) / 2
	}
	luma := f.width * f.height
	return [3]plane{{0, f.width, f.height}, {luma, w, h}, {luma + w*h, w, h}}
}

// samples is how many numbers a picture has.
func (f format) samples() int {
	last := f.planes()[2]
	return last.at + last.width*last.height
}

// bytes is how long a picture is.
func (f format) bytes() int {
	if f.deep {
		return 2 * f.samples()
	}
	return f.samples()
}

// peak is the largest number a sample may have.
func (f format) peak() float64 {
	if f.deep {
		return 1023
	}
	return 255
}

// identical is the PSNR of two equal pictures, in dB, which has no finite value. Nothing that is encoded with loss comes
// near it.
const identical = 100

// likeness is how much one picture is like another.
type likeness struct {
	psnr float64 // dB, over all samples of the three planes; at most identical
	ssim float64 // structural similarity over all planes, weighted by their samples; 1 = equal
}

// sample is a number of a picture.
type sample interface{ uint8 | uint16 }

// compare measures two pictures of format f as ffmpeg's psnr (average) and ssim (All) do.
func compare[S sample](f format, a, b []S) likeness {
	planes := f.planes()
	var (
		wait    sync.WaitGroup
		squares [3]float64
		ssims   [3]float64
	)
	for i, p := range planes {
		from, to := p.at, p.at+p.width*p.height
		wait.Go(func() { squares[i] = squaredError(a[from:to], b[from:to]) })
		wait.Go(func() { ssims[i] = ssim(a[from:to], b[from:to], p.width, p.height, f.peak()) })
	}
	wait.Wait()
	var l likeness
	var error2, weight float64
	for i, p := range planes {
		n := float64(p.width * p.height)
		error2 += squares[i]
		if !math.IsNaN(ssims[i]) {
			l.ssim += ssims[i] * n
			weight += n
		}
	}
	l.psnr = decibels(error2/float64(f.samples()), f.peak())
	if weight > 0 {
		l.ssim /= weight
	} else if error2 == 0 { // too small for a window of 8 x 8
		l.ssim = 1
	}
	return l
}

// decibels is the PSNR of a mean squared error.
func decibels(mse, peak float64) float64 {
	if mse == 0 {
		return identical
	}
	return min(10*math.Log10(peak*peak/mse), identical)
}

func squaredError[S sample](a, b []S) float64 {
	b = b[:len(a)]
	var sum uint64
	for i, v := range a {
		d := int64(v) - int64(b[i])
		sum += uint64(d * d)
	}
	return float64(sum)
}

// shrink appends the means of square blocks of luma, about 160 to a row. What moves can still be seen to move; grain and
// the noise of an encoder all but vanish.
func shrink[S sample](f format, picture []S, into []float32) []float32 {
	side := min(max(f.width/160, 2), 16, f.width, f.height)
	scale := 255 / (f.peak() * float64(side*side))
	for y := 0; y+side <= f.height; y += side {
		for x := 0; x+side <= f.width; x += side {
			sum := 0
			for row := y; row < y+side; row++ {
				for _, v := range picture[row*f.width+x : row*f.width+x+side] {
					sum += int(v)
				}
			}
			into = append(into, float32(float64(sum)*scale))
		}
	}
	return into
}

// leastMotion is how much two source frames must differ to be told apart: a level of 256, as mean squared difference of
// their blocks, as a PSNR of 46 dB has. With half of that an encoder's error (SVT-AV1 at CRF 50) leant by 0.55 to the next frame.
const leastMotion = 1.5

// damping keeps leaning from telling two neighbours apart where nothing does, as in steady motion: there one lies as far
// ahead as the other behind, and what points to one points away from the other.
const damping = 0.05

// unsteady is how many times the motion to one neighbour may be that to the other, squared: at a cut and where motion stops
// one of them tells nothing, and a picture without detail is like the other. Real film in x265 at CRF 32 leant by 0.78 there.
const unsteady = 4

// coarse is how many times the motion the rest of the error may be, squared. An encoder that errs by more than what moves
// does not follow it: it repeats and blends pictures. Of 30 s of real film, x264 at CRF 35 leant by 0.5 to 0.9 with a rest
// above 5, and honest pictures with one below 3 by no more than 0.42,
// but for one.
const coarse = 3

// leaning tells how far a picture leans from its own source frame towards a neighbour of that: 0 = not at all, 1 = it shows
// the frame before, -1 = it shows the next. Its error is taken for a mixture of the motions to both; what it has more of the
// one than of the other counts. So neither detail that an encoder left out counts, which makes a picture less like its own
// and thereby a bit more like both neighbours, nor what it smeared over all three. Without motion to both, as at the film's ends and
// at cuts, and where the rest of the error drowns it, it is 0.
func leaning(output, before, own, next []float32) float64 {
	var ee, ep, eq, pp, qq, pq float64
	for i, v := range own {
		e, p, q := float64(output[i]-v), float64(before[i]-v), float64(next[i]-v)
		ee, ep, eq, pp, qq, pq = ee+e*e, ep+e*p, eq+e*q, pp+p*p, qq+q*q, pq+p*q
	}
	n := float64(len(own))
	if pp < leastMotion*n || qq < leastMotion*n || pp > unsteady*qq || qq > unsteady*pp {
		return 0
	}
	steady := (pp*(1+damping))*(qq*(1+damping)) - pq*pq
	toBefore, toNext := (ep*qq*(1+damping)-eq*pq)/steady, (eq*pp*(1+damping)-ep*pq)/steady
	rest := ee - 2*toBefore*ep - 2*toNext*eq + toBefore*toBefore*pp + toNext*toNext*qq + 2*toBefore*toNext*pq
	if rest > coarse*min(pp, qq) {
		return 0
	}
	return toBefore - toNext
}

// blockSums are the sums that SSIM needs, over 4 x 4 samples.
type blockSums struct{ a, b, squares, product int64 }

// ssim is the mean structural similarity over windows of 8 x 8 that overlap by half (Wang et al., 2004), with the
// constants 0.01 and 0.03. It is NaN for a plane too small for a window.
func ssim[S sample](a, b []S, width, height int, peak float64) float64 {
	columns, rows := width/4, height/4
	if columns < 2 || rows < 2 {
		return math.NaN()
	}
	// Sums are taken instead of means: of 64 samples, and the variance of a sample with 63.
	c1 := math.Floor(.01*.01*peak*peak*64 + .5)
	c2 := math.Floor(.03*.03*peak*peak*64*63 + .5)
	above, here := make([]blockSums, columns), make([]blockSums, columns)
	total := 0.0
	for r := range rows {
		sumBlocks(here, a[r*4*width:], b[r*4*width:], width)
		if r > 0 {
			for c := 1; c < columns; c++ {
				total += window(above[c-1], above[c], here[c-1], here[c], c1, c2)
			}
		}
		above, here = here, above
	}
	return total / float64((rows-1)*(columns-1))
}

// sumBlocks adds up a row of blocks.
func sumBlocks[S sample](sums []blockSums, a, b []S, width int) {
	clear(sums)
	for y := range 4 {
		rowA, rowB := a[y*width:(y+1)*width], b[y*width:(y+1)*width]
		for c := range sums {
			s := &sums[c]
			partA, partB := rowA[c*4:c*4+4:c*4+4], rowB[c*4:c*4+4:c*4+4]
			for i := range 4 {
				va, vb := int64(partA[i]), int64(partB[i])
				s.a += va
				s.b += vb
				s.squares += va*va + vb*vb
				s.product += va * vb
			}
		}
	}
}

func window(w, x, y, z blockSums, c1, c2 float64) float64 {
	a, b := float64(w.a+x.a+y.a+z.a), float64(w.b+x.b+y.b+z.b)
	squares, product := float64(w.squares+x.squares+y.squares+z.squares), float64(w.product+x.product+y.product+z.product)
	variances := squares*64 - a*a - b*b
	covariance := product*64 - a*b
	return (2*a*b + c1) * (2*covariance + c2) / ((a*a + b*b + c1) * (variances + c2))
}
