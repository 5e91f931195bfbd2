// Package picture measures how alike two raw frames are, and of which of several frames one is a copy.
package picture

import (
	"encoding/binary"
	"math"
	"sync"
)

// Format describes the memory layout of a raw frame: luma, then two planes of chroma, without
// padding.
type Format struct {
	Width, Height int
	HalfW, HalfH  bool // chroma has half the columns, half the rows
	HighBitDepth  bool // 10 bits in two bytes, little-endian; else 8 bits in one
}

// Name returns ffmpeg's name of the format.
func (f Format) Name() string {
	name := "yuv444p"
	switch {
	case f.HalfW && f.HalfH:
		name = "yuv420p"
	case f.HalfW:
		name = "yuv422p"
	}
	if f.HighBitDepth {
		name += "10le"
	}
	return name
}

// plane is a part of a frame: rows of width samples, starting at sample at.
type plane struct{ at, width, height int }

func (f Format) planes() [3]plane {
	w, h := f.Width, f.Height
	if f.HalfW {
		w = (w + 1) / 2
	}
	if f.HalfH {
		h = (h + 1) / 2
	}
	luma := f.Width * f.Height
	return [3]plane{{0, f.Width, f.Height}, {luma, w, h}, {luma + w*h, w, h}}
}

// Samples returns the number of samples of a frame.
func (f Format) Samples() int {
	last := f.planes()[2]
	return last.at + last.width*last.height
}

// Bytes returns the size of a frame.
func (f Format) Bytes() int {
	if f.HighBitDepth {
		return 2 * f.Samples()
	}
	return f.Samples()
}

// peak returns the largest value of a sample.
func (f Format) peak() float64 {
	if f.HighBitDepth {
		return 1023
	}
	return 255
}

// IdenticalPSNR stands for the PSNR of two equal frames, in dB, which is infinite. No lossy encode
// comes near it.
const IdenticalPSNR = 100

// Similarity measures how much one frame is like another.
type Similarity struct {
	PSNR float64 // dB, over all samples of the three planes; at most IdenticalPSNR
	SSIM float64 // structural similarity over all planes, weighted by their samples; 1 = equal
}

// Sample is the type of a sample.
type Sample interface{ uint8 | uint16 }

// Compare measures two frames of format f as ffmpeg's psnr (average) and ssim (All) filters do.
func Compare[S Sample](f Format, a, b []S) Similarity {
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
	var l Similarity
	var error2, weight float64
	for i, p := range planes {
		n := float64(p.width * p.height)
		error2 += squares[i]
		if !math.IsNaN(ssims[i]) {
			l.SSIM += ssims[i] * n
			weight += n
		}
	}
	l.PSNR = decibels(error2/float64(f.Samples()), f.peak())
	if weight > 0 {
		l.SSIM /= weight
	} else if error2 == 0 { // too small for a window of 8 x 8
		l.SSIM = 1
	}
	return l
}

// decibels converts a mean squared error to PSNR.
func decibels(mse, peak float64) float64 {
	if mse == 0 {
		return IdenticalPSNR
	}
	return min(10*math.Log10(peak*peak/mse), IdenticalPSNR)
}

func squaredError[S Sample](a, b []S) float64 {
	b = b[:len(a)]
	var sum uint64
	for i, v := range a {
		d := int64(v) - int64(b[i])
		sum += uint64(d * d)
	}
	return float64(sum)
}

// BlockMeans appends the means of square blocks of luma, about 160 blocks per row. Motion remains
// visible in them; grain and encoder noise nearly vanish.
func BlockMeans[S Sample](f Format, frame []S, into []float32) []float32 {
	side := min(max(f.Width/160, 2), 16, f.Width, f.Height)
	scale := 255 / (f.peak() * float64(side*side))
	for y := 0; y+side <= f.Height; y += side {
		for x := 0; x+side <= f.Width; x += side {
			sum := 0
			for row := y; row < y+side; row++ {
				for _, v := range frame[row*f.Width+x : row*f.Width+x+side] {
					sum += int(v)
				}
			}
			into = append(into, float32(float64(sum)*scale))
		}
	}
	return into
}

// MinMotion is how much two source frames must differ to be distinguishable, as the mean squared
// difference of their blocks. At 8 bits, 1.5 corresponds to a PSNR of 46 dB. With half of that,
// encoder error (SVT-AV1 at CRF 50) caused a bias of 0.55 towards the next frame.
const MinMotion = 1.5

