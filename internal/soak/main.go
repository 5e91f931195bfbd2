// Command soak runs whole jobs under many plans of faults and prints a summary. It fails if a
// promise was broken, and prints the seed. Then it measures the state machine under load: many
// segments, and many jobs at once, each as a process of its own:
//
//	go run ./internal/soak -seeds 1000 -real 20 -jobs 50
//	go run ./internal/soak -first 131 -seeds 1 -real 0    # the same faults again
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/mapreel/mapreel/internal/chaos"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func main() {
	first := flag.Uint64("first", 1, "the first seed")
	seeds := flag.Int("seeds", 1000, "number of seeds with a replayed encoder")
	encodes := flag.Int("real", 20, "number of seeds with a real encoder")
	load := flag.Bool("load", true, "print time, memory, state transitions and events of the state machine at 1,000, 3,000 and 10,000 segments")
	jobs := flag.Int("jobs", 50, "number of jobs at once, each a process of a mapreel built for this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *first, *seeds, *encodes, *jobs, *load)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, first uint64, seeds, encodes, jobs int, load bool) error {
	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return err
	}
	broken := 0
	for _, pass := range []struct {
		name  string
		seeds int
		real  bool
	}{{"replayed encoder", seeds, false}, {"real encoder", encodes, true}} {
		if pass.seeds <= 0 {
			continue
		}
		n, err := soak(ctx, pass.name, chaos.Options{Tools: tools, Real: pass.real}, first, pass.seeds)
		if err != nil {
			return err
		}
		broken += n
	}
	if load {
		fmt.Println("segments  seconds  peak MiB above the start  transitions a segment  events of the parent")
		for _, n := range []int{1000, 3000, 10000} {
			l, err := chaos.Load(ctx, n)
			if err != nil {
				return err
			}
			fmt.Printf("%8d  %7.2f  %24.1f  %21.2f  %20d\n",
				n, l.Elapsed.Seconds(), float64(l.Memory)/(1<<20), l.TransitionsPerSegment(), l.ParentEvents)
			if err := l.Check(); err != nil {
				return err
			}
		}
	}
	if jobs > 0 {
		if err := concurrentJobs(ctx, tools, jobs); err != nil {
			return err
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d promises were broken", broken)
	}
	return ctx.Err()
}

// concurrentJobs builds mapreel and runs jobs at once.
func concurrentJobs(ctx context.Context, tools ffmpeg.Tools, jobs int) error {
	dir, err := os.MkdirTemp("", "mapreel-concurrent-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "mapreel")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/mapreel/mapreel/cmd/mapreel")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building mapreel: %w", err)
	}
	c, err := chaos.RunConcurrentJobs(ctx, program, dir, tools, jobs)
	if err != nil {
		return fmt.Errorf("%d jobs at once: %w", jobs, err)
	}
	fmt.Print(c)
	if c.Encoders > c.Cores {
		return fmt.Errorf("%d encoders ran at once on %d cores", c.Encoders, c.Cores)
	}
	return nil
}

// soak runs seeds with one harness, and returns how many broke a promise.
func soak(ctx context.Context, name string, o chaos.Options, first uint64, seeds int) (int, error) {
	dir, err := os.MkdirTemp("", "mapreel-soak-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	harness, err := chaos.NewHarness(ctx, o)
	if err != nil {
		return 0, err
	}
	done := 0
	r := harness.Soak(ctx, first, seeds, func(_ chaos.Outcome, err error) {
		if done++; done%100 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d\n", done, seeds)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	fmt.Printf("%s\n%s\n", name, r)
	return len(r.Broken), nil
}
