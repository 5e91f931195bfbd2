package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/forecast"
	"github.com/mapreel/mapreel/pkg/pace"
	"github.com/mapreel/mapreel/pkg/price"
)

// workflow measures the tools of examples/av-workflow, as SCAR's authors measured theirs: captions of speech, and objects in a film. What
// they take of processors is not known: bubblewrap does not wait for what it ran.
type workflow struct {
	bench
	sound []time.Duration // lengths of the speech
	film  time.Duration   // length of the film; 0 leaves it out
}

// SCAR's figures: audio2srt on functions of 1 GB, and YOLOv3 on Batch.
const (
	scarMemory   = 1024             // MiB
	scarPace     = 72 * time.Second // of one processor for a minute of sound, fitted by pkg/forecast/published
	scarLimit    = 900 * time.Second
	scarSixTook  = 753 * time.Second
	filmRate     = 25 // frames a second
	pieceOfSound = time.Minute
)

// spoken is what flite says again and again.
const spoken = "People come from the city to walk along the water. Nobody knows how long the house has been empty. " +
	"The children play in the garden behind the church. We had dinner at the table near the window. Tomorrow the train will leave at seven."

// published returns what SCAR's paper says of captions of a length.
func (workflow) published(length time.Duration) string {
	switch {
	case length >= 8*time.Minute:
		return "timed out after " + seconds(scarLimit)
	case length == 6*time.Minute:
		return seconds(scarSixTook)
	}
	return ""
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

// run measures on this machine, and then simulates what handing over early saves.
func (w workflow) run(ctx context.Context) error {
	if err := w.captions(ctx); err != nil {
		return err
	}
	if w.film > 0 {
		if err := w.objects(ctx); err != nil {
			return err
		}
	}
	return handOver(ctx, w.out)
}

// captions prints what captions of speech take.
func (w workflow) captions(ctx context.Context) error {
	fmt.Fprint(w.out, "\n| speech | pieces | time | SCAR, Lambda of 1 GB |\n| ---: | ---: | ---: | ---: |\n")
	once := filepath.Join(w.work, "sources", "speech.flac")
	for _, length := range w.sound {
		file := filepath.Join(w.work, "sources", fmt.Sprintf("speech-%d.flac", int(length.Seconds())))
		err := w.make(ctx, once, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "flite=voice=rms:text='"+spoken+"'", once)
		if err == nil {
			err = w.make(ctx, file, "ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "-1", "-i", once,
				"-t", strconv.FormatFloat(length.Seconds(), 'f', -1, 64), file)
		}
		if err != nil {
			return err
		}
		u, err := w.tools(ctx, "captions", file)
		if err != nil {
			return err
		}
		pieces := max((length+pieceOfSound/2)/pieceOfSound, 1)
		fmt.Fprintf(w.out, "| %s | %d | %s | %s |\n", length, pieces, seconds(u.wall), w.published(length))
	}
	return nil
}

// objects prints what finding objects in a film of 720p takes.
func (w workflow) objects(ctx context.Context) error {
	file := filepath.Join(w.work, "sources", fmt.Sprintf("film-%d.mp4", int(w.film.Seconds())))
	err := w.make(ctx, file, "ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "-1", "-i", footage, "-t", strconv.FormatFloat(w.film.Seconds(), 'f', -1, 64),
		"-vf", fmt.Sprintf("fps=%d,scale=1280:720", filmRate), "-preset", "veryfast", "-c:a", "copy", file)
	if err != nil {
		return err
	}
	u, err := w.tools(ctx, "detect", file)
	if err != nil {
		return err
	}
	frames := w.film.Seconds() * filmRate
	fmt.Fprint(w.out, "\n| film of 720p | time | a frame | SCAR |\n| ---: | ---: | ---: | --- |\n")
	fmt.Fprintf(w.out, "| %.0f frames | %s | %.2f s | on Batch, which has a worker after 167 + 129 s |\n", frames, seconds(u.wall), u.wall.Seconds()/frames)
	return nil
}

// tools runs the tools of an example over a file, and measures it.
func (w workflow) tools(ctx context.Context, example, file string) (usage, error) {
	out, err := w.emptyDir("out")
	if err != nil {
		return usage{}, err
	}
	scratch, err := w.emptyDir("scratch")
	if err != nil {
		return usage{}, err
	}
	return measure(exec.CommandContext(ctx, w.mapreel, "run", filepath.Join("examples", example, "tools.yaml"), file, "-o", out,
		"--scratch", scratch, "--progress", "none"))
}

// handed is what a job takes in which one unit is too much for a function.
type handed struct {
	wall time.Duration
	cost price.Money
}

// speechOnAWS simulates the captions of speech in SCAR's setting. Functions give a unit up after a time; with pieces, the sound is cut.
func speechOnAWS(ctx context.Context, length, giveUp time.Duration, pieces int) (handed, error) {
	machine, err := forecast.Machine("split", "audio", "encode", "merge")
	if err != nil {
		return handed{}, err
	}
	phase := forecast.Phase{Name: "sound"}
	for range pieces {
		phase.Units = append(phase.Units, forecast.Unit{Class: "audio", Route: "lambda-batch", Threads: 1, Work: speechWork(length) / time.Duration(pieces)})
	}
	c := forecast.Conditions{Speed: 1, BatchSpeed: 1, Spread: 1e-9, Memory: map[string]int64{"": scarMemory}, Disk: map[string]int64{"": 512}, TimeOut: giveUp}
	r, err := forecast.Simulate(ctx, machine, forecast.Job{Phases: []forecast.Phase{phase, {Name: "merge"}}, Concurrency: pieces}, c, 1)
	if err == nil && r.Failed != "" {
		err = fmt.Errorf("the simulated captions of %s ended with %s", length, r.Failed)
	}
	return handed{r.Wall, price.Default().Bill(r.Sum).Total}, err
}

// speechWork is what the captions of speech take of one processor.
func speechWork(length time.Duration) time.Duration {
	return time.Duration(length.Minutes() * float64(scarPace))
}

// earliest returns when a function of SCAR's size would hand the captions of speech over, by the rule for encodes and for tools that report
// their progress. It returns the limit where the function can finish them.
func earliest(length time.Duration) time.Duration {
	const margin, mibPerCPU = 15 * time.Second, 1769
	limit := scarLimit - margin
	takes := time.Duration(float64(speechWork(length)) * mibPerCPU / scarMemory)
	if at, missed := pace.GivesUp(limit, takes); missed {
		return at
	}
	return limit
}

// handOver prints what a job takes that waits until a function has timed out, one that hands over as soon as its pace shows that it
// will, and one whose sound is cut.
func handOver(ctx context.Context, out io.Writer) error {
	var table strings.Builder
	table.WriteString("\n| speech, simulated | waits for the timeout | hands over early | after | saved | cut into pieces of 60 s |\n" +
		"| ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, minutes := range []int{8, 10, 15, 20, 30} {
		length := time.Duration(minutes) * time.Minute
		after := earliest(length)
		var results [3]handed
		for i, c := range []struct {
			giveUp time.Duration
			pieces int
		}{{scarLimit, 1}, {after, 1}, {scarLimit, minutes}} {
			var err error
			if results[i], err = speechOnAWS(ctx, length, c.giveUp, c.pieces); err != nil {
				return err
			}
		}
		show := func(h handed) string {
			return fmt.Sprintf("%s, %.4f USD", seconds(h.wall), float64(h.cost)/float64(price.Dollar))
		}
		saved := results[0].wall - results[1].wall
		fmt.Fprintf(&table, "| %d min | %s | %s | %s | %s | %s |\n",
			minutes, show(results[0]), show(results[1]), seconds(after), seconds(saved), show(results[2]))
	}
	_, err := io.WriteString(out, table.String())
	return err
}

// workflow measures the tools on speech of lengths and on a film.
func (b bench) workflow(ctx context.Context, lengths []string, film time.Duration) error {
	w := workflow{bench: b, film: film}
	for _, text := range lengths {
		length, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("a length of speech: %w", err)
		}
		w.sound = append(w.sound, length)
	}
	return w.run(ctx)
}
