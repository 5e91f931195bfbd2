package local

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Fifty jobs of four segments each on a machine with two slots: never more than two at work, all come to their end, and
// none waits for all the others.
func TestFiftyJobsShareTheMachine(t *testing.T) {
	t.Parallel()
	const jobs, segments, count = 50, 4, 2
	s := slots{folder: filepath.Join(t.TempDir(), "slots"), count: count}
	var working, most atomic.Int64
	var mu sync.Mutex
	firsts := map[int]int{} // which of all the segments was a job's first
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
				for n := working.Add(1); ; {
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
				working.Add(-1)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if most.Load() > count || done != jobs*segments {
		t.Errorf("%d were at work at once, want at most %d; %d of %d came to their end", most.Load(), count, done, jobs*segments)
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
