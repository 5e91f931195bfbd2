// Command soak runs whole jobs under many plans of faults and prints what became of them. It fails when a promise was
// broken, and says with which seed. Then it measures the machine under load: many segments, and many jobs at once as
// processes of their own:
//
//	go run ./soak -seeds 1000 -real 20 -jobs 50
//	go run ./soak -first 131 -seeds 1 -real 0    # the same faults again
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/faults"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func main() {
	first := flag.Uint64("first", 1, "the first seed")
	seeds := flag.Int("seeds", 1000, "how many seeds, with an encoder that replays")
	encodes := flag.Int("real", 20, "how many seeds with a real encoder")
	load := flag.Bool("load", true, "print memory and time of the machine at 1,000, 3,000 and 10,000 segments")
	jobs := flag.Int("jobs", 50, "how many jobs at once, each a process of a mapreel that is built for it")
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
		n, err := soak(ctx, pass.name, faults.Options{Tools: tools, Real: pass.real}, first, pass.seeds)
		if err != nil {
			return err
		}
		broken += n
	}
	if load {
		fmt.Println("segments  seconds  peak MiB above the start")
		for _, n := range []int{1000, 3000, 10000} {
			l, err := faults.Load(ctx, n)
			if err != nil {
				return err
			}
			fmt.Printf("%8d  %7.2f  %8.1f\n", n, l.Elapsed.Seconds(), float64(l.Memory)/(1<<20))
		}
	}
	if jobs > 0 {
		if err := crowd(ctx, tools, jobs); err != nil {
			return err
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d promises were broken", broken)
	}
	return ctx.Err()
}

// crowd builds mapreel and runs jobs at once.
func crowd(ctx context.Context, tools ffmpeg.Tools, jobs int) error {
	dir, err := os.MkdirTemp("", "mapreel-crowd-")
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
	c, err := faults.Crowd(ctx, program, dir, tools, jobs)
	if err != nil {
		return fmt.Errorf("%d jobs at once: %w", jobs, err)
	}
	fmt.Print(c)
	if c.Encoders > c.Cores {
		return fmt.Errorf("%d encoders were at work at once on %d cores", c.Encoders, c.Cores)
	}
	return nil
}

func soak(ctx context.Context, name string, o faults.Options, first uint64, seeds int) (int, error) {
	dir, err := os.MkdirTemp("", "mapreel-soak-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	bed, err := faults.NewBed(ctx, o)
	if err != nil {
		return 0, err
	}
	done := 0
	r := bed.Soak(ctx, first, seeds, func(_ faults.Outcome, err error) {
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
