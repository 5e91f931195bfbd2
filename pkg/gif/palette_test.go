package gif

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The packed count of a bin holds few pixels, and is emptied before it overflows.
func TestColoursOfManyPixelsAreCountedExactly(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	frame, before := make([]byte, 3*100_000), make([]byte, 3*100_000)
	for i := range frame { // few bins, in which the samples are at both ends
		frame[i] = []byte{0, 3, 251, 252, 255}[random.IntN(5)]
		before[i] = frame[i] &^ byte(random.IntN(2))
	}
	for i := range 3 * 50_000 { // one bin, with the most that it can have
		frame[i], before[i] = 255, 0
	}
	h := histogram{packed: make([]uint64, bins)}
	want := map[[3]byte]bin{}
	for range 2 {
		h.add(frame, before)
		for i := 0; i < len(frame); i += 3 {
			weight := int64(moving)
			if [3]byte(frame[i:]) == [3]byte(before[i:]) {
				weight = 1
			}
			at := [3]byte{frame[i] >> lowBits, frame[i+1] >> lowBits, frame[i+2] >> lowBits}
			b := want[at]
			b.at = at
			b.n += weight
			for s := range b.sum {
				b.sum[s] += weight * int64(frame[i+s])
			}
			want[at] = b
		}
	}
	got := map[[3]byte]bin{}
	for _, b := range h.used() {
		got[b.at] = b
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(bin{})); d != "" {
		t.Error(d)
	}
}
