package xpsnr

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

func BenchmarkAdd(b *testing.B) {
	f := Format{Width: 854, Height: 480, HalfW: true, HalfH: true, Depth: 8}
	m := New[uint8](f, media.Rational{Num: 24, Den: 1})
	var frames [2][]uint8
	original, encoded := clip(f, 1)
	for i := range original {
		frames[0], frames[1] = append(frames[0], uint8(original[i])), append(frames[1], uint8(encoded[i]))
	}
	for b.Loop() {
		m.Add(frames[0], frames[1])
	}
}
