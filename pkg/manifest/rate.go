package manifest

import (
	"math"
	"math/big"
)

// span is a stretch of a rendition as far as rates go: bytes in a time.
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

// peak returns the highest rate of any row of neighbours that together last from half to one and a half times the
// target duration (in seconds), in bits per second, rounded up: what RFC 8216, 4.1, calls the peak segment bit rate. It is
// no less than the average, also where no row lasts that long.
func peak(spans []span, target int64) int64 {
	least, most := target*500_000_000, target*1_500_000_000
	highest := average(spans)
	for from := range spans {
		var row span
		for _, s := range spans[from:] {
			row.nanoseconds += s.nanoseconds
			row.bytes += s.bytes
			if row.nanoseconds > most {
				break
			}
			if row.nanoseconds >= least {
				highest = max(highest, row.rate())
			}
		}
	}
	return highest
}

// averageRate returns the number of frames over the time they last, which is what an MPD has as frameRate
// (ISO/IEC 23009-1, 5.3.7.2); where that is what is stated but for the rounding of timestamps, it is what is stated.
func (v Video) averageRate() Ratio {
	var frames, ticks int64
	for _, s := range v.Segments {
		if s.Frames == 0 { // a worker of an earlier release told nothing
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

// highestRate returns what RFC 8216, 4.3.4.2, wants as FRAME-RATE: the frame rate where it is highest, of the same rows of
// segments that BANDWIDTH is of.
func (v Video) highestRate(target int64) Ratio {
	rows := v.spans()
	for i, s := range v.Segments {
		rows[i].bytes = int64(s.Frames) * 125 // so many that a frame is 1000 bits
	}
	mean, highest := v.averageRate(), Ratio{peak(rows, target), 1000}
	if !highest.known() || highest.like(mean) {
		return mean
	}
	return highest
}

// like says whether two rates differ by no more than timestamps in milliseconds make of one.
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
	// 64 bits would hold the product of 1.1 GB only; a rate is exact enough in floating point.
	return int64(math.Ceil(float64(s.bytes) * 8 / (float64(s.nanoseconds) / 1e9)))
}

// target returns the target duration of all media playlists of video and sound, in seconds: the longest of their
// segments, rounded to the nearest. RFC 8216, 6.2.4 wants it to be the same in all of them.
func (p Package) target() int64 {
	longest := int64(1)
	for r := range p.renditions {
		for _, s := range r.spans() {
			longest = max(longest, rounded(s.nanoseconds))
		}
	}
	return longest
}

// rounded returns nanoseconds in seconds, halves up, as EXTINF is rounded for EXT-X-TARGETDURATION.
func rounded(nanoseconds int64) int64 { return (nanoseconds + 500_000_000) / 1_000_000_000 }
