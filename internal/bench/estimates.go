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
// bytes. An estimate is the middle of its range.
func (b bench) estimates(ctx context.Context, source string) error {
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
		dir, err := b.emptyDir("estimates")
		if err != nil {
			return err
		}
		output := filepath.Join(dir, "out.mp4")
		if strings.Contains(t.flags, "vp9") {
			output = filepath.Join(dir, "out.webm")
		}
		flags := append(strings.Fields(t.flags), "-o", output, "--scratch", filepath.Join(dir, "scratch"))
		e, err := b.estimateOf(ctx, append([]string{"estimate", file, "--calibrate", "--json"}, flags...))
		if err != nil {
			return err
		}
		u, err := measure(exec.CommandContext(ctx, b.mapreel, append([]string{"transcode", file, "--progress", "none"}, flags...)...))
		if err != nil {
			return err
		}
		info, err := os.Stat(output)
		if err != nil {
			return err
		}
		cpu, bytes := (e.CPU.Low+e.CPU.High)/2/1000, (e.Work.Output.Low+e.Work.Output.High)/2
		timeOff, bytesOff := cpu/u.cpu.Seconds()-1, bytes/float64(info.Size())-1
		if max(timeOff, -timeOff) <= 0.15 && max(bytesOff, -bytesOff) <= 0.10 {
			near++
		}
		name := t.source
		if name == "" {
			name = filepath.Base(source)
		}
		fmt.Fprintf(table, "| `%s` | `%s` | %.1f | %.1f | %+.0f %% | %.2f | %.2f | %+.0f %% |\n", name, t.flags, cpu, u.cpu.Seconds(), 100*timeOff,
			bytes/1e6, float64(info.Size())/1e6, 100*bytesOff)
		if err := table.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "\n%d of %d within 15 %% of time and 10 %% of bytes\n", near, len(trials))
	return nil
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
