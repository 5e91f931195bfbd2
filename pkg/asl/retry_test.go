package asl

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

func TestRetryDelaysStayWithinTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := definition.Retrier{
			Interval:   float64(rapid.IntRange(1, 1000).Draw(t, "interval")),
			Backoff:    rapid.Float64Range(1, 10).Draw(t, "backoff"),
			FullJitter: rapid.Bool().Draw(t, "full"),
		}
		if rapid.Bool().Draw(t, "capped") {
			r.MaxDelay = r.Interval + float64(rapid.IntRange(1, 1000).Draw(t, "over"))
		}
		random := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "random")
		n := rapid.IntRange(0, 5000).Draw(t, "n")

		got := retryDelay(r, n, random)
		want := r.Interval * math.Pow(r.Backoff, float64(n))
		if r.MaxDelay > 0 {
			want = min(want, r.MaxDelay)
		}
		want = min(want, definition.MaxRetryDelay)
		low := want
		if r.FullJitter {
			low = 0
			if next := retryDelay(r, n, 0); next != 0 {
				t.Fatalf("full jitter starts at %v, want 0", next)
			}
		}
		if s := got.Seconds(); s < low-1e-6 || s > want+1e-6 {
			t.Fatalf("delay %d is %v, want %g s to %g s", n, got, low, want)
		}
		if more := retryDelay(r, n+1, random); more < got {
			t.Fatalf("delay %d is %v, shorter than the %v before it", n+1, more, got)
		}
	})
}

func TestRetryDelayNeverOverflows(t *testing.T) {
	r := definition.Retrier{Interval: definition.MaxSeconds, Backoff: definition.MaxSeconds}
	for _, n := range []int{0, 1, 50, 10_000_000} {
		if d := retryDelay(r, n, 0.5); d <= 0 || d > definition.MaxRetryDelay*time.Second {
			t.Errorf("delay %d is %v, want more than 0 and at most %d s", n, d, definition.MaxRetryDelay)
		}
	}
}

func TestErrorNamesMatchAsInStepFunctions(t *testing.T) {
	tests := []struct {
		name string
		list []string
		want bool
	}{
		{"Broken", []string{"Broken"}, true},
		{"Broken", []string{"Other", "Broken"}, true},
		{"Broken", []string{"broken"}, false},
		{"Broken", []string{StatesAll}, true},
		{"Broken", []string{StatesTaskFailed}, true},
		{StatesTaskFailed, []string{StatesTaskFailed}, true},
		{StatesTimeout, []string{StatesTaskFailed}, false},
		{StatesTimeout, []string{StatesAll}, true},
		{StatesTimeout, []string{StatesTimeout}, true},
		{StatesDataLimitExceeded, []string{StatesAll}, false},
		{StatesDataLimitExceeded, []string{StatesTaskFailed}, false},
		{StatesDataLimitExceeded, []string{StatesDataLimitExceeded}, true},
		{StatesRuntime, []string{StatesAll}, false},
		{StatesRuntime, []string{StatesRuntime}, false},
		{StatesQueryEvaluationError, []string{StatesAll}, true},
	}
	for _, test := range tests {
		if got := (definition.ErrorNames{Names: test.list}).Match(test.name); got != test.want {
			t.Errorf("%v matches %q: %v, want %v", test.list, test.name, got, test.want)
		}
	}
}

func TestToleranceCountsFailuresAndTheirShare(t *testing.T) {
	tests := []struct {
		t             tolerance
		failed, total int
		want          bool
	}{
		{tolerance{0, -1}, 0, 5, false},
		{tolerance{0, -1}, 1, -1, true},
		{tolerance{2, -1}, 2, 100, false},
		{tolerance{2, -1}, 3, -1, true},
		{tolerance{-1, 0}, 1, -1, true},
		{tolerance{-1, 10}, 9, -1, false}, // the total is not known yet
		{tolerance{-1, 10}, 1, 10, false},
		{tolerance{-1, 10}, 2, 10, true},
		{tolerance{-1, 100}, 10, 10, false},
		{tolerance{5, 10}, 5, 10, true}, // whichever is exceeded first
		{tolerance{1, 50}, 2, 10, true},
	}
	for _, test := range tests {
		if got := test.t.exceeded(test.failed, test.total); got != test.want {
			t.Errorf("%+v with %d of %d failed: got %v, want %v", test.t, test.failed, test.total, got, test.want)
		}
	}
}
