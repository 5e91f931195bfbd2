package stage

import (
	"context"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// pace tells from an encode's reports whether it will make its deadline. The zero value has none.
type pace struct {
	limit  time.Duration // from the encoder's start to the deadline; 0 = none
	frames int64         // that the encoder will write, or fewer; 0 = unknown

	reports []report
	step    int64 // the most frames that came between two reports
}

// report is how many frames were written when.
type report struct {
	at     time.Duration // since the encoder's start
	frames int64
}

// evidence is how long frames must have come before the pace is judged: a twentieth of the limit or 10 s, whichever is
// more, but a quarter of a short limit.
func evidence(limit time.Duration) time.Duration {
	return max(limit/20, min(10*time.Second, limit/4))
}

// late takes a report, and says whether the encode cannot make its deadline. Time before the first frame is start-up and
// look-ahead, and no measure of the pace. What comes may be easier than what came: the rest is thought to go faster, at
// first at twice the pace seen, near the deadline at just that. The pace seen is the mean or that of the last reports,
// whichever is higher.
func (p *pace) late(at time.Duration, frames int64) bool {
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
	for len(p.reports) > 2 && at-p.reports[1].at >= needed { // the first stays, for the mean
		p.reports = append(p.reports[:1], p.reports[2:]...)
	}
	if len(p.reports) > 2 {
		recent = p.reports[1]
	}
	speed := 0.0 // frames a second
	for _, since := range []report{first, recent} {
		if took := (at - since.at).Seconds(); took > 0 {
			speed = max(speed, float64(frames-since.frames+p.step)/took) // the next ones may come in a moment
		}
	}
	left := p.limit - at
	hope := 1 + max(left, 0).Seconds()/p.limit.Seconds()
	return float64(p.frames-frames) > hope*speed*left.Seconds()
}

// hurry returns a context that ends with kind OutOfTime as soon as the reports given to it show that ctx's deadline will
// be missed. frames is how many will be written, or fewer; 0 = unknown. The reports come from one goroutine at a time.
func hurry(ctx context.Context, frames int64) (_ context.Context, observe func(frames int64), stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	began := time.Now()
	p := pace{frames: frames}
	if deadline, ok := ctx.Deadline(); ok {
		p.limit = deadline.Sub(began)
	}
	return ctx, func(n int64) {
		if at := time.Since(began); p.late(at, n) {
			cancel(fault.New(fault.OutOfTime, "%d of %d frames in %v: the deadline in %v will be missed",
				n, frames, at.Round(time.Second), (p.limit - at).Round(time.Second)))
		}
	}, func() { cancel(nil) }
}

// written is how many frames the encoder will report for the segment, or fewer; 0 where nothing tells.
func (e *encode) written() int64 {
	n := int64(e.promised())
	if n == 0 || len(e.job.Renditions) == 0 {
		return n
	}
	r := e.job.Renditions[0] // ffmpeg counts its first output's
	if r.Rate.Num == 0 {
		return n
	}
	return int64(media.Rescale(e.seg.End-e.seg.Start, e.job.Source.Video.Timebase, media.Rational{Num: r.Rate.Den, Den: r.Rate.Num}))
}
