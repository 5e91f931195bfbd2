// Package ffmpeg is everything mapreel does with the programs ffmpeg and ffprobe, 5.1 or newer.
//
// Tools are the two programs as found on this machine. An Input is one source as they may open it: a location, the
// demuxer that we chose from its first bytes (Sniff), and the protocols that it may use. Probe tells what an Input
// holds. VideoArgs, AudioArgs, SplitArgs and RemuxArgs are pure: they turn a description of the work into the exact
// argument list. Run runs such a list, with progress, limits and a clean end, and turns a failing exit into an error
// of a fault kind.
//
// Encoding the frames from tick 12800 up to, not including, tick 135680 of stream 0:
//
//	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
//	args := ffmpeg.VideoArgs(ffmpeg.Video{
//		Input: ffmpeg.Input{Location: "/in/film.mp4", Demuxer: "mov"}, Timebase: ffmpeg.Rational{Num: 1, Den: 12800},
//		Seek: new(int64(12800)), Start: new(int64(12800)), End: new(int64(135680)), Threads: 2,
//		Renditions: []ffmpeg.Rendition{{Codec: "h264", CRF: 21, Preset: "medium", Path: "/scratch/0001.mp4"}},
//	})
//	var frames ffmpeg.FrameLog
//	usage, err := ffmpeg.Run(ctx, tools.FFmpeg, args, ffmpeg.RunOptions{Pipe: &frames})
//	fmt.Println(frames.PTS(), usage.CPU)
//
// Times are integers: ticks of a stream's own timebase where a Rational says so, microseconds elsewhere.
package ffmpeg

import (
	"fmt"
	"math/bits"
)

// Rational is a fraction, such as a timebase in seconds (1/12800) or a frame rate (24000/1001).
// The zero value, and any with a zero denominator, means unknown.
type Rational struct{ Num, Den int64 }

// Known says whether both parts are positive.
func (r Rational) Known() bool { return r.Num > 0 && r.Den > 0 }

// String is the fraction as ffmpeg's options take it: "24000/1001".
func (r Rational) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// ceilMicros converts ticks of r to microseconds, rounding up, exact for every result that fits 64 bits.
// ok is false where the timebase is unknown or the result does not fit.
func (r Rational) ceilMicros(ticks int64) (us int64, ok bool) {
	if !r.Known() {
		return 0, false
	}
	negative := ticks < 0
	magnitude := uint64(ticks)
	if negative {
		magnitude = -magnitude
	}
	// magnitude × num × 10⁶ ÷ den; num × 10⁶ must fit 64 bits, which every timebase below 5,000 hours does.
	hi, scale := bits.Mul64(uint64(r.Num), 1_000_000)
	if hi != 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(magnitude, scale)
	if hi >= uint64(r.Den) {
		return 0, false
	}
	quotient, remainder := bits.Div64(hi, lo, uint64(r.Den))
	if !negative && remainder != 0 {
		quotient++
	}
	if quotient > 1<<62 {
		return 0, false
	}
	if negative {
		return -int64(quotient), true
	}
	return int64(quotient), true
}

// seconds writes microseconds as ffmpeg's time options take them: "-1.000023".
func seconds(us int64) string {
	sign := ""
	magnitude := uint64(us)
	if us < 0 {
		sign, magnitude = "-", -magnitude
	}
	return fmt.Sprintf("%s%d.%06d", sign, magnitude/1_000_000, magnitude%1_000_000)
}
