package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// costs measures what segmenting costs in time: for each codec, mapreel with its default settings and more flags against one ffmpeg process with
// the same preset and CRF, in turns, of a source, or of half a minute of footage and of that four times over. It prints the medians of
// the ratios of the rounds.
func (b bench) costs(ctx context.Context, rounds int, source string, codecs, more []string) error {
	given, err := b.comparisonSource(ctx, source)
	if err != nil {
		return err
	}
	sources := []string{given}
	if _, err := os.Stat(footage); err == nil && source == "" {
		sources = []string{footage, given}
	}
	table := [][]string{{"codec", "source", "one ffmpeg, s", "CPU, s", "mapreel, s", "CPU, s", "wall ×", "CPU ×", "bytes ×"}}
	for _, codec := range codecs {
		if _, ok := onePass[codec]; !ok {
			return fmt.Errorf("%q is not one of h264, h265, vp9, av1", codec)
		}
		for _, source := range sources {
			row, err := b.cost(ctx, rounds, codec, source, more)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", codec, source, err)
			}
			table = append(table, row)
		}
	}
	b.table(table)
	return nil
}

// cost measures one row.
func (b bench) cost(ctx context.Context, rounds int, codec, source string, more []string) ([]string, error) {
	var walls, cpus [2][]float64
	var wallRatios, cpuRatios []float64
	var sizes [2]int64
	for round := range max(rounds, 1) {
		scratch, err := b.emptyDir("scratch")
		if err != nil {
			return nil, err
		}
		for i := range 2 {
			which := (i + round) % 2
			output := filepath.Join(b.work, fmt.Sprintf("%s-%d.mkv", codec, which))
			if err := os.RemoveAll(output); err != nil {
				return nil, err
			}
			cmd := inOnePass(ctx, codec, source, output)
			if which == 1 {
				args := []string{"transcode", source, "-o", output, "--codec", codec, "--audio", "none", "--scratch", scratch, "--progress", "none"}
				cmd = exec.CommandContext(ctx, b.mapreel, append(args, more...)...)
			}
			u, err := measure(cmd)
			if err != nil {
				return nil, err
			}
			info, err := os.Stat(output)
			if err != nil {
				return nil, err
			}
			sizes[which] = info.Size()
			walls[which], cpus[which] = append(walls[which], u.wall.Seconds()), append(cpus[which], u.cpu.Seconds())
		}
		wallRatios, cpuRatios = append(wallRatios, walls[1][round]/walls[0][round]), append(cpuRatios, cpus[1][round]/cpus[0][round])
	}
	seconds := func(list []float64) string { return fmt.Sprintf("%.1f", median(list)) }
	return []string{
		codec, filepath.Base(source), seconds(walls[0]), seconds(cpus[0]), seconds(walls[1]), seconds(cpus[1]),
		fmt.Sprintf("%.3f", median(wallRatios)), fmt.Sprintf("%.3f", median(cpuRatios)), fmt.Sprintf("%.4f", float64(sizes[1])/float64(sizes[0])),
	}, nil
}
