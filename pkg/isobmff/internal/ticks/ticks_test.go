package ticks

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRescaleIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64Range(0, 1<<56).Draw(t, "v")
		to := rapid.Int64Range(1, 1<<32-1).Draw(t, "to")
		from := rapid.Int64Range(1, 1<<32-1).Draw(t, "from")
		product := new(big.Int).Mul(big.NewInt(v), big.NewInt(to))
		divide := func(add int64) *big.Int {
			return new(big.Int).Quo(new(big.Int).Add(product, big.NewInt(add)), big.NewInt(from))
		}
		if want := divide(from / 2); want.BitLen() < 61 && Rescale(v, to, from) != want.Int64() {
			t.Fatalf("Rescale(%d, %d, %d) = %d, want %d", v, to, from, Rescale(v, to, from), want)
		}
		if want := divide(from - 1); want.BitLen() < 61 && RescaleUp(uint64(v), uint64(to), uint64(from)) != want.Uint64() {
			t.Fatalf("RescaleUp(%d, %d, %d) = %d, want %d", v, to, from, RescaleUp(uint64(v), uint64(to), uint64(from)), want)
		}
	})
}

func TestGridCellsFollowEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.Int64Range(0, 10_000).Draw(t, "milliseconds")) * time.Millisecond
		grid := NewGrid(length, rapid.Uint32Range(1000, 1<<31).Draw(t, "timescale"))
		cell := rapid.Int64Range(0, 1<<20).Draw(t, "cell")
		after := grid.After(cell)
		if got := grid.Cell(after); got != cell+1 {
			t.Errorf("the first tick after cell %d is in cell %d", cell, got)
		}
		if got := grid.Cell(after - 1); got != cell {
			t.Errorf("the last tick of cell %d is in cell %d", cell, got)
		}
		if grid.Cell(-1) != 0 || grid.Cell(0) != 0 {
			t.Error("times up to 0 are not in the first cell")
		}
	})
}
