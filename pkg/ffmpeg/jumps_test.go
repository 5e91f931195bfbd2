package ffmpeg

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

func TestReorderedFramesOfASlowVideoAreNoJump(t *testing.T) {
	t.Parallel()
	for rate, want := range map[media.Rational]int{
		{}: 10, {Num: 25, Den: 1}: 10, {Num: 1, Den: 1}: 10, {Num: 1, Den: 5}: 35, {Num: 24000, Den: 24001}: 20, {Num: 1, Den: 3600}: 18_010, {Num: 90_000, Den: 1}: 35,
	} {
		if got := JumpStep(rate); got != want {
			t.Errorf("%v frames a second: %d s, want %d s", rate, got, want)
		}
	}
	if got := (Input{Jumps: &Jumps{Step: 35}}).TimestampOptions(); len(got) != 2 || got[1] != "35" {
		t.Errorf("options %v", got)
	}
}
