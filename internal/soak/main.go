// Command soak runs whole jobs under many plans of faults and prints a summary. It fails if a
// promise was broken, and prints the seed. Then it measures the state machine under load: many
// segments, and many jobs at once, each as a process of its own. Last, it kills the rendering of a scene, where Blender is installed:
//
//	go run ./internal/soak -seeds 1000 -real 20 -jobs 50
//	go run ./internal/soak -first 131 -seeds 1 -real 0    # the same faults again
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/mapreel/mapreel/internal/chaos"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/render/blender"
)

func main() {
	first := flag.Uint64("first", 1, "the first seed")
	seeds := flag.Int("seeds", 1000, "number of seeds with a replayed encoder")
	encodes := flag.Int("real", 20, "number of seeds with a real encoder")
	load := flag.Bool("load", true, "print time, memory, state transitions and events of the state machine at 1,000, 3,000 and 10,000 segments")
	jobs := flag.Int("jobs", 50, "number of jobs at once, each a process of a mapreel built for this")
	renders := flag.Int("renders", 20, "how often the rendering of a scene is killed; skipped where Blender is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *first, *seeds, *encodes, *jobs, *renders, *load)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, first uint64, seeds, encodes, jobs, renders int, load bool) error {
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
	if renders > 0 {
		if err := killedRenders(ctx, first, renders); err != nil {
			return err
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d promises were broken", broken)
	}
	return ctx.Err()
}

// build builds mapreel into a new folder, which the caller removes.
func build(ctx context.Context) (program, dir string, err error) {
	if dir, err = os.MkdirTemp("", "mapreel-soak-"); err != nil {
		return "", "", err
	}
	program = filepath.Join(dir, "mapreel")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/mapreel/mapreel/cmd/mapreel")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", "", errors.Join(fmt.Errorf("building mapreel: %w", err), os.RemoveAll(dir))
	}
	return program, dir, nil
}

// killedRenders builds mapreel and kills it while it renders a scene.
func killedRenders(ctx context.Context, seed uint64, kills int) error {
	if _, err := (blender.Program{}).Find(); err != nil {
		fmt.Printf("SKIPPED: rendering that is killed: %v\n", err)
		return nil
	}
	program, dir, err := build(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for done := 0; done < kills; seed++ {
		job := filepath.Join(dir, fmt.Sprintf("seed-%d", seed))
		if err := os.Mkdir(job, 0o750); err != nil {
			return err
		}
		r, err := chaos.RunKilledRenders(ctx, program, job, seed, min(kills-done, killsOfScene))
		if err != nil {
			return fmt.Errorf("rendering that is killed: %w", err)
		}
		fmt.Print(r)
		done += max(r.Kills, 1)
	}
	return nil
}

// killsOfScene is how often one scene is killed at most: seldom enough that frames are left to render.
const killsOfScene = 4

// concurrentJobs builds mapreel and runs jobs at once.
func concurrentJobs(ctx context.Context, tools ffmpeg.Tools, jobs int) error {
	program, dir, err := build(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
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
