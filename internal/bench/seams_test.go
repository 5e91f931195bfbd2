package main

import (
	"math"
	"testing"
)

func TestCompareFramesFindsTheWorstWindow(t *testing.T) {
	x, y := make([]frame, 10), make([]frame, 10)
	for i := range x {
		x[i] = frame{mse: 1, bytes: 100}
		y[i] = x[i]
	}
	y[6], y[7] = frame{mse: 10, bytes: 50}, frame{mse: 10, bytes: 50} // 10 dB worse
	c := compareFrames(x, y, 2)
	if c.at != 6 || math.Abs(c.worst+10) > 1e-9 || c.worstBytes != 0.5 {
		t.Errorf("worst window at %d with %+v dB and %v of the bytes; want 6, -10, 0.5", c.at, c.worst, c.worstBytes)
	}
	if math.Abs(c.mean+2) > 1e-9 || math.Abs(c.total-(psnr(2.8)-psnr(1))) > 1e-9 || c.bytes != 0.9 {
		t.Errorf("mean %v, total %v, bytes %v; want -2, %v, 0.9", c.mean, c.total, c.bytes, psnr(2.8)-psnr(1))
	}
}
