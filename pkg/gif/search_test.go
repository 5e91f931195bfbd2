package gif

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The order in which colours are looked at must not show: the same frames give the same bytes.
func TestASearchFindsTheFirstOfTheNearestColours(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 2, 7, colours} {
		for _, spread := range []int32{3, 40, 256} { // with many equal colours, and few
			var p palette
			for range size {
				p = append(p, [3]int32{random.Int32N(spread), random.Int32N(spread), random.Int32N(spread)})
			}
			s := newSearch(p)
			for range 2000 {
				c := [3]int32{random.Int32N(256), random.Int32N(256), random.Int32N(256)}
				least := slices.MinFunc(p, func(a, b [3]int32) int { return int(distance(c, a) - distance(c, b)) })
				want := slices.IndexFunc(p, func(q [3]int32) bool { return distance(c, q) == distance(c, least) })
				if got := s.find(c); got != want {
					t.Fatalf("%v of %d colours: %d %v, want %d %v", c, size, got, p[got], want, p[want])
				}
			}
		}
	}
}
