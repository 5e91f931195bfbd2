package flagvalue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

func TestMomentsAreSecondsOrClockTimesOrDurations(t *testing.T) {
	var got Moments
	if err := got.UnmarshalText([]byte("12, 1:30,1:02:03.5,2m5s,0")); err != nil {
		t.Fatal(err)
	}
	want := Moments{}
	for _, d := range []time.Duration{12 * time.Second, 90 * time.Second, time.Hour + 2*time.Minute + 3500*time.Millisecond, 125 * time.Second, 0} {
		want = append(want, film.Seconds(d))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "x", "1:90", "-3", "1::2", "1:2:3:4", "1,,2", "1m:30"} {
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}
