package asl

import (
	"math"
	"time"
)

// The limits and defaults of a retrier, as Step Functions documents them.
const (
	defaultInterval = 1
	defaultAttempts = 3
	defaultBackoff  = 2.0
	mostSeconds     = 99_999_999
	longestDelay    = 31_622_400 // a leap year; MaxDelaySeconds must be less
)

// retrier is an entry of a Retry field.
type retrier struct {
	errors   ErrorNames
	interval float64 // seconds
	attempts int     // retries after the first attempt
	backoff  float64
	maxDelay float64 // seconds; 0 is none
	full     bool    // JitterStrategy FULL
}

// delay returns how long to wait before retry n, counted from 0. random, in [0, 1), places it when there is jitter.
func (r retrier) delay(n int, random float64) time.Duration {
	d := r.interval * math.Pow(r.backoff, float64(n))
	d = min(d, longestDelay) // also where the power overflowed
	if r.maxDelay > 0 {
		d = min(d, r.maxDelay)
	}
	if r.full {
		d *= random
	}
	return seconds(d)
}

// retry finds the first retrier that matches name and counts the attempt. Where that one is used up, nothing retries.
func retry(rs []retrier, used []int, name string, random func() float64) (time.Duration, bool) {
	for i, r := range rs {
		if !matches(r.errors.Names, name) {
			continue
		}
		if used[i] >= r.attempts {
			return 0, false
		}
		d := r.delay(used[i], random())
		used[i]++
		return d, true
	}
	return 0, false
}
