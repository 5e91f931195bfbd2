package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// candidate is a way to encode the source.
type candidate struct {
	name   string
	encode func(ctx context.Context, source, output, scratch string) *exec.Cmd
}

// result collects the measurements of one candidate over all rounds.
type result struct {
	walls, cpus          []float64 // seconds
	ownPeak, largestPeak int64     // bytes; the highest of all rounds
	bytes                int64     // of the last round
	frames               int
}

func (b bench) candidates(seconds float64) []candidate {
	segment := b.segment.Seconds()
	return []candidate{
		{"one ffmpeg", func(ctx context.Context, source, output, _ string) *exec.Cmd {
			return exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-i", source, "-map", "0:v:0", "-map", "0:a?",
				"-c:v", "libx264", "-preset", "medium", "-crf", "21", "-c:a", "copy", "-movflags", "+faststart", output)
		}},
		{"usual recipe", func(ctx context.Context, source, output, scratch string) *exec.Cmd {
			const script = `
				set -e
				seq 0 $((COUNT - 1)) | xargs -P "$CORES" -I '{}' sh -c '
					ffmpeg -nostdin -v error -ss $(({} * SECONDS_EACH)) -t "$SECONDS_EACH" -i "$SOURCE" -map 0:v:0 -map "0:a?" \
						-c:v libx264 -preset medium -crf 21 -c:a copy "$SCRATCH/$(printf %05d {}).mp4"'
				for f in "$SCRATCH"/*.mp4; do echo "file '$(basename "$f")'"; done >"$SCRATCH/list.txt"
				ffmpeg -nostdin -v error -f concat -i "$SCRATCH/list.txt" -map 0 -c copy -movflags +faststart "$OUTPUT"`
			cmd := exec.CommandContext(ctx, "sh", "-c", script)
			cmd.Env = append(os.Environ(),
				"SOURCE="+source, "OUTPUT="+output, "SCRATCH="+scratch,
				fmt.Sprintf("CORES=%d", runtime.NumCPU()),
				fmt.Sprintf("SECONDS_EACH=%.0f", segment),
				fmt.Sprintf("COUNT=%.0f", max(1, float64(int((seconds+segment-0.001)/segment)))))
			return cmd
		}},
		{"mapreel", func(ctx context.Context, source, output, scratch string) *exec.Cmd {
			return exec.CommandContext(ctx, b.mapreel, "transcode", source, "-o", output, "--codec", "h264", "--crf", "21",
				"--preset", "medium", "--segment", b.segment.String(), "--scratch", scratch, "--progress", "none")
		}},
	}
}

// compare runs all candidates for a number of rounds and prints their medians.
func (b bench) compare(ctx context.Context, source string, rounds int) error {
	source, err := b.comparisonSource(ctx, source)
	if err != nil {
		return err
	}
	seconds, err := duration(ctx, source)
	if err != nil {
		return err
	}
	contenders := b.candidates(seconds)
	results := make([]result, len(contenders))
	fmt.Fprintf(b.out, "%s, %.1f s, segments of %v, %d rounds\n", source, seconds, b.segment, rounds)
	for round := range rounds {
		for i := range contenders {
			which := (round + i) % len(contenders)
			if err := b.round(ctx, contenders[which], source, &results[which]); err != nil {
				return err
			}
		}
	}
	sourceFrames, err := frames(ctx, source)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nmedians, and ratios to the first; the source has %d frames\n", sourceFrames)
	b.table(comparisonRows(contenders, results))
	return nil
}

// round runs one candidate once, with an empty scratch folder.
func (b bench) round(ctx context.Context, c candidate, source string, r *result) error {
	scratch, err := b.emptyDir("scratch")
	if err != nil {
		return err
	}
	output := filepath.Join(b.work, "output.mp4")
	if err := os.RemoveAll(output); err != nil {
		return err
	}
	u, err := measure(c.encode(ctx, source, output, scratch))
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	info, err := os.Stat(output)
	if err != nil {
		return err
	}
	if r.frames, err = frames(ctx, output); err != nil {
		return err
	}
	r.bytes = info.Size()
	r.walls, r.cpus = append(r.walls, u.wall.Seconds()), append(r.cpus, u.cpu.Seconds())
	r.ownPeak, r.largestPeak = max(r.ownPeak, u.ownPeak), max(r.largestPeak, u.largestPeak)
	fmt.Fprintf(b.out, "  %-12s %6.1f s wall %6.1f s CPU\n", c.name, u.wall.Seconds(), u.cpu.Seconds())
	return nil
}

func comparisonRows(contenders []candidate, results []result) [][]string {
	table := [][]string{{"", "wall s", "×", "CPU s", "×", "own MB", "largest MB", "bytes", "×", "frames"}}
	base := results[0]
	for i, r := range results {
		wall, cpu := median(r.walls), median(r.cpus)
		table = append(table, []string{
			contenders[i].name,
			fmt.Sprintf("%.1f", wall), fmt.Sprintf("%.3f", wall/median(base.walls)),
			fmt.Sprintf("%.1f", cpu), fmt.Sprintf("%.3f", cpu/median(base.cpus)),
			megabytes(r.ownPeak), megabytes(r.largestPeak),
			strconv.FormatInt(r.bytes, 10), fmt.Sprintf("%.4f", float64(r.bytes)/float64(base.bytes)),
			strconv.Itoa(r.frames),
		})
	}
	return table
}

func megabytes(n int64) string {
	if n == 0 {
		return "?"
	}
	return fmt.Sprintf("%.0f", float64(n)/1e6)
}

// duration returns the length of a file in seconds, which the usual recipe needs.
func duration(ctx context.Context, file string) (float64, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_entries", "format=duration",
		"-of", "default=nk=1:nw=1", file).Output()
	if err != nil {
		return 0, fmt.Errorf("the duration of %s: %w", file, err)
	}
	d, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%v is not a duration", time.Duration(d))
	}
	return d, err
}
