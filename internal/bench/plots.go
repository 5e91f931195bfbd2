package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/forecast"
	"github.com/mapreel/mapreel/pkg/price"
)

// foretold is a job whose time and cost on AWS are plotted. A frame of the film takes decode and encode of a processor of the machine
// that mapreel was developed on, in milliseconds: 5 for a megapixel of the source, and 42 for one of H.264 at preset medium.
type foretold struct {
	name           string
	seconds, rate  int
	decode, encode float64
	output         int64 // bytes
	memory         int64
}

var foretellings = []foretold{
	{"1 h of 4K to 720p", 3600, 25, 41.5, 38.7, 1.1e9, 3008},
	{"2 h of 1080p to a ladder of five", 7200, 24, 10.4, 183, 9e9, 3538},
	{"1 GB MKV, 40 min of 1080p to 720p", 2400, 24, 10.4, 38.7, 0.6e9, 3008},
}

// unitStart is what the programs of a segment take to start, and its first keyframe, in seconds of a processor.
const unitStart = 0.6

// simulate returns time and cost of a job with so long segments, so many at once. arch is that of the functions; "" is x86_64.
func (f foretold) simulate(ctx context.Context, length, atOnce int, arch string) (time.Duration, price.Money, error) {
	n := (f.seconds + length - 1) / length
	encode := forecast.Phase{Name: "encode"}
	for range n {
		work := unitStart + float64(length*f.rate)*(f.decode+f.encode)/1000
		encode.Units = append(encode.Units, forecast.Unit{
			Class: "encode", Route: "lambda-batch", Threads: 3, Work: time.Duration(work * float64(time.Second)), Move: f.output / int64(n), Gets: 10, Puts: 3,
		})
	}
	merge := forecast.Unit{Class: "merge", Route: "lambda-batch", Threads: 1, Work: 2 * time.Second, Gets: int64(2 * n), Puts: int64(n)}
	job := forecast.Job{Phases: []forecast.Phase{encode, {Name: "merge", Units: []forecast.Unit{merge}}}, Concurrency: atOnce}
	machine, err := forecast.Default()
	if err != nil {
		return 0, 0, err
	}
	r, err := forecast.Simulate(ctx, machine, job, forecast.Conditions{
		Arch: arch, Speed: 0.85, Memory: map[string]int64{"encode": f.memory}, Stragglers: 0.01, Account: 2000,
	}, 1)
	if err == nil && r.Failed != "" {
		err = fmt.Errorf("%s: the simulated job ended with %s", f.name, r.Failed)
	}
	return r.Wall, price.Default().Bill(r.Sum).Total, err
}

// What is plotted: at once with segments of ten seconds, and segment lengths in seconds at a thousand at once.
var (
	widths  = []int{10, 20, 50, 100, 200, 500, 1000}
	lengths = []int{2, 4, 6, 10, 20, 30, 60}
)

// usualLength and usualWidth are those of the other plot.
const usualLength, usualWidth = 10, 1000

// plots writes the plots of docs/speed.md into a folder, and prints their figures.
func plots(ctx context.Context, dir string, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range []struct {
		file, axis, column string
		at                 []int
		vary               func(x int) (length, atOnce int)
	}{
		{"concurrency.svg", "segments at once", "at once", widths, func(x int) (int, int) { return usualLength, x }},
		{"segments.svg", "length of a segment, s", "segment, s", lengths, func(x int) (int, int) { return x, usualWidth }},
	} {
		times, costs := newPanel("time, s", p.axis, p.at), newPanel("cost, USD", p.axis, p.at)
		fmt.Fprintf(out, "\n| %s |", p.column)
		for _, f := range foretellings {
			fmt.Fprintf(out, " %s |", f.name)
		}
		fmt.Fprintln(out, "\n| ---: | ---: | ---: | ---: |")
		for i, x := range p.at {
			fmt.Fprintf(out, "| %d |", x)
			for n, f := range foretellings {
				length, atOnce := p.vary(x)
				wall, cost, err := f.simulate(ctx, length, atOnce, "")
				if err != nil {
					return err
				}
				dollars := float64(cost) / float64(price.Dollar)
				times.set(n, i, wall.Seconds())
				costs.set(n, i, dollars)
				fmt.Fprintf(out, " %.0f s, %.2f USD |", wall.Seconds(), dollars)
			}
			fmt.Fprintln(out)
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), drawing(times, costs), 0o644); err != nil { //nolint:gosec // a picture of the docs
			return err
		}
	}
	return presets(ctx, out)
}

// faster is how long presets of x264 take for a frame, in percent of what medium takes: medians of three runs on footage of 854x480, with
// CRF 21 and one thread.
var faster = []struct {
	preset string
	share  float64
}{{"medium", 100}, {"fast", 89}, {"faster", 67}, {"veryfast", 34}, {"superfast", 21}}

// presets prints what the first job costs with other presets and other processors.
func presets(ctx context.Context, out io.Writer) error {
	const long = 60 // seconds of the cheapest segments
	fmt.Fprintf(out, "\n%s\n\n| preset | segment, s | x86_64 | arm64 |\n| --- | ---: | ---: | ---: |\n", foretellings[0].name)
	for _, p := range faster {
		for _, length := range []int{usualLength, long} {
			f := foretellings[0]
			f.encode = f.encode * p.share / 100
			fmt.Fprintf(out, "| %s | %d |", p.preset, length)
			for _, arch := range []string{"", "arm64"} {
				wall, cost, err := f.simulate(ctx, length, usualWidth, arch)
				if err != nil {
					return err
				}
				fmt.Fprintf(out, " %.0f s, %.2f USD |", wall.Seconds(), float64(cost)/float64(price.Dollar))
			}
			fmt.Fprintln(out)
		}
	}
	return nil
}
