package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// event is a line of mapreel --progress json, with the fields that the figures need.
type event struct {
	Type string    `json:"type"`
	Unit string    `json:"unit"`
	Time time.Time `json:"time"`
}

// figures measures what the comparison cannot show: how little Analyse reads of a large file, and
// how long Merge takes for a large result.
func (b bench) figures(ctx context.Context) error {
	table := [][]string{{"", "seconds", "bytes", "of", "share %", "own MB"}}
	for _, ext := range []string{".mp4", ".mkv"} {
		row, err := b.analyse(ctx, ext)
		if err != nil {
			return err
		}
		table = append(table, row)
	}
	rows, err := b.merge(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(b.out)
	b.table(append(table, rows...))
	return nil
}

// analyse times mapreel from its start to the moment at which the plan is known, on 2 h and 1 GB,
// and counts the bytes that it has read by then.
func (b bench) analyse(ctx context.Context, ext string) ([]string, error) {
	loop, times := footage, "239" // half a minute at 1.1 Mbit/s: 240 times are 2 h and 1 GB
	if _, err := os.Stat(footage); err != nil {
		clip := filepath.Join(b.work, "sources", "minute.mp4")
		if err := b.make(ctx, clip, "tools/clip.sh", "60", clip); err != nil {
			return nil, err
		}
		// The minute is encoded to that bit rate once, then repeated by copying.
		loop, times = filepath.Join(b.work, "sources", "minute-1100k.mp4"), "119"
		if err := b.make(ctx, loop, "ffmpeg", "-nostdin", "-v", "error", "-i", clip, "-c:v", "libx264", "-preset", "veryfast",
			"-b:v", "1000k", "-minrate", "1000k", "-maxrate", "1000k", "-bufsize", "2000k", "-x264-params", "nal-hrd=cbr",
			"-c:a", "aac", "-b:a", "96k", loop); err != nil {
			return nil, err
		}
	}
	source := filepath.Join(b.work, "sources", "two-hours"+ext)
	if err := b.make(ctx, source, "ffmpeg", "-nostdin", "-v", "error", "-stream_loop", times, "-i", loop,
		"-map", "0", "-c", "copy", source); err != nil {
		return nil, err
	}
	scratch, err := b.emptyDir("scratch")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.mapreel, "transcode", source, "-o", filepath.Join(b.work, "never.mp4"),
		"--scratch", scratch, "--progress", "json")
	began := time.Now()
	var took time.Duration
	var read, own int64
	err = watchEvents(cmd, func(e event) bool {
		if e.Type != "planned" {
			return true
		}
		took, read, own = time.Since(began), bytesRead(cmd.Process.Pid), status(cmd.Process.Pid, "VmHWM")
		return false
	})
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	return []string{
		"Analyse " + ext, fmt.Sprintf("%.3f", took.Seconds()), fmt.Sprint(read), fmt.Sprint(info.Size()),
		fmt.Sprintf("%.3f", 100*float64(read)/float64(info.Size())), megabytes(own),
	}, nil
}

// merge times the stage Merge on a result of about 1 GB, and cp on that result. Noise makes large
// files quickly.
func (b bench) merge(ctx context.Context) ([][]string, error) {
	source := filepath.Join(b.work, "sources", "noise.mkv")
	if err := b.make(ctx, source, "ffmpeg", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=30,noise=alls=100:allf=t",
		"-f", "lavfi", "-i", "anoisesrc=duration=30:amplitude=0.1",
		"-c:v", "libx264", "-preset", "ultrafast", "-crf", "1", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac", source); err != nil {
		return nil, err
	}
	scratch, err := b.emptyDir("scratch")
	if err != nil {
		return nil, err
	}
	output := filepath.Join(b.work, "large.mp4")
	cmd := exec.CommandContext(ctx, b.mapreel, "transcode", source, "-o", output, "--crf", "1", "--preset", "ultrafast",
		"--segment", "2s", "--scratch", scratch, "--progress", "json")
	var began, ended time.Time
	var own int64
	err = watchEvents(cmd, func(e event) bool {
		own = max(own, status(cmd.Process.Pid, "VmHWM"))
		if strings.HasPrefix(e.Unit, "output/") {
			switch e.Type {
			case "started":
				began = e.Time
			case "finished", "published":
				ended = e.Time
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if began.IsZero() || ended.IsZero() {
		return nil, errors.New("mapreel did not report when Merge began and ended")
	}
	info, err := os.Stat(output)
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(b.work, "copy.mp4")
	u, err := measure(exec.CommandContext(ctx, "cp", "--reflink=never", output, copied))
	if err != nil {
		return nil, err
	}
	if err := os.Remove(copied); err != nil {
		return nil, err
	}
	size := fmt.Sprint(info.Size())
	took := ended.Sub(began)
	return [][]string{
		{"Merge", fmt.Sprintf("%.3f", took.Seconds()), size, size, "", megabytes(own)},
		{"cp", fmt.Sprintf("%.3f", u.wall.Seconds()), size, size, "", megabytes(u.ownPeak)},
		{"Merge : cp", fmt.Sprintf("%.2f", took.Seconds()/u.wall.Seconds()), "", "", "", ""},
	}, nil
}

// watchEvents runs cmd and passes each progress event to observe, until observe returns false. The
// process is then interrupted, and its exit status is ignored.
func watchEvents(cmd *exec.Cmd, observe func(event) bool) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var messages strings.Builder
	cmd.Stderr = &messages
	if err := cmd.Start(); err != nil {
		return err
	}
	stopped := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || stopped {
			continue // not an event, or output after the interrupt, which must still be read
		}
		if !observe(e) {
			stopped = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				return err
			}
		}
	}
	if err := cmd.Wait(); err != nil && !stopped {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, messages.String())
	}
	return lines.Err()
}
