package main

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/render"
)

// A function of 3,008 MiB has 1.7 processors, each 0.85 of a core, so 500 frames of ten seconds take one of them 3,460 s. Its memory
// costs 2.94 GB x 0.0000166667 USD a second: 0.17 USD, to which encoding, starts of Blender and requests add less than a fifth.
func TestFramesTakeTheTimeOfTheFunctionsThatRenderThem(t *testing.T) {
	t.Parallel()
	s := scene{500, render.Pace{Start: 2, Frame: 10}}
	one, err := s.simulate(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	many, err := s.simulate(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if one.Wall < 3460*time.Second || one.Wall > 4000*time.Second {
		t.Errorf("one function took %s", one.Wall)
	}
	if many.Wall < one.Wall/100 || many.Wall > one.Wall/20 {
		t.Errorf("a hundred functions took %s, one took %s", many.Wall, one.Wall)
	}
	for _, c := range []struct {
		sum  price.Sum
		most float64
	}{{one.Sum, 0.20}, {many.Sum, 0.23}} { // the starts of a hundred environments cost 0.02
		if dollars := float64(price.Default().Bill(c.sum).Total) / float64(price.Dollar); dollars < 0.17 || dollars > c.most {
			t.Errorf("it cost %f USD", dollars)
		}
	}
}
