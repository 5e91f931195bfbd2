package faults

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
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// Crowded is what became of many jobs at once on one machine.
type Crowded struct {
	Jobs, Segments int // in all
	Cores          int
	Elapsed        time.Duration
	Ends           []time.Duration // when each process ended, from the common start; ascending
	// Begun is how many jobs had a segment done when half of all segments were. All, or nearly, where the machine is shared
	// fairly; half, where who came first is served first.
	Begun int
	// Programs and Encoders are the most processes of ffmpeg seen at once, and of these the ones at a picture. 0 where the
	// system does not tell (no /proc).
	Programs, Encoders int
}

// crowdSegments is how many segments each job of a crowd has.
const crowdSegments = 4

// Crowd runs jobs at once, each a process of the program mapreel, with one scratch folder, and compares what they made
// with what a job alone makes. dir is for everything; the caller removes it.
func Crowd(ctx context.Context, program, dir string, tools ffmpeg.Tools, jobs int) (Crowded, error) {
	c := Crowded{Jobs: jobs, Segments: jobs * crowdSegments, Cores: runtime.NumCPU()}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return c, err
	}
	clip := filepath.Join(dir, "clip.mp4")
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=160x90:rate=12:duration=%d", crowdSegments),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=400:sample_rate=48000:duration=%d", crowdSegments),
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac", clip,
	}, ffmpeg.RunOptions{}); err != nil {
		return c, err
	}
	media, err := os.ReadFile(clip)
	if err != nil {
		return c, err
	}
	if _, err := crowdJob(ctx, program, dir, "alone", media); err != nil {
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
			programs, encoders := programsBelow(dir)
			c.Programs, c.Encoders = max(c.Programs, programs), max(c.Encoders, encoders)
			time.Sleep(10 * time.Millisecond)
		}
	})
	began := time.Now()
	c.Ends = make([]time.Duration, jobs)
	done := make([][]time.Time, jobs) // when each job's segments were
	failed := make([]error, jobs)     // all go on where one fails
	var running sync.WaitGroup
	for i := range jobs {
		running.Go(func() {
			name := fmt.Sprintf("job%02d", i)
			done[i], failed[i] = crowdJob(ctx, program, dir, name, media)
			c.Ends[i] = time.Since(began)
			if failed[i] != nil {
				return
			}
			got, err := os.ReadFile(filepath.Join(dir, name+".out.mp4"))
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("%s: its output has other bytes than that of a job alone", name)
			}
			failed[i] = err
		})
	}
	running.Wait()
	c.Elapsed = time.Since(began)
	unwatch()
	watch.Wait()
	slices.Sort(c.Ends)
	c.Begun = begun(done)
	return c, errors.Join(failed...)
}

// crowdJob runs one job to its end, and says when each of its segments was done.
func crowdJob(ctx context.Context, program, dir, name string, media []byte) (done []time.Time, err error) {
	source := filepath.Join(dir, name+".mp4")
	if err := os.WriteFile(source, media, 0o600); err != nil {
		return nil, err
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "transcode", source, "-o", filepath.Join(dir, name+".out.mp4"), "--preset", "ultrafast",
		"--segment", "1s", "--progress", "json", "--scratch", filepath.Join(dir, "scratch"))
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(complaint.Bytes()))
	}
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		var event struct {
			Type, Unit string
			Time       time.Time
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("%s: %w in %q", name, err, lines.Text())
		}
		if event.Type == "finished" && strings.HasPrefix(event.Unit, "video/") {
			done = append(done, event.Time)
		}
	}
	if len(done) != crowdSegments {
		return done, fmt.Errorf("%s finished %d segments, want %d", name, len(done), crowdSegments)
	}
	return done, lines.Err()
}

// begun counts the jobs that had a segment done when half of all segments were.
func begun(done [][]time.Time) int {
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

// programsBelow counts the processes of ffmpeg whose arguments name a file below dir, and of these those that encode a
// picture.
func programsBelow(dir string) (programs, encoders int) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline") // of a good pattern there is no error
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		program, args, _ := bytes.Cut(data, []byte{0})
		if filepath.Base(string(program)) != "ffmpeg" || !bytes.Contains(args, []byte(dir)) {
			continue
		}
		programs++
		if bytes.Contains(args, []byte("-filter_complex\x00")) {
			encoders++
		}
	}
	return programs, encoders
}

// String is a table for people.
func (c Crowded) String() string {
	at := func(share int) time.Duration { return c.Ends[(len(c.Ends)-1)*share/100].Round(10 * time.Millisecond) }
	return fmt.Sprintf("%d jobs of %d segments each, as processes, on %d cores: %v\n"+
		"  they ended after %v (first), %v (a tenth), %v (half), %v (last)\n"+
		"  when half of the segments were done, %d jobs had one\n"+
		"  at most %d processes of ffmpeg at once, %d of them at a picture\n",
		c.Jobs, crowdSegments, c.Cores, c.Elapsed.Round(10*time.Millisecond), at(0), at(10), at(50), at(100), c.Begun, c.Programs, c.Encoders)
}
