package faults

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// folder is where everything of these tests lies.
var folder string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if folder, err = os.MkdirTemp("", "mapreel-faults-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		return m.Run()
	}())
}

// shared is the bed whose encoder replays: what it learnt serves all tests.
var shared = sync.OnceValues(func() (*Bed, error) { return newBed("replayed", false) })

func newBed(name string, encode bool) (*Bed, error) {
	dir, err := os.MkdirTemp(folder, name)
	if err != nil {
		return nil, err
	}
	tools, err := ffmpeg.Find(context.Background(), ffmpeg.FindOptions{})
	if err != nil {
		return nil, err
	}
	return NewBed(context.Background(), Options{Dir: dir, Tools: tools, Real: encode})
}

func TestNothingIsLostUnderFaults(t *testing.T) {
	t.Parallel()
	bed, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	soak(t, bed, 200)
}

func TestNothingIsLostUnderFaultsWithARealEncoder(t *testing.T) {
	t.Parallel()
	bed, err := newBed("real", true)
	if err != nil {
		t.Fatal(err)
	}
	soak(t, bed, 5)
}

func soak(t *testing.T, bed *Bed, seeds int) {
	first := uint64(1)
	if s := os.Getenv("MAPREEL_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, seeds = n, 1
	}
	report := bed.Soak(t.Context(), first, seeds, nil)
	for _, v := range report.Broken {
		t.Errorf("MAPREEL_TEST_SEED=%v", v)
	}
	t.Log("\n" + report.String())
}

// A seed must give the same faults again, or it tells nothing.
func TestSeedDecidesAlike(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		a, b := newPlan(seed), newPlan(seed)
		for n := range 100 {
			where := fmt.Sprintf("round 1, encode %d, delivery 0, Put", n)
			if x, y := a.decide(changing, 1, where), b.decide(changing, 1, where); x != y {
				t.Fatalf("seed %d at %s: %q, then %q", seed, where, x, y)
			}
		}
	}
}

func TestTenThousandSegmentsTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	small, err := Load(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	large, err := Load(t.Context(), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 segments: %v, %d KiB; 10,000: %v, %d KiB", small.Elapsed, small.Memory>>10, large.Elapsed, large.Memory>>10)
	if most := int64(128 << 20); large.Memory > most {
		t.Errorf("10,000 segments took %d MiB, want at most %d", large.Memory>>20, most>>20)
	}
	if large.Elapsed > 40*small.Elapsed { // ten times as many; the rest is a busy machine's
		t.Errorf("10,000 segments took %v, 1,000 took %v", large.Elapsed, small.Elapsed)
	}
}
