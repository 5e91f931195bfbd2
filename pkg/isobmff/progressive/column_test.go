package progressive

import (
	"io"
	"math"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestColumnReturnsTheNumbersThatWereAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c column
		if rapid.Bool().Draw(t, "spilling") {
			c.spill = &spill{file: &ram{}}
		}
		var want []int64
		value := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, -1, 512, math.MaxInt32, math.MinInt32, 1 << 60}), rapid.Int64Range(-100, 100))
		// Sometimes add enough to fill several blocks.
		for i := range rapid.Int64Range(0, 3).Draw(t, "blocks") * 5000 {
			c.add(i*7919, 1)
			want = append(want, i*7919)
		}
		for range rapid.IntRange(0, 200).Draw(t, "adds") {
			v, n := value.Draw(t, "value"), rapid.Int64Range(0, 5).Draw(t, "times")
			c.add(v, n)
			want = append(want, slices.Repeat([]int64{v}, int(n))...)
		}
		if c.rows != int64(len(want)) {
			t.Fatalf("%d rows, want %d", c.rows, len(want))
		}
		var byOne, byRun []int64
		for numbers := c.cursor(); len(byOne) < len(want); {
			byOne = append(byOne, numbers.next())
		}
		runs, last := int64(0), int64(math.MinInt64)
		for r := c.cursor(); ; runs++ {
			v, n, ok := r.run()
			if !ok {
				break
			}
			if v == last {
				t.Fatalf("two runs of %d side by side", v)
			}
			last = v
			byRun = append(byRun, slices.Repeat([]int64{v}, int(n))...)
		}
		if !slices.Equal(byOne, want) || !slices.Equal(byRun, want) || runs != c.runs {
			t.Fatalf("%d runs, counted %d\n got %v\n and %v\nwant %v", runs, c.runs, byOne, byRun, want)
		}
	})
}

// ram is Tables in memory. If limit > 0, writes beyond it fail; if lost > 0, reads beyond it fail.
type ram struct {
	data        []byte
	limit, lost int64
}

func (r *ram) WriteAt(p []byte, at int64) (int, error) {
	if r.limit > 0 && at+int64(len(p)) > r.limit {
		return 0, syscall.ENOSPC
	}
	r.data = append(r.data[:at], p...)
	return len(p), nil
}

func (r *ram) ReadAt(p []byte, at int64) (int, error) {
	if r.lost > 0 && at+int64(len(p)) > r.lost {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, r.data[at:]), nil
}

func TestColumnOfAFilmsSizesTakesThreeBytesASample(t *testing.T) {
	var c column
	const n = 200_000
	for i := range int64(n) {
		c.add(3000+i*7919%9000, 1)
	}
	if got := len(c.blocks) * columnBlock; got > 3*n+columnBlock {
		t.Errorf("%d bytes for %d samples", got, n)
	}
	numbers := c.cursor()
	for i := range int64(n) {
		if got, want := numbers.next(), 3000+i*7919%9000; got != want {
			t.Fatalf("row %d is %d, want %d", i, got, want)
		}
	}
}
