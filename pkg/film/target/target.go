// Package target finds the constant quality (CRF) with which a segment looks as good as a request wants. It decides what to try
// next, from what was tried; it runs nothing.
//
//	s := quality.Search(codec range)
//	for next, more := s.Next(nil); more; next, more = s.Next(probes) {
//		next.Mean = measure(encode(next.CRF, next.Draft))
//		probes = append(probes, next)
//	}
//	found := probes[s.Best(probes)]
package target

import (
	"cmp"
	"fmt"
	"math"
)

// Metric is a measure of how much an encoded frame looks like its original.
type Metric string

// The metrics. For all of them, more is better.
const (
	XPSNR Metric = "xpsnr" // dB, the lowest of the three planes
	SSIM  Metric = "ssim"  // up to 1, over all planes
	VMAF  Metric = "vmaf"  // up to 100; only with an ffmpeg that has libvmaf
)

// Quality is what a request wants of a rendition: each segment gets the CRF with which it comes nearest to Target.
type Quality struct {
	Metric Metric  `json:"metric,omitempty" jsonschema:"enum=xpsnr,enum=ssim,enum=vmaf,default=xpsnr,description=How quality is measured. vmaf needs an ffmpeg with libvmaf"`
	Target float64 `json:"target" jsonschema:"required,description=The mean quality of each segment: 20 to 70 dB of xpsnr; 0.5 to 0.9999 of ssim; 20 to 99 of vmaf"`
	Min    int     `json:"min,omitempty" jsonschema:"minimum=1,maximum=63,description=Lowest CRF to use. Default 8 (h264 and h265) 10 (vp9 and av1)"`
	Max    int     `json:"max,omitempty" jsonschema:"minimum=1,maximum=63,description=Highest CRF to use. Default 44 (h264 and h265) 60 (vp9 and av1)"`
}

// scale is what is known of a metric.
type scale struct {
	low, high float64               // of a target
	unit      string                // for a person
	linear    func(float64) float64 // converts a value to one that changes by about the same for each step of CRF
	tolerance float64               // how far from the target is near enough, of the linear value
	slope     float64               // what a step of x264's CRF changes, of the linear value
	middle    float64               // what x264 gives at CRF 26, the middle of its range, of common footage at common sizes
	format    string
}

// The slopes are the means of real footage: see docs/decisions. The tolerance is about half of what a viewer notices side by side.
var scales = map[Metric]scale{
	XPSNR: {20, 70, " dB", same, 0.25, -0.6, 35, "%.2f"},
	SSIM:  {0.5, 0.9999, "", decibels, 0.2, -0.45, 0.955, "%.4f"},
	VMAF:  {20, 99, "", same, 0.5, -1.6, 88, "%.2f"},
}

func same(v float64) float64 { return v }

// decibels converts SSIM as ffmpeg does.
func decibels(v float64) float64 { return -10 * math.Log10(1-min(v, 1-1e-10)) }

// Known reports whether m is a metric.
func (m Metric) Known() bool { _, ok := scales[m]; return ok }

// Format returns a value of the metric for a person, such as "42.03 dB".
func (m Metric) Format(v float64) string {
	s, ok := scales[m]
	if !ok {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf(s.format, v) + s.unit
}

// Range is the CRF of a codec as its encoder takes it.
type Range struct {
	Low, High int // what a search uses where the request does not say
	Top       int // the highest that the encoder takes
	Step      float64
	Middle    float64 // CRF that looks about like x264's 26
	Slope     float64 // how much a step of 1 changes the quality, relative to x264
	Level     Level   // zero: Slope is that of a step of CRF
}

// Level is a scale on which a step changes the quality by the same amount everywhere, for an encoder whose steps of CRF do not. Slope is
// then that of a step of the scale.
type Level struct {
	Of  func(crf float64) float64
	CRF func(level float64) float64 // the inverse of Of
}

func (l Level) of(crf float64) float64 {
	if l.Of == nil {
		return crf
	}
	return l.Of(crf)
}

func (l Level) crf(level float64) float64 {
	if l.CRF == nil {
		return level
	}
	return l.CRF(level)
}

// Normalise returns q with its defaults for a codec.
func (q Quality) Normalise(r Range) Quality {
	if q.Metric == "" {
		q.Metric = XPSNR
	}
	if q.Min == 0 {
		q.Min = min(r.Low, cmp.Or(q.Max, r.Low))
	}
	if q.Max == 0 {
		q.Max = max(r.High, q.Min)
	}
	return q
}

// Problem is what is wrong with a field.
type Problem struct{ Field, Message string }

// Check returns the problems of q for a codec.
func (q Quality) Check(r Range) (list []Problem) {
	add := func(field, format string, args ...any) {
		list = append(list, Problem{field, fmt.Sprintf(format, args...)})
	}
	n := q.Normalise(r)
	s, ok := scales[n.Metric]
	switch {
	case !ok:
		add("/metric", "%q is not one of xpsnr, ssim, vmaf", q.Metric)
	case !(q.Target >= s.low && q.Target <= s.high):
		add("/target", "%v is outside %v to %v for %s", q.Target, s.low, s.high, n.Metric)
	}
	for _, b := range []struct {
		field string
		value int
	}{{"/min", q.Min}, {"/max", q.Max}} {
		if b.value != 0 && (b.value < 1 || b.value > r.Top) {
			add(b.field, "%d is outside 1 to %d, which is the CRF of the codec", b.value, r.Top)
		}
	}
	if q.Min != 0 && q.Max != 0 && q.Min > q.Max {
		add("/min", "%d is above max, %d", q.Min, q.Max)
	}
	return list
}
