package recipe

import "testing"

func TestASeedAlwaysDrawsTheSameRecipe(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		a, b := Draw(seed, 0), Draw(seed, 0)
		if a.String() != b.String() {
			t.Fatalf("seed %d draws %s and %s", seed, a, b)
		}
	}
}
