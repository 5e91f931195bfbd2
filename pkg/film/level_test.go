package film_test

import (
	"math"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

// The search goes from CRF to the level and back.
func TestTheLevelOfAV1HasAnInverse(t *testing.T) {
	t.Parallel()
	level, before := film.AV1.QualityRange().Level, math.Inf(-1)
	for crf := 0.0; crf <= 63; crf += 0.25 {
		at := level.Of(crf)
		if back := level.CRF(at); math.Abs(back-crf) > 1e-9 {
			t.Errorf("CRF %v has the level %v, which is CRF %v", crf, at, back)
		}
		if step := at - before; step <= 0 || step > 1.5 && crf > 1 {
			t.Errorf("CRF %v is %v above the one before", crf, step)
		}
		before = at
	}
}
