package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// ConcurrentResult describes many jobs that ran at once on one machine.
type ConcurrentResult struct {
	Jobs, Segments int // in all
	Cores          int
	Elapsed        time.Duration
	Ends           []time.Duration // when each process ended, after the common start; ascending
	// Started is how many jobs had completed a segment when half of all segments were complete:
	// nearly all if the machine is shared fairly, half if jobs are served in order of arrival.
	Started int
	// Processes and Encoders are the most ffmpeg processes seen at once, and the most of these that
	// encoded video. 0 on systems without /proc.
	Processes, Encoders int
}

// segmentsPerJob is the number of segments of each job of RunConcurrentJobs.
const segmentsPerJob = 4

// RunConcurrentJobs runs jobs at once, each as a process of the given mapreel program, with one
// shared scratch folder. It compares their outputs with that of a job running alone. Everything is
// below dir, which the caller removes.
func RunConcurrentJobs(ctx context.Context, program, dir string, tools ffmpeg.Tools, jobs int) (ConcurrentResult, error) {
	c := ConcurrentResult{Jobs: jobs, Segments: jobs * segmentsPerJob, Cores: runtime.NumCPU()}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return c, err
	}
	clip := filepath.Join(dir, "clip.mp4")
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=160x90:rate=12:duration=%d", segmentsPerJob),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=400:sample_rate=48000:duration=%d", segmentsPerJob),
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac", clip,
	}, ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
		return c, err
	}
	media, err := os.ReadFile(clip)
	if err != nil {
		return c, err
	}
	if _, err := runJob(ctx, program, dir, "alone", media); err != nil {
		return c, err
	}
	want, err := os.ReadFile(filepath.Join(dir, "alone.out.mp4"))
	if err != nil {
		return c, err
	}

	watched, unwatch := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for watched.Err() == nil {
			processes, encoders := ffmpegProcesses(dir)
			c.Processes, c.Encoders = max(c.Processes, processes), max(c.Encoders, encoders)
			time.Sleep(10 * time.Millisecond)
		}
	})
	began := time.Now()
	c.Ends = make([]time.Duration, jobs)
	done := make([][]time.Time, jobs) // when the segments of each job were complete
	failed := make([]error, jobs)     // a failure does not stop the other jobs
	var running sync.WaitGroup
	for i := range jobs {
		running.Go(func() {
			name := fmt.Sprintf("job%02d", i)
			done[i], failed[i] = runJob(ctx, program, dir, name, media)
			c.Ends[i] = time.Since(began)
			if failed[i] != nil {
				return
			}
			got, err := os.ReadFile(filepath.Join(dir, name+".out.mp4"))
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("%s: its output differs from that of a job running alone", name)
			}
			failed[i] = err
		})
	}
	running.Wait()
	c.Elapsed = time.Since(began)
	unwatch()
	watch.Wait()
	slices.Sort(c.Ends)
	c.Started = countStarted(done)
	return c, errors.Join(failed...)
}

// runJob runs one job to its end, and returns when each of its segments was complete.
func runJob(ctx context.Context, program, dir, name string, media []byte) (done []time.Time, err error) {
	source := filepath.Join(dir, name+".mp4")
	if err := os.WriteFile(source, media, 0o600); err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "transcode", source, "-o", filepath.Join(dir, name+".out.mp4"), "--preset", "ultrafast",
		"--segment", "1s", "--progress", "json", "--scratch", filepath.Join(dir, "scratch"))
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(errs.Bytes()))
	}
	var segments work.Group
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		var event struct {
			engine.Event
			Time time.Time
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("%s: %w in %q", name, err, lines.Text())
		}
		for _, g := range event.Groups {
			if g.Noun == "segments" {
				segments = g.Group
			}
		}
		if event.Type == engine.Done && segments.Units > 0 && segments.Contains(event.Unit) {
			done = append(done, event.Time)
		}
	}
	if len(done) != segmentsPerJob {
		return done, fmt.Errorf("%s finished %d segments, want %d", name, len(done), segmentsPerJob)
	}
	return done, lines.Err()
}

// countStarted counts the jobs that had completed a segment when half of all segments were
// complete.
func countStarted(done [][]time.Time) int {
	all := slices.Concat(done...)
	if len(all) == 0 {
		return 0
	}
	slices.SortFunc(all, time.Time.Compare)
	half := all[len(all)/2]
	n := 0
	for _, times := range done {
		if slices.ContainsFunc(times, func(t time.Time) bool { return !t.After(half) }) {
			n++
		}
	}
	return n
}

// ffmpegProcesses counts the ffmpeg processes whose arguments name a file below dir, and those of
// them that encode video.
func ffmpegProcesses(dir string) (processes, encoders int) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline") // a valid pattern returns no error
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		program, args, _ := bytes.Cut(data, []byte{0})
		if filepath.Base(string(program)) != "ffmpeg" || !bytes.Contains(args, []byte(dir)) {
			continue
		}
		processes++
		if bytes.Contains(args, []byte("-filter_complex\x00")) {
			encoders++
		}
	}
	return processes, encoders
}

// String formats the result for people.
func (c ConcurrentResult) String() string {
	at := func(share int) time.Duration { return c.Ends[(len(c.Ends)-1)*share/100].Round(10 * time.Millisecond) }
	return fmt.Sprintf("%d jobs of %d segments each, as processes, on %d cores: %v\n"+
		"  they ended after %v (first), %v (a tenth), %v (half), %v (last)\n"+
		"  when half of the segments were complete, %d jobs had one\n"+
		"  at most %d ffmpeg processes at once, of which at most %d encoded video\n",
		c.Jobs, segmentsPerJob, c.Cores, c.Elapsed.Round(10*time.Millisecond), at(0), at(10), at(50), at(100), c.Started, c.Processes, c.Encoders)
}
