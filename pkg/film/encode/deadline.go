package encode

import (
	"context"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// pace predicts from an encode's progress whether it will meet its deadline. The zero value has no
// deadline.
type pace struct {
	limit  time.Duration // from the encoder's start to the deadline; 0 = none
	frames int64         // that the encoder will write, at least; 0 = unknown

	reports []report
	step    int64 // the most frames written between two reports
}

// report is how many frames the encoder had written at a time.
type report struct {
	at     time.Duration // since the encoder's start
	frames int64
}

// evidence returns how long the encoder must have written frames before its pace is judged: a
// twentieth of the limit or 10 s, whichever is more, but at most a quarter of a short limit.
func evidence(limit time.Duration) time.Duration {
	return max(limit/20, min(10*time.Second, limit/4))
}

// willMissDeadline adds a report and returns whether the encode can no longer meet its deadline.
// The time before the first frame is start-up and look-ahead, which say nothing about the pace. The
// measured pace is the mean, or that of the last reports if it is higher. The remaining frames may
// be easier to encode, so they are assumed to be faster: at first twice as fast as measured, near
// the deadline exactly as fast.
func (p *pace) willMissDeadline(at time.Duration, frames int64) bool {
	if p.limit <= 0 || p.frames <= 0 || frames <= 0 {
		return false
	}
	before := int64(0)
	if n := len(p.reports); n > 0 {
		before = p.reports[n-1].frames
	}
	p.step = max(p.step, frames-before)
	p.reports = append(p.reports, report{at, frames})
	first, needed := p.reports[0], evidence(p.limit)
	if at-first.at < needed || frames >= p.frames {
		return false
	}
	recent := p.reports[0]
	for len(p.reports) > 2 && at-p.reports[1].at >= needed { // keep the first, for the mean
		p.reports = append(p.reports[:1], p.reports[2:]...)
	}
	if len(p.reports) > 2 {
		recent = p.reports[1]
	}
	speed := 0.0 // frames a second
	for _, since := range []report{first, recent} {
		if took := (at - since.at).Seconds(); took > 0 {
			speed = max(speed, float64(frames-since.frames+p.step)/took) // the next step may be about to be reported
		}
	}
	left := p.limit - at
	speedup := 1 + max(left, 0).Seconds()/p.limit.Seconds()
	return float64(p.frames-frames) > speedup*speed*left.Seconds()
}

// GivesUp returns when an encode that would take a time at a steady pace is given up because it cannot meet a limit. missed is false if
// it meets the limit.
func GivesUp(limit, takes time.Duration) (at time.Duration, missed bool) {
	const frames = 1_000_000
	p := pace{limit: limit, frames: frames}
	for at = time.Second; at <= min(limit, takes); at += time.Second {
		if p.willMissDeadline(at, int64(float64(frames)*at.Seconds()/takes.Seconds())) {
			return at, true
		}
	}
	return limit, takes > limit
}

// watchDeadline returns a context that is cancelled with kind OutOfTime as soon as the frame counts
// given to observe show that ctx's deadline will be missed. frames is how many will be written at
// least; 0 = unknown. Only one goroutine at a time calls observe.
func watchDeadline(ctx context.Context, frames int64) (_ context.Context, observe func(frames int64), stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	began := time.Now()
	p := pace{frames: frames}
	if deadline, ok := ctx.Deadline(); ok {
		p.limit = deadline.Sub(began)
	}
	return ctx, func(n int64) {
		if at := time.Since(began); p.willMissDeadline(at, n) {
			cancel(fault.New(fault.OutOfTime, "%d of %d frames in %v: the deadline in %v will be missed",
				n, frames, at.Round(time.Second), (p.limit - at).Round(time.Second)))
		}
	}, func() { cancel(nil) }
}

// reportedFrames returns how many frames the encoder will report for the segment, at least; 0 where
// that is unknown.
func (a *attempt) reportedFrames() int64 {
	n := int64(a.expectedFrames())
	if len(a.job.Renditions) == 0 {
		return 0 // pictures of a segment are few, and come in bursts
	}
	if n == 0 {
		return n
	}
	r := a.job.Renditions[a.encodings()[0].rendition] // ffmpeg reports the frames of its first output
	if r.Rate.Num == 0 {
		return n
	}
	return int64(media.Rescale(a.segment.End-a.segment.Start, a.job.Source.Video.Timebase, media.Rational{Num: r.Rate.Den, Den: r.Rate.Num}))
}
