package estimating

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// trial is a sample with so many frames that took so many milliseconds and wrote so many bytes.
func trial(frames, millis, bytes int64) local.Trial {
	return local.Trial{CPU: time.Duration(millis) * time.Millisecond, Result: work.Result{Done: work.Amount{Count: frames, Bytes: bytes}}}
}

func TestTheStartOfAnEncoderIsToldApartFromItsFrames(t *testing.T) {
	// 1,000 ms and 25 ms a frame, and a keyframe of 30,000 bytes before frames of 2,000; the late sample has frames that take 35 ms.
	s := ofTrials([]local.Trial{trial(10, 1250, 50_000), trial(70, 2750, 170_000), trial(70, 3450, 170_000)})
	if s.Start != 1000 || s.Head != 30_000 {
		t.Errorf("a unit takes %d ms and %d bytes to start, want 1000 and 30000", s.Start, s.Head)
	}
	if mid := (s.CPU.Low + s.CPU.High) / 2; mid < 29_500 || mid > 31_000 { // microseconds; the range is -15 and +18 %
		t.Errorf("a frame takes %d us, want about 30000", mid)
	}
	if mid := (s.Bytes.Low + s.Bytes.High) / 2; mid < 1_990_000 || mid > 2_040_000 { // thousandths
		t.Errorf("a frame has %d thousandths of a byte, want about 2000000", mid)
	}
}

func TestSamplesThatSayNothingOfTheStartAreAllFrames(t *testing.T) {
	// The longer sample took less, as where a machine was busy during the first.
	s := ofTrials([]local.Trial{trial(10, 3000, 50_000), trial(70, 2750, 40_000)})
	if s.Start != 0 || s.Head != 0 || !s.Known() {
		t.Errorf("%+v", s)
	}
	if one := ofTrials([]local.Trial{trial(10, 3000, 50_000)}); one.Known() {
		t.Errorf("one sample shows the speed %+v", one)
	}
}