// Motion returns how much two frames differ, as the mean squared difference of their blocks.
func Motion(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		d := float64(v - b[i])
		sum += d * d
	}
	return sum / float64(max(len(a), 1))
}

// damping keeps NeighbourBias from separating two neighbours where nothing does, as in steady
// motion: there one neighbour lies as far ahead as the other behind, so a step towards one is a
// step away from the other.
const damping = 0.05

// maxMotionRatio is how many times the motion to one neighbour may be that to the other, squared.
// At a cut, and where motion stops, one of the motions means nothing, and a frame without detail
// resembles the other neighbour. Real film in x265 at CRF 32 had a bias of 0.78 there.
const maxMotionRatio = 4

// maxResidual is how many times the motion the unexplained rest of the error may be, squared. An
// encoder whose error exceeds the motion does not follow it: it repeats and blends frames. In 30 s
// of real film, x264 at CRF 35 had biases of 0.5 to 0.9 where the rest was above 5; correct frames
// with a rest below 3 had at most 0.42, but for one.
const maxResidual = 3

// NeighbourBias measures how far a frame resembles a neighbour of its own source frame: 0 = not at
// all, 1 = it shows the previous frame, -1 = it shows the next. It models the frame's error as a
// mixture of the motions to both neighbours, and returns the difference of the two weights. Detail
// that an encoder dropped therefore does not count, although it makes a frame less like its own
// source frame and so a bit more like both neighbours; nor does what the encoder blended over all
// three frames. The result is 0 where there is no motion to both neighbours, as at the ends of the
// film and at cuts, and where the rest of the error exceeds the motion.
func NeighbourBias(output, before, own, next []float32) float64 {
	var ee, ep, eq, pp, qq, pq float64
	for i, v := range own {
		e, p, q := float64(output[i]-v), float64(before[i]-v), float64(next[i]-v)
		ee, ep, eq, pp, qq, pq = ee+e*e, ep+e*p, eq+e*q, pp+p*p, qq+q*q, pq+p*q
	}
	n := float64(len(own))
	if pp < MinMotion*n || qq < MinMotion*n || pp > maxMotionRatio*qq || qq > maxMotionRatio*pp {
		return 0
	}
	steady := (pp*(1+damping))*(qq*(1+damping)) - pq*pq
	toBefore, toNext := (ep*qq*(1+damping)-eq*pq)/steady, (eq*pp*(1+damping)-ep*pq)/steady
	rest := ee - 2*toBefore*ep - 2*toNext*eq + toBefore*toBefore*pp + toNext*toNext*qq + 2*toBefore*toNext*pq
	if rest > maxResidual*min(pp, qq) {
		return 0
	}
	return toBefore - toNext
}

// blockSums are the sums over 4 x 4 samples from which SSIM is computed.
type blockSums struct{ a, b, squares, product int64 }

// ssim returns the mean structural similarity over windows of 8 x 8 samples that overlap by half
// (Wang et al., 2004), with the constants 0.01 and 0.03. It is NaN for a plane too small for a
// window.
func ssim[S Sample](a, b []S, width, height int, peak float64) float64 {
	columns, rows := width/4, height/4
	if columns < 2 || rows < 2 {
		return math.NaN()
	}
	// The sums below are sums, not means: over 64 samples, and with the sample variance (63).
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

// sumBlocks sums a row of blocks.
func sumBlocks[S Sample](sums []blockSums, a, b []S, width int) {
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

// window returns the SSIM of the window that four blocks form.
func window(w, x, y, z blockSums, c1, c2 float64) float64 {
	a, b := float64(w.a+x.a+y.a+z.a), float64(w.b+x.b+y.b+z.b)
	squares, product := float64(w.squares+x.squares+y.squares+z.squares), float64(w.product+x.product+y.product+z.product)
	variances := squares*64 - a*a - b*b
	covariance := product*64 - a*b
	return (2*a*b + c1) * (2*covariance + c2) / ((a*a + b*b + c1) * (variances + c2))
}

// Samples8 copies the samples of a frame of 8 bits.
func Samples8(raw []byte, into []uint8) { copy(into, raw) }

// Samples16 reads the samples of a frame of more than 8 bits.
func Samples16(raw []byte, into []uint16) {
	for i := range into {
		into[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
}
