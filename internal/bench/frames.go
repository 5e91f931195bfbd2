package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mapreel/mapreel/pkg/forecast"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/render"
)

// scene is a film of frames to render whose time and cost on AWS are foretold.
type scene struct {
	frames int
	pace   render.Pace // in seconds of one processor of the reference machine
}

// What is assumed of functions that render, besides what foretold.simulate assumes.
const (
	renderMemory    = 3008 // MiB: infra's default
	renderImage     = 1000 // MB, compressed
	renderThreads   = 2    // of Blender, in a function of that memory
	frameBytes      = 3e6  // of a PNG file of 1080p
	frameEncodes    = 0.1  // seconds of one processor: decoding the PNG file and encoding the frame at preset medium
	framesOfSegment = 240
)

// simulate returns what rendering the scene and encoding its film takes with so many functions at once.
func (s scene) simulate(ctx context.Context, atOnce int) (forecast.Result, error) {
	rendered := func(name string, from, to, workers int, divide bool) forecast.Phase {
		units := render.Split(from, to, to-from)
		if divide {
			// A pace is in seconds of the clock, in which a frame has two threads.
			units = render.Divide(from, to, render.Pace{Start: s.pace.Start, Frame: s.pace.Frame / renderThreads}, workers)
		}
		phase := forecast.Phase{Name: name}
		for _, u := range units {
			n := u.To - u.From
			phase.Units = append(phase.Units, forecast.Unit{
				Class: "render", Route: "lambda-batch", Threads: renderThreads,
				Work: time.Duration((s.pace.Start + float64(n)*s.pace.Frame) * float64(time.Second)),
				Move: int64(n) * frameBytes, Gets: 5, Puts: int64(n) + 1,
			})
		}
		return phase
	}
	first := render.First(s.frames)
	encode := forecast.Phase{Name: "encode"}
	for at := 0; at < s.frames; at += framesOfSegment {
		n := min(framesOfSegment, s.frames-at)
		encode.Units = append(encode.Units, forecast.Unit{
			Class: "encode", Route: "lambda-batch", Threads: 3, Work: time.Duration((unitStart + frameEncodes*float64(n)) * float64(time.Second)),
			Move: int64(n) * frameBytes, Gets: int64(n) + 5, Puts: 3,
		})
	}
	merge := forecast.Unit{Class: "merge", Route: "lambda-batch", Threads: 1, Work: 2 * time.Second, Gets: int64(2 * len(encode.Units)), Puts: int64(len(encode.Units))}
	job := forecast.Job{Concurrency: atOnce, Phases: []forecast.Phase{
		rendered("first frames", 0, first, atOnce, false), rendered("frames", first, s.frames, atOnce, true), encode, {Name: "merge", Units: []forecast.Unit{merge}},
	}}
	machine, err := forecast.Machine("split", "audio", "encode", "merge", "render")
	if err != nil {
		return forecast.Result{}, err
	}
	r, err := forecast.Simulate(ctx, machine, job, forecast.Conditions{
		Speed: 0.85, Memory: map[string]int64{"encode": renderMemory, "render": renderMemory}, Image: renderImage, Stragglers: 0.01, Account: 2000,
	}, 1)
	if err == nil && r.Failed != "" {
		err = fmt.Errorf("the simulated job of %d frames ended with %s", s.frames, r.Failed)
	}
	return r, err
}

// foretellFrames prints frames an hour and the cost of a frame on Lambda, for frames that take so many seconds of a processor.
func foretellFrames(ctx context.Context, frames int, out io.Writer) error {
	fmt.Fprint(out, "| a frame takes, s of a core | functions at once | time | frames an hour | USD a frame | units on Batch |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, frame := range []float64{1, 10, 60, 600} {
		for _, atOnce := range []int{1, 100, 1000} {
			r, err := scene{frames, render.Pace{Start: 2, Frame: frame}}.simulate(ctx, atOnce)
			if err != nil {
				return err
			}
			cost := float64(price.Default().Bill(r.Sum).Total) / float64(price.Dollar) / float64(frames)
			fmt.Fprintf(out, "| %g | %d | %s | %.0f | %.6f | %d |\n", frame, atOnce, r.Wall.Round(time.Second), float64(frames)/r.Wall.Hours(), cost, r.OnBatch)
		}
	}
	return nil
}
