// Command soak runs whole jobs under many plans of faults and prints what became of them. It fails when a promise was
// broken, and says with which seed:
//
//	go run ./soak -seeds 1000 -real 20
//	go run ./soak -first 131 -seeds 1 -real 0    # the same faults again
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/mapreel/mapreel/pkg/faults"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func main() {
	first := flag.Uint64("first", 1, "the first seed")
	seeds := flag.Int("seeds", 1000, "how many seeds, with an encoder that replays")
	encodes := flag.Int("real", 20, "how many seeds with a real encoder")
	load := flag.Bool("load", true, "print memory and time of the machine at 1,000, 3,000 and 10,000 segments")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *first, *seeds, *encodes, *load)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, first uint64, seeds, encodes int, load bool) error {
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
	if broken > 0 {
		return fmt.Errorf("%d promises were broken", broken)
	}
	return ctx.Err()
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
