package picture

import (
	"math/rand/v2"
	"testing"
)

func TestColourIsLostWhereItsMeanIs(t *testing.T) {
	t.Parallel()
	f := Format{Width: 64, Height: 32, HalfW: true, HalfH: true}
	random := rand.New(rand.NewPCG(1, 2))
	// frame fills a frame with a colour, and with noise of so many levels.
	frame := func(u, v uint8, noise int) []uint8 {
		list := make([]uint8, f.Samples())
		planes := f.planes()
		for i, p := range planes {
			for n := range p.width * p.height {
				list[p.at+n] = []uint8{100, u, v}[i] + uint8(random.IntN(2*noise+1)-noise)
			}
		}
		return list
	}
	for name, c := range map[string]struct {
		output, source []uint8
		lost           bool
	}{
		"equal":           {frame(90, 170, 0), frame(90, 170, 0), false},
		"encoded badly":   {frame(98, 160, 0), frame(90, 170, 12), false},
		"uniform":         {frame(128, 128, 0), frame(90, 170, 0), true},
		"exchanged":       {frame(170, 90, 0), frame(90, 170, 0), true},
		"grey with noise": {frame(128, 128, 0), frame(128, 128, 20), false},
		"hardly coloured": {frame(128, 128, 0), frame(131, 125, 0), false},
		"coloured source": {frame(90, 170, 0), frame(128, 128, 0), false},
	} {
		if got := ColourLost(f, c.output, c.source); got != c.lost {
			t.Errorf("%s: lost %t, want %t", name, got, c.lost)
		}
	}
}
