// Command bombs runs mapreel on hostile files and measures what they make it take.
//
//	go run ./internal/bombs -n 100 -seed 1
//
// The files are small, and claim or unfold to something large: compressed tracks, sizes, counts,
// durations, dimensions, gaps, nesting, floods of fragments, tracks, tags and chapters, playlists and
// requests. Every run must stay within the budget of package bombs' Limits, end with a documented exit
// code, and neither panic nor call itself a defect.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/mapreel/mapreel/internal/bombs/bomb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bombs:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	n := flag.Int("n", 100, "number of runs")
	seed := flag.Uint64("seed", 1, "of the random sizes and claims")
	program := flag.String("program", "", "the mapreel to run; empty builds this one")
	only := flag.String("only", "", "run only the families with this in their name")
	keep := flag.String("keep", "", "write the files here, and keep them")
	flag.Parse()

	dir := *keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "mapreel-bombs-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if *program == "" {
		*program = filepath.Join(dir, "mapreel")
		build := exec.CommandContext(ctx, "go", "build", "-o", *program, "github.com/mapreel/mapreel/cmd/mapreel")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build mapreel: %w", err)
		}
	}
	if err := bomb.LimitMemory(); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "bomb\tfile\ttime\tCPU\tmemory\tscratch\tprocesses\texit\tlast line")
	bad := 0
	for i, b := range bomb.List(*n, *seed, *only) {
		folder := filepath.Join(dir, fmt.Sprintf("%03d", i))
		took, err := b.Run(ctx, *program, folder)
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		fmt.Fprintf(table, "%s\t%.1f kB\t%.1f s\t%.1f s\t%.0f MB\t%.0f MB\t%d\t%d\t%s\n", b.Name, float64(took.File)/1e3,
			took.Time.Seconds(), took.CPU.Seconds(), float64(took.Memory)/1e6, float64(took.Scratch)/1e6, took.Processes, took.Exit, took.LastLine())
		for _, fault := range took.Faults() {
			bad++
			fmt.Fprintf(table, "\t^ OVER BUDGET: %s\n", fault)
		}
		_ = table.Flush()
		if *keep == "" {
			_ = os.RemoveAll(folder)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d runs of seed %d broke their budget", bad, *seed)
	}
	fmt.Printf("nothing broke its budget of %v, %d MB of scratch, %d MB of memory and %d processes (seed %d, %s)\n",
		bomb.MaxTime, int64(bomb.MaxScratch)/1_000_000, int64(bomb.MaxMemory)/1_000_000, bomb.MaxProcesses, *seed, time.Now().Format(time.DateOnly))
	return nil
}
