package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// folder holds everything that these tests write.
var folder string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if folder, err = os.MkdirTemp("", "mapreel-chaos-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		return m.Run()
	}())
}

// shared is the harness that replays the encoder. All tests use its recordings.
var shared = sync.OnceValues(func() (*Harness, error) { return newTestHarness("replayed", false) })

// sharedReal is the harness that runs the real encoder each time.
var sharedReal = sync.OnceValues(func() (*Harness, error) { return newTestHarness("real", true) })

// mapreel builds the program once for all tests, without DWARF: linking takes most of the time.
var mapreel = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "mapreel")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-ldflags=-w", "-o", path, "github.com/mapreel/mapreel/cmd/mapreel").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func newTestHarness(name string, encode bool) (*Harness, error) {
	dir, err := os.MkdirTemp(folder, name)
	if err != nil {
		return nil, err
	}
	tools, err := ffmpeg.Find(context.Background(), ffmpeg.FindOptions{})
	if err != nil {
		return nil, err
	}
	return NewHarness(context.Background(), Options{Dir: dir, Tools: tools, Real: encode})
}

// The short form of make soak, which runs 1,000 seeds: each takes two seconds of CPU time.
func TestPromisesHoldUnderFaults(t *testing.T) {
	t.Parallel()
	harness, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	soak(t, harness, 30)
}

func TestPromisesHoldUnderFaultsWithARealEncoder(t *testing.T) {
	t.Parallel()
	harness, err := sharedReal()
	if err != nil {
		t.Fatal(err)
	}
	soak(t, harness, 3)
}

func soak(t *testing.T, harness *Harness, seeds int) {
	first := uint64(1)
	if s := os.Getenv("MAPREEL_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, seeds = n, 1
	}
	report := harness.Soak(t.Context(), first, seeds, nil)
	for _, v := range report.Broken {
		t.Errorf("MAPREEL_TEST_SEED=%v", v)
	}
	t.Log("\n" + report.String())
}

// A seed must produce the same faults again, or it cannot be reproduced.
func TestSeedIsReproducible(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		a, b := newPlan(seed), newPlan(seed)
		for n := range 100 {
			where := fmt.Sprintf("round 1, run video/%05d, delivery 0, Put", n)
			if x, y := a.decide(writeFaults, 1, where), b.decide(writeFaults, 1, where); x != y {
				t.Fatalf("seed %d at %s: %q, then %q", seed, where, x, y)
			}
		}
	}
}

func TestTenThousandSegmentsTakeBoundedMemoryTransitionsAndHistory(t *testing.T) {
	t.Parallel()
	small, err := Load(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	large, err := Load(t.Context(), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 segments: %v, %d KiB; 10,000: %v, %d KiB, %.2f state transitions each, %d events in the parent's history",
		small.Elapsed, small.Memory>>10, large.Elapsed, large.Memory>>10, large.TransitionsPerSegment(), large.ParentEvents)
	for _, r := range []LoadResult{small, large} {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
	if most := int64(128 << 20); large.Memory > most {
		t.Errorf("10,000 segments took %d MiB, want at most %d", large.Memory>>20, most>>20)
	}
	if large.Elapsed > 40*small.Elapsed { // ten times as many segments; the rest allows for a busy machine
		t.Errorf("10,000 segments took %v, 1,000 took %v", large.Elapsed, small.Elapsed)
	}
}
