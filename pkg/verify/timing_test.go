package verify

import (
	"fmt"
	"testing"
)

// Times are in parts; the output of the first two has one time for what the source shows 1 part apart.
func TestFramesPairByTheirTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		source, output []int64
		want           string
	}{
		{"closer than a tick of the output, the first nearer", []int64{0, 400, 401, 800}, []int64{0, 399, 399, 800}, "0=0 1=1 2=2 3=3"},
		{"closer than a tick of the output, the second nearer", []int64{0, 400, 401, 800}, []int64{0, 402, 402, 800}, "0=0 1=1 2=2 3=3"},
		{"the second is lost", []int64{0, 400, 401, 800}, []int64{0, 400, 800}, "0=0 1=1 2- 3=2"},
		{"one is lost", []int64{0, 400, 800, 1200}, []int64{0, 800, 1200}, "0=0 1- 2=1 3=2"},
		{"one is added", []int64{0, 800, 1200}, []int64{0, 400, 800, 1200}, "0=0 +1 1=2 2=3"},
		{"all are late", []int64{0, 400, 800}, []int64{90, 490, 890}, "0=0 1=1 2=2"},
	} {
		at := func(list []int64, i int) int64 { return list[min(i, len(list)-1)] }
		got := ""
		for i, j := 0, 0; i < len(c.source) || j < len(c.output); {
			source, output := i < len(c.source), j < len(c.output)
			if source && output {
				source, output = pairFrames(c.source[i], at(c.source, i+1), i+1 < len(c.source), c.output[j], at(c.output, j+1), j+1 < len(c.output))
			}
			switch {
			case source && output:
				got += fmt.Sprintf("%d=%d ", i, j)
				i, j = i+1, j+1
			case source:
				got += fmt.Sprintf("%d- ", i)
				i++
			default:
				got += fmt.Sprintf("+%d ", j)
				j++
			}
		}
		if got != c.want+" " {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
