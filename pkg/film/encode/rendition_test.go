package encode

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

func TestFramesWithEqualTimestampsAreATickApart(t *testing.T) {
	t.Parallel()
	tick := media.Rational{Num: 1, Den: 90_000}
	times := []media.Ticks{3750, 7500, 7500, 11250}
	want := frameTimes{times: presentation(times, tick, tick, 0)}
	if err := want.check([]int64{3750, 7500, 7501, 11250}); err != nil {
		t.Error(err)
	}
	for _, got := range [][]int64{{3750, 7500, 7502, 11250}, {3750, 7501, 7502, 11250}, {3750, 7500, 7501, 11251}, {3750, 7500, 11250}} {
		if want.check(got) == nil {
			t.Errorf("%v is accepted for %v", got, times)
		}
	}
}
