package chaos

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// Report summarises many seeds.
type Report struct {
	Seeds         int
	Uninterrupted int // jobs whose first execution succeeded
	Resumed       int // jobs that were continued after their process was killed, and never failed
	Failed        int // jobs that failed with a kind at least once, and were continued
	Executions    int // executions in all
	Faults        map[Kind]int
	Elapsed       time.Duration
	Broken        []error // each a *Violation, or the reason why a seed could not run
}

// Soak runs the seeds first, first+1 and so on, several at once, and summarises them. onOutcome,
// which may be nil, is called for each.
func (h *Harness) Soak(ctx context.Context, first uint64, seeds int, onOutcome func(Outcome, error)) Report {
	began := time.Now()
	r := Report{Faults: map[Kind]int{}}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(2 * runtime.NumCPU()) // half of a seed's time is spent waiting for the disk and for programs
	for i := range seeds {
		group.Go(func() error {
			o, err := h.RunSeed(ctx, first+uint64(i))
			mu.Lock()
			defer mu.Unlock()
			r.add(o, err)
			if onOutcome != nil {
				onOutcome(o, err)
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the report
	r.Elapsed = time.Since(began)
	return r
}

func (r *Report) add(o Outcome, err error) {
	r.Seeds++
	r.Executions += o.Rounds
	for k, n := range o.Faults {
		r.Faults[k] += n
	}
	var v *Violation
	switch {
	case errors.As(err, &v):
		r.Broken = append(r.Broken, v)
	case err != nil:
		r.Broken = append(r.Broken, fmt.Errorf("seed %d: %w", o.Seed, err))
	case o.Failed > 0:
		r.Failed++
	case o.Rounds > 1:
		r.Resumed++
	default:
		r.Uninterrupted++
	}
}

// String formats the report as a table.
func (r Report) String() string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "seeds\t%d in %v\n", r.Seeds, r.Elapsed.Round(time.Millisecond))
	fmt.Fprintf(w, "executions\t%d\n", r.Executions)
	fmt.Fprintf(w, "jobs never interrupted\t%d\n", r.Uninterrupted)
	fmt.Fprintf(w, "killed and resumed\t%d\n", r.Resumed)
	fmt.Fprintf(w, "failed with a kind and resumed\t%d\n", r.Failed)
	fmt.Fprintf(w, "promises broken\t%d\n", len(r.Broken))
	total := 0
	for _, k := range Kinds() {
		fmt.Fprintf(w, "  %s\t%d\n", k, r.Faults[k])
		total += r.Faults[k]
	}
	fmt.Fprintf(w, "faults in all\t%d\n", total)
	_ = w.Flush() // into memory
	return s.String()
}
