package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// trials are sources and settings whose estimates are compared with what they take. A source is a name, or a filter of ffmpeg that makes
// it.
var trials = []struct{ source, flags string }{
	{"", "--preset veryfast"},
	{"", "--preset medium --height 240"},
	{"", "--preset slow --height 360 --crf 26"},
	{"", "--codec h265 --preset fast --height 360"},
	{"", "--codec h265 --preset ultrafast"},
	{"", "--codec av1 --preset 10"},
	{"", "--codec vp9 --preset 5 --height 240"},
	{"testsrc2=size=1280x720:rate=30:duration=20", "--preset superfast"},
	{"mandelbrot=size=640x360:rate=25:end_pts=400", "--preset faster"},
	{"life=size=640x480:rate=25:ratio=0.3:mold=10,format=yuv420p", "--codec h265 --preset superfast --height 240"}, //nolint:misspell // ffmpeg's word
}

// sourceSeconds is how long a made source is.
const sourceSeconds = "20"

// madeSource returns a source that a filter makes, or footage.
func (b bench) madeSource(ctx context.Context, source, filter string, n int) (string, error) {
	if filter == "" {
		return source, nil
	}
	file := filepath.Join(b.work, fmt.Sprintf("made-%d.mp4", n))
	return file, b.make(ctx, file, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", filter, "-t", sourceSeconds, "-c:v", "libx264",
		"-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p", file)
}

// estimated is what mapreel says of a job before it, and after it.
type estimated struct {
	CPU  struct{ Low, High float64 } // milliseconds
	Work struct {
		Output struct{ Low, High float64 }
		Basis  string
	}
}

// estimates prints how near the estimates of jobs come, in time of processors, which depends less on what else a machine does, and in
// bytes. An estimate is the middle of its range. Each job is estimated and done in turns; times, and the error of time, are medians of the rounds.
func (b bench) estimates(ctx context.Context, source string, rounds int) error {
	if source == "" {
		source = footage
	}
	table := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "| source | flags | estimated, s | needed, s | error | estimated, MB | written, MB | error |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	near := 0
	for n, t := range trials {
		file, err := b.madeSource(ctx, source, t.source, n)
		if err != nil {
			return err
		}
		var guessed, needed []float64 // seconds
		var bytes, written float64
		for range max(rounds, 1) {
			e, cpu, size, err := b.estimateAndDo(ctx, file, t.flags)
			if err != nil {
				return err
			}
			guessed, needed = append(guessed, (e.CPU.Low+e.CPU.High)/2/1000), append(needed, cpu)
			bytes, written = (e.Work.Output.Low+e.Work.Output.High)/2, size
		}
		var ratios []float64
		for i := range guessed {
			ratios = append(ratios, guessed[i]/needed[i])
		}
		timeOff, bytesOff := median(ratios)-1, bytes/written-1
		if max(timeOff, -timeOff) <= 0.15 && max(bytesOff, -bytesOff) <= 0.10 {
			near++
		}
		name := t.source
		if name == "" {
			name = filepath.Base(source)
		}
		fmt.Fprintf(table, "| `%s` | `%s` | %.1f | %.1f | %+.0f %% | %.2f | %.2f | %+.0f %% |\n", name, t.flags, median(guessed), median(needed), 100*timeOff,
			bytes/1e6, written/1e6, 100*bytesOff)
		if err := table.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "\n%d of %d within 15 %% of time and 10 %% of bytes\n", near, len(trials))
	return nil
}

// estimateAndDo estimates a job and does it. It returns the seconds of processors that it took, and the size of its output.
func (b bench) estimateAndDo(ctx context.Context, file, text string) (e estimated, cpu, size float64, err error) {
	dir, err := b.emptyDir("estimates")
	if err != nil {
		return e, 0, 0, err
	}
	output := filepath.Join(dir, "out.mp4")
	if strings.Contains(text, "vp9") {
		output = filepath.Join(dir, "out.webm")
	}
	flags := append(strings.Fields(text), "-o", output, "--scratch", filepath.Join(dir, "scratch"))
	if e, err = b.estimateOf(ctx, append([]string{"estimate", file, "--calibrate", "--json"}, flags...)); err != nil {
		return e, 0, 0, err
	}
	u, err := measure(exec.CommandContext(ctx, b.mapreel, append([]string{"transcode", file, "--progress", "none"}, flags...)...))
	if err != nil {
		return e, 0, 0, err
	}
	info, err := os.Stat(output)
	if err != nil {
		return e, 0, 0, err
	}
	return e, u.cpu.Seconds(), float64(info.Size()), nil
}

// estimateOf runs mapreel estimate.
func (b bench) estimateOf(ctx context.Context, args []string) (e estimated, err error) {
	out, err := exec.CommandContext(ctx, b.mapreel, args...).Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("mapreel %s: %w\n%s", strings.Join(args, " "), err, failed.Stderr)
		}
		return e, err
	}
	return e, json.Unmarshal(out, &e)
}
