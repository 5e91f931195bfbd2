// Package pace predicts from the progress of a program, such as an encoder, whether it will meet its deadline. Where it will not, the
// program is stopped early, so that a larger worker can take over.
//
//	ctx, observe, stop := pace.Watch(ctx, pace.Work{Limit: pace.Left(ctx), Total: frames, Describe: describe})
//	defer stop()
//	// observe(frames) now and then, while the program runs with ctx
package pace

import (
	"context"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Work is what a program has to do, and in what time.
type Work struct {
	Limit time.Duration // from the program's start; 0 = none
	Total int64         // least number of steps of its work, such as frames; 0 = unknown
	// Describe describes progress in errors, such as "3 of 8 frames".
	Describe func(done int64) string
	Hint     string // in errors: what to do about it
}

// pace is the progress of a program so far.
type pace struct {
	Work

	reports []report
	step    int64 // the most steps done between two reports
}

// report is how many steps a program had done at a time.
type report struct {
	at   time.Duration // since the program's start
	done int64
}

// evidence returns how long the program must have made progress before its pace is judged: a
// twentieth of the limit or 10 s, whichever is more, but at most a quarter of a short limit.
func evidence(limit time.Duration) time.Duration {
	return max(limit/20, min(10*time.Second, limit/4))
}

// willMissDeadline adds a report and returns whether the program can no longer meet its deadline.
// The time before the first step is start-up, and an encoder's look-ahead, which say nothing about
// the pace. The measured pace is the mean, or that of the last reports if it is higher. The
// remaining steps may be easier, so they are assumed to be faster: at first twice as fast as
// measured, near the deadline exactly as fast.
func (p *pace) willMissDeadline(at time.Duration, done int64) bool {
	if p.Limit <= 0 || p.Total <= 0 || done <= 0 {
		return false
	}
	before := int64(0)
	if n := len(p.reports); n > 0 {
		before = p.reports[n-1].done
	}
	p.step = max(p.step, done-before)
	p.reports = append(p.reports, report{at, done})
	first, needed := p.reports[0], evidence(p.Limit)
	if at-first.at < needed || done >= p.Total {
		return false
	}
	recent := p.reports[0]
	for len(p.reports) > 2 && at-p.reports[1].at >= needed { // keep the first, for the mean
		p.reports = append(p.reports[:1], p.reports[2:]...)
	}
	if len(p.reports) > 2 {
		recent = p.reports[1]
	}
	speed := 0.0 // steps a second
	for _, since := range []report{first, recent} {
		if took := (at - since.at).Seconds(); took > 0 {
			speed = max(speed, float64(done-since.done+p.step)/took) // the next step may be about to be reported
		}
	}
	left := p.Limit - at
	speedup := 1 + max(left, 0).Seconds()/p.Limit.Seconds()
	return float64(p.Total-done) > speedup*speed*left.Seconds()
}

// GivesUp returns when a program that would take a time at a steady pace is given up because it cannot meet a limit. missed is false if
// it meets the limit.
func GivesUp(limit, takes time.Duration) (at time.Duration, missed bool) {
	const steps = 1_000_000
	p := pace{Work: Work{Limit: limit, Total: steps}}
	for at = time.Second; at <= min(limit, takes); at += time.Second {
		if p.willMissDeadline(at, int64(float64(steps)*at.Seconds()/takes.Seconds())) {
			return at, true
		}
	}
	return limit, takes > limit
}

// Left returns the time that is left until ctx's deadline; 0 if it has none.
func Left(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return 0
}

// Watch returns a context that is cancelled with kind OutOfTime as soon as the progress given to
// observe shows that the limit will be missed. The program starts now. Only one goroutine at a time
// calls observe.
func Watch(ctx context.Context, w Work) (_ context.Context, observe func(done int64), stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	began := time.Now()
	p := pace{Work: w}
	return ctx, func(done int64) {
		if at := time.Since(began); p.willMissDeadline(at, done) {
			cancel(&fault.Error{Kind: fault.OutOfTime, Hint: w.Hint, What: fmt.Sprintf("%s in %v: the deadline in %v will be missed",
				w.Describe(done), at.Round(time.Second), (p.Limit - at).Round(time.Second))})
		}
	}, func() { cancel(nil) }
}
