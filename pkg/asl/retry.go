package asl

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

// retrying does the work of a state that may fail, again if a retrier allows it, and finally turns
// to the catchers.
func (f *frame) retrying(
	ctx context.Context, d *data, work func(context.Context, *data) (json.RawMessage, error),
) (json.RawMessage, string, error) {
	st := d.state
	used := make([]int, len(st.Retry))
	for {
		d.result = lazy{}
		result, err := work(ctx, d)
		var output json.RawMessage
		var next string
		if err == nil {
			d.result = lazy{text: result}
			output, next, err = f.leave(ctx, d, st.Output, st.Assign, result, st.Next)
		}
		if err == nil || ctx.Err() != nil {
			return output, next, err
		}
		e := f.locate(d, asError(err))
		if pause, again := nextRetry(st.Retry, used, e.Name, f.Rand); again {
			if err := f.Sleep(ctx, pause); err != nil {
				return nil, "", err
			}
			d.retries++
			continue
		}
		if e.ended {
			event := failureEvent(EventType(st.Type+"StateFailed"), e)
			event.State, event.Attempt = st.Name, d.retries
			f.emit(event)
		}
		for _, c := range st.Catch {
			if e.caughtBy(c.Errors) {
				return f.caught(ctx, d, c, e)
			}
		}
		return nil, "", e
	}
}

// caught leaves the state by catcher c. A failure here fails the state.
func (f *frame) caught(ctx context.Context, d *data, c definition.Catcher, e *Error) (json.RawMessage, string, error) {
	text := e.output()
	d.result, d.errOutput = lazy{}, lazy{text: text}
	output, next, err := f.leave(ctx, d, c.Output, c.Assign, text, c.Next)
	if err != nil && ctx.Err() == nil {
		failure := *asError(err)
		failure.Err = errors.Join(failure.Err, e) // the error that was caught
		return nil, "", f.locate(d, &failure)
	}
	return output, next, err
}

// nextRetry finds the first retrier that matches an error name and counts the retry. If that one is
// used up, nothing retries.
func nextRetry(rs []definition.Retrier, used []int, name string, random func() float64) (time.Duration, bool) {
	for i, r := range rs {
		if !r.Errors.Match(name) {
			continue
		}
		if used[i] >= r.Attempts {
			return 0, false
		}
		d := retryDelay(r, used[i], random())
		used[i]++
		return d, true
	}
	return 0, false
}

// retryDelay returns the time to wait before retry n, counted from 0. With jitter, random in [0, 1)
// scales it.
func retryDelay(r definition.Retrier, n int, random float64) time.Duration {
	d := r.Interval * math.Pow(r.Backoff, float64(n))
	d = min(d, definition.MaxRetryDelay) // also if the power overflowed
	if r.MaxDelay > 0 {
		d = min(d, r.MaxDelay)
	}
	if r.FullJitter {
		d *= random
	}
	return seconds(d)
}
