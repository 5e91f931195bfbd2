package local

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/private"
	"github.com/mapreel/mapreel/pkg/work"
)

func slotsFolder(t *testing.T) *private.Folder {
	t.Helper()
	folder, err := private.Make(filepath.Join(t.TempDir(), "slots"))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// Fifty jobs of four segments each on a machine with two slots: never more than two segments run at once, all come to their
// end, and no job waits for all the others.
func TestFiftyJobsShareTheMachine(t *testing.T) {
	t.Parallel()
	const jobs, segments, count = 50, 4, 2
	s := slots{folder: slotsFolder(t), count: count}
	var busy, most atomic.Int64
	var mu sync.Mutex
	firsts := map[int]int{} // by job: how many segments were done when its first one was
	done := 0
	var group errgroup.Group
	for job := range jobs {
		for range segments {
			group.Go(func() error {
				release, err := s.take(t.Context(), 1)
				if err != nil {
					return err
				}
				defer release()
				for n := busy.Add(1); ; {
					if was := most.Load(); n <= was || most.CompareAndSwap(was, n) {
						break
					}
				}
				time.Sleep(2 * time.Millisecond)
				mu.Lock()
				if _, ok := firsts[job]; !ok {
					firsts[job] = done
				}
				done++
				mu.Unlock()
				busy.Add(-1)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if most.Load() > count || done != jobs*segments {
		t.Errorf("%d ran at once, want at most %d; %d of %d came to their end", most.Load(), count, done, jobs*segments)
	}
	early := 0
	for _, n := range firsts {
		if n < jobs*segments/2 {
			early++
		}
	}
	if early < jobs*2/3 {
		t.Errorf("when half of the work was done, only %d of %d jobs had begun", early, jobs)
	}
}

// Large pictures take several slots, so that all units at once hold no more than the machine has.
func TestUnitsThatNeedMuchMemoryTakeSeveralSlots(t *testing.T) {
	t.Parallel()
	s := slots{folder: slotsFolder(t), count: 4, memory: 16 << 30}
	const share = 14 << 30 / 4
	for _, test := range []struct {
		need   int64
		weight int
	}{{0, 1}, {share, 1}, {share + 1, 2}, {100 << 30, 4}} {
		n := work.Needs{Memory: test.need}
		if got := s.weight(n); got != test.weight || s.memoryOf(n) != share*int64(test.weight) {
			t.Errorf("a unit of %d bytes takes %d slots and may hold %d bytes, want %d slots", test.need, got, s.memoryOf(n), test.weight)
		}
	}
	if got := (slots{count: 4}).weight(work.Needs{Memory: 1 << 60}); got != 1 {
		t.Errorf("%d slots where the memory is not known, want 1", got)
	}
	var held, most atomic.Int64
	var group errgroup.Group
	for i := range 40 {
		n := 1 + i%4
		group.Go(func() error {
			release, err := s.take(t.Context(), n)
			if err != nil {
				return err
			}
			defer release()
			for now := held.Add(int64(n)); ; {
				if was := most.Load(); now <= was || most.CompareAndSwap(was, now) {
					break
				}
			}
			time.Sleep(time.Millisecond)
			held.Add(-int64(n))
			return nil
		})
	}
	if err := group.Wait(); err != nil || most.Load() > 4 {
		t.Errorf("%d of 4 slots were held at once; %v", most.Load(), err)
	}
}

// Blender uses all of a machine's GPUs, so the second unit that renders on them waits for the first, and no other unit does.
func TestOneUnitAtATimeRendersOnTheGPU(t *testing.T) {
	t.Parallel()
	s := slots{folder: slotsFolder(t), count: 4}
	rendering := work.Needs{Class: work.ClassRender, GPU: true}
	first, err := s.takeFor(t.Context(), rendering)
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeoutCause(t.Context(), 2*maxRetryInterval, errBusy)
	defer cancel()
	if _, err := s.takeFor(soon, rendering); !errors.Is(err, errBusy) {
		t.Errorf("a second unit renders on the GPU: %v", err)
	}
	for _, other := range []work.Needs{{Class: work.ClassRender}, {Class: work.ClassEncode, GPU: true}} {
		release, err := s.takeFor(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	first()
	second, err := s.takeFor(t.Context(), rendering)
	if err != nil {
		t.Fatal(err)
	}
	second()
}

var errBusy = errors.New("the slot is taken")
