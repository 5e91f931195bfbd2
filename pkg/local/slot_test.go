package local

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Fifty jobs of four segments each on a machine with two slots: never more than two segments run at once, all come to their
// end, and no job waits for all the others.
func TestFiftyJobsShareTheMachine(t *testing.T) {
	t.Parallel()
	const jobs, segments, count = 50, 4, 2
	s := slots{folder: filepath.Join(t.TempDir(), "slots"), count: count}
	var busy, most atomic.Int64
	var mu sync.Mutex
	firsts := map[int]int{} // by job: how many segments were done when its first one was
	done := 0
	var group errgroup.Group
	for job := range jobs {
		for range segments {
			group.Go(func() error {
				release, err := s.take(t.Context())
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
