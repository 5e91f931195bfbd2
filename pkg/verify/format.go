package verify

import (
	"fmt"
	"math"
	"time"
)

// ClockTime formats a time in a film: 0:03.48, 1:02:03.48.
func ClockTime(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	d = d.Round(10 * time.Millisecond)
	h, m := int(d/time.Hour), int(d/time.Minute)%60
	s, c := int(d/time.Second)%60, int(d/(10*time.Millisecond))%100
	if h > 0 {
		return fmt.Sprintf("%s%d:%02d:%02d.%02d", sign, h, m, s, c)
	}
	return fmt.Sprintf("%s%d:%02d.%02d", sign, m, s, c)
}

func (s framePosition) String() string { return fmt.Sprintf("frame %d (%s)", s.frame, ClockTime(s.at)) }

func toDuration(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

// millis formats a short time in milliseconds.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms != 0 && math.Abs(ms) < 0.1:
		return fmt.Sprintf("%.3f ms", ms)
	case math.Abs(ms) < 10:
		return fmt.Sprintf("%.2g ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// Plural formats a count of things.
func Plural(n int, name string) string {
	if n == 1 {
		return "1 " + name
	}
	return fmt.Sprintf("%d %ss", n, name)
}
