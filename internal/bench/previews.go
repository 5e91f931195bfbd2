package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// previewPair is two ways to the same end: the first is what the second is compared with.
type previewPair struct {
	name   string
	first  func(ctx context.Context, dir string) *exec.Cmd
	second func(ctx context.Context, dir string) *exec.Cmd
}

// sliceSeconds is the length of an animation, in seconds.
const sliceSeconds = 30

// previewPairs returns what is compared. The usual recipe of previews is one ffmpeg for each slice of an animation, and another for a
// still of each second.
func (b bench) previewPairs(source string, seconds float64) []previewPair {
	ffmpeg := func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	}
	previews := func(flags ...string) func(context.Context, string) *exec.Cmd {
		return func(ctx context.Context, dir string) *exec.Cmd {
			args := append([]string{"preview", source, "-o", dir, "--scratch", filepath.Join(dir, "scratch"), "--progress", "none"}, flags...)
			return exec.CommandContext(ctx, b.mapreel, args...)
		}
	}
	return []previewPair{
		{
			"previews alone, to the usual recipe",
			func(ctx context.Context, dir string) *exec.Cmd {
				cmd := exec.CommandContext(ctx, "sh", "-c", `
					set -e
					for i in $(seq 0 $((COUNT - 1))); do
						ffmpeg -nostdin -v error -ss $((i * LENGTH)) -to $(((i + 1) * LENGTH)) -i "$SOURCE" \
							-vf "fps=10,scale=240:-1:flags=lanczos,split[a][b];[a]palettegen[p];[b][p]paletteuse" -loop 0 "$DIR/film-$i.gif"
					done
					ffmpeg -nostdin -v error -i "$SOURCE" -vf fps=1 "$DIR/film-%d.jpg"`)
				count := max(1, int((seconds+sliceSeconds-0.001)/sliceSeconds))
				cmd.Env = append(os.Environ(), "SOURCE="+source, "DIR="+dir, "LENGTH="+strconv.Itoa(sliceSeconds), "COUNT="+strconv.Itoa(count))
				return cmd
			},
			previews("--gif", "--stills", "1s"),
		},
		{
			"sprites of keyframes, to a full decode",
			func(ctx context.Context, _ string) *exec.Cmd {
				return ffmpeg(ctx, "-i", source, "-map", "0:v:0", "-f", "null", "-")
			},
			previews("--sprites", "--keyframes"),
		},
		{
			"a transcode with stills, sprites and GIFs, to the transcode",
			b.transcode(source, "mp4"), b.transcode(source, "mp4", "stills", "sprites", "gif"),
		},
	}
}

// transcode returns the command that makes outputs in some containers with default settings.
func (b bench) transcode(source string, containers ...string) func(context.Context, string) *exec.Cmd {
	return func(ctx context.Context, dir string) *exec.Cmd {
		var outputs []map[string]any
		for _, c := range containers {
			outputs = append(outputs, map[string]any{"name": "film", "container": c})
		}
		path := filepath.Join(dir, "request.json")
		request, err := json.Marshal(map[string]any{"source": source, "destination": dir, "outputs": outputs})
		if err == nil {
			err = os.WriteFile(path, request, 0o600)
		}
		cmd := exec.CommandContext(ctx, b.mapreel, "transcode", "--request", path, "--scratch", filepath.Join(dir, "scratch"), "--progress", "none")
		cmd.Err = err
		return cmd
	}
}

// previews compares previews with the ways that need no mapreel, in pairs of which each round begins with the other one. Of the
// CPU seconds of all processes it prints the medians, and the median of the ratios.
func (b bench) previews(ctx context.Context, source string, rounds int, which string) error {
	source, err := b.comparisonSource(ctx, source)
	if err != nil {
		return err
	}
	if source, err = filepath.Abs(source); err != nil {
		return err
	}
	seconds, err := duration(ctx, source)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%s, %.1f s, %d rounds\n", source, seconds, rounds)
	table := [][]string{{"", "first CPU s", "second CPU s", "second ÷ first"}}
	for i, p := range b.previewPairs(source, seconds) {
		if which != "all" && which != strconv.Itoa(i+1) {
			continue
		}
		var cpus [2][]float64
		var ratios []float64
		for round := range rounds {
			var now [2]float64
			for n := range 2 {
				n = (n + round) % 2
				if now[n], err = b.previewRun(ctx, []func(context.Context, string) *exec.Cmd{p.first, p.second}[n]); err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				cpus[n] = append(cpus[n], now[n])
			}
			ratios = append(ratios, now[1]/now[0])
			fmt.Fprintf(b.out, "  %-60s %7.2f %7.2f\n", p.name, now[0], now[1])
		}
		table = append(table, []string{p.name, fmt.Sprintf("%.2f", median(cpus[0])), fmt.Sprintf("%.2f", median(cpus[1])), fmt.Sprintf("%.3f", median(ratios))})
	}
	fmt.Fprintln(b.out, "\nmedians")
	b.table(table)
	return nil
}

// previewRun runs a command once in an empty folder, and returns its CPU seconds.
func (b bench) previewRun(ctx context.Context, command func(context.Context, string) *exec.Cmd) (float64, error) {
	dir, err := b.emptyDir("previews")
	if err != nil {
		return 0, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return 0, err
	}
	u, err := measure(command(ctx, dir))
	return u.cpu.Seconds(), err
}
