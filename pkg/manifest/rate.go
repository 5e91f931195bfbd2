package manifest

import (
	"math"
	"math/big"
)

// span is a part of a rendition: so many bytes that last so long. Bit rates are computed from
// spans.
type span struct {
	nanoseconds int64
	bytes       int64
}

func (r Rendition) spans() []span {
	out := make([]span, len(r.Segments))
	for i, s := range r.Segments {
		out[i] = span{nanoseconds(s.Duration, r.Timescale), s.Size}
	}
	return out
}

// peak returns the highest rate, in bits per second, rounded up, of any run of consecutive spans
// that together last from half to one and a half times the target duration (in seconds). RFC 8216,
// 4.1, calls this the peak segment bit rate. It is at least the average rate, even if no run lasts
// that long.
func peak(spans []span, target int64) int64 {
	least, most := target*500_000_000, target*1_500_000_000
	highest := average(spans)
	for from := range spans {
		var run span
		for _, s := range spans[from:] {
			run.nanoseconds += s.nanoseconds
			run.bytes += s.bytes
			if run.nanoseconds > most {
				break
			}
			if run.nanoseconds >= least {
				highest = max(highest, run.rate())
			}
		}
	}
	return highest
}

// averageRate returns the number of frames divided by the time they last, which an MPD declares as
// frameRate (ISO/IEC 23009-1, 5.3.7.2). If that differs from FrameRate only by the rounding of
// timestamps, it returns FrameRate.
func (v Video) averageRate() Ratio {
	var frames, ticks int64
	for _, s := range v.Segments {
		if s.Frames == 0 { // a worker of an earlier release did not count frames
			return v.FrameRate
		}
		frames += int64(s.Frames)
		ticks += s.Duration
	}
	measured := Ratio{frames * int64(v.Timescale), ticks}
	if !measured.known() || measured.like(v.FrameRate) {
		return v.FrameRate
	}
	r := big.NewRat(measured.Num, measured.Den)
	return Ratio{r.Num().Int64(), r.Denom().Int64()}
}

// highestRate returns the highest frame rate, which RFC 8216, 4.3.4.2, requires as FRAME-RATE. It
// is measured over the same runs of segments as BANDWIDTH, unless the shortest frame is shorter than a
// frame at that rate by more than a tick, the error of its timestamps.
func (v Video) highestRate(target int64) Ratio {
	spans := v.spans()
	for i, s := range v.Segments {
		spans[i].bytes = int64(s.Frames) * 125 // 1000 bits a frame, so peak returns the rate in thousandths
	}
	mean, highest := v.averageRate(), Ratio{peak(spans, target), 1000}
	if !highest.known() || highest.like(mean) {
		highest = mean
	}
	if s := v.ShortestFrame; s > 0 && highest.known() && scale(highest.Den, int64(v.Timescale), highest.Num) > s+1 {
		return Ratio{int64(v.Timescale), s}
	}
	return highest
}

// like reports whether two rates differ by at most 1 %, the error that timestamps in milliseconds
// cause.
func (r Ratio) like(o Ratio) bool {
	if !r.known() || !o.known() {
		return r.known() == o.known()
	}
	a, b := float64(r.Num)*float64(o.Den), float64(o.Num)*float64(r.Den)
	return math.Abs(a-b) <= 0.01*b
}

// average returns the rate of the whole in bits per second, rounded up.
func average(spans []span) int64 {
	var all span
	for _, s := range spans {
		all.nanoseconds += s.nanoseconds
		all.bytes += s.bytes
	}
	return all.rate()
}

func (s span) rate() int64 {
	if s.nanoseconds <= 0 {
		return 0
	}
	// In 64-bit integers the product would overflow beyond 1.1 GB. Floating point is exact enough
	// for a rate.
	return int64(math.Ceil(float64(s.bytes) * 8 / (float64(s.nanoseconds) / 1e9)))
}

// target returns the target duration of all video and audio media playlists, in seconds: the
// longest of their segments, rounded to the nearest second. RFC 8216, 6.2.4, requires all of them
// to have the same.
func (p Package) target() int64 {
	longest := int64(1)
	for r := range p.renditions {
		for _, s := range r.spans() {
			longest = max(longest, rounded(s.nanoseconds))
		}
	}
	return longest
}

// longest returns the duration of the longest segment in nanoseconds.
func (p Package) longest() int64 {
	var longest int64
	for r := range p.renditions {
		for _, s := range r.spans() {
			longest = max(longest, s.nanoseconds)
		}
	}
	return longest
}

// rounded returns nanoseconds in seconds, halves up, as EXTINF is rounded for EXT-X-TARGETDURATION.
func rounded(nanoseconds int64) int64 { return (nanoseconds + 500_000_000) / 1_000_000_000 }
