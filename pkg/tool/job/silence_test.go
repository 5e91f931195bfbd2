package job

import (
	"math"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
)

func TestACutIsMadeWhereSoundIsQuiet(t *testing.T) {
	t.Parallel()
	const second = cutRate
	loud := func(seconds int) []int16 {
		list := make([]int16, seconds*second)
		for i := range list {
			list[i] = int16(20000 * math.Sin(float64(i)/7))
		}
		return list
	}
	quiet := func(list []int16, from, to int) []int16 {
		for i := from; i < to; i++ {
			list[i] /= 1000
		}
		return list
	}
	const width = second * 3 / 10
	for _, c := range []struct {
		name     string
		samples  []int16
		from, to int // where the cut must lie
	}{
		{"a pause before the middle", quiet(loud(6), second, second+second/2), second + width/2, second + second/2 - width/2},
		{"a long one rather than a stop consonant", quiet(quiet(loud(6), 3*second, 3*second+second/20), 5*second, 5*second+second/2), 5*second + width/2, 5*second + second/2},
		{"silence: the middle", make([]int16, 6*second), 3*second - cutStep, 3*second + cutStep},
		{"the loudest there is", func() []int16 {
			list := make([]int16, 6*second)
			for i := range list {
				list[i] = math.MinInt16
			}
			return list
		}(), 3*second - cutStep, 3*second + cutStep},
		{"as little as it looks at", loud(1)[:width], width / 2, width / 2},
	} {
		if got := quietest(c.samples, width); got < c.from || got > c.to {
			t.Errorf("%s: cut at sample %d, want %d to %d", c.name, got, c.from, c.to)
		}
	}
}

// A cut is never nearer than half its width to the ends of what is searched.
func TestCutsKeepTheirOrderAndLieBetweenFramesOf10ms(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{time.Second, 1234567 * time.Microsecond, 4 * time.Second, time.Minute} {
		pieces := sound(0, media.Ticks(10*length/time.Microsecond)+12345, length)
		latest := media.Ticks(0)
		for _, c := range pieces[1:] {
			middle, reach := searched(c.Start, length)
			if (middle-reach)%cutGrid != 0 {
				t.Errorf("pieces of %v: the search begins at %d us, between two frames of 10 ms", length, middle-reach)
			}
			if earliest := middle - reach + media.Ticks(cutWidth/2/time.Microsecond); earliest <= latest {
				t.Errorf("pieces of %v: a cut can lie at %d us, not after %d us, the latest place of the one before", length, earliest, latest)
			}
			latest = middle + reach - media.Ticks(cutWidth/2/time.Microsecond)
			if want := min(length/2, 3*time.Second) - 10*time.Millisecond; time.Duration(reach)*time.Microsecond < want {
				t.Errorf("pieces of %v: %d us before and after are searched, want at least %v", length, reach, want)
			}
		}
	}
}
