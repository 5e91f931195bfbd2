package xpsnr

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

// A measurement with weights that another one of the same originals computed gives the same values, also of frames beyond those.
func TestWeightsAreOfTheOriginalsAlone(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]int64{"motion": 25, "change of motion": 50} {
		f := Format{Width: 320, Height: 180, HalfW: true, HalfH: true, Depth: 8}
		var weights Weights
		values := func(use bool, noise uint16, frames int) (all []Values) {
			m := New[uint8](f, media.Rational{Num: rate, Den: 1})
			if use {
				m.Use(&weights)
			}
			for n := range frames {
				var lists [2][]uint8
				original, encoded := clip(f, n)
				for i := range original {
					lists[0], lists[1] = append(lists[0], uint8(original[i])), append(lists[1], uint8(encoded[i]^noise))
				}
				all = append(all, m.Add(lists[0], lists[1]))
			}
			return append(all, m.Mean())
		}
		for step, c := range []struct {
			noise  uint16
			frames int
		}{{0, 3}, {1, 5}, {2, 5}} {
			want, got := values(false, c.noise, c.frames), values(true, c.noise, c.frames)
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%s, measurement %d: value %d is %v, want %v", name, step, i, got[i], want[i])
				}
			}
			if len(weights.frames) < c.frames {
				t.Errorf("%s: the weights of %d frames are known after %d", name, len(weights.frames), c.frames)
			}
		}
	}
}

func BenchmarkAddWithWeights(b *testing.B) {
	f := Format{Width: 854, Height: 480, HalfW: true, HalfH: true, Depth: 8}
	var frames [2][]uint8
	original, encoded := clip(f, 1)
	for i := range original {
		frames[0], frames[1] = append(frames[0], uint8(original[i])), append(frames[1], uint8(encoded[i]))
	}
	var weights Weights
	for b.Loop() {
		m := New[uint8](f, media.Rational{Num: 24, Den: 1})
		m.Use(&weights)
		m.Add(frames[0], frames[1])
	}
}
