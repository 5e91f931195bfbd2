package encode

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
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

// One frame an hour is an ordinary source, but ISO BMFF has no room for a frame that is shown for a month.
func TestAFrameMayBeShownForAsLongAsTheFileCanSay(t *testing.T) {
	t.Parallel()
	const hour = 3_600_000
	millisecond := media.Rational{Num: 1, Den: 1000}
	for _, test := range []struct {
		gap  int64
		want string // "": accepted
	}{{hour, ""}, {24 * hour, ""}, {30 * 24 * hour, "the frame at 1h0m0s is shown for 720h0m0s; MP4 holds at most 596h31m23.647s"}} {
		err := frameTimes{times: []int64{0, hour, hour + test.gap}}.checkGaps(millisecond)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%d ms: %v", test.gap, err)
		case test.want != "" && (fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%d ms: error %v of kind %s, want %q", test.gap, err, fault.KindOf(err), test.want)
		}
	}
}
