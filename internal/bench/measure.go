package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is the resources that a command used.
type usage struct {
	wall        time.Duration
	cpu         time.Duration // user and system time of the process and of all descendants that were waited for
	ownPeak     int64         // bytes: peak resident memory of the process itself; 0 where /proc is missing
	largestPeak int64         // bytes: peak resident memory of the largest of it and its descendants
}

// pollEvery is how often the peak memory of a process is read. The kernel keeps the peak, so only
// growth between the last reading and the end is missed.
const pollEvery = 20 * time.Millisecond

// measure runs cmd to its end. A failure includes what the command printed.
func measure(cmd *exec.Cmd) (usage, error) {
	var output bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &output
	}
	cmd.Stderr = &output
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() {
		var own int64
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			own = max(own, status(cmd.Process.Pid, "VmHWM"))
			select {
			case <-tick.C:
			case <-done:
				peak <- own
				return
			}
		}
	}()
	err := cmd.Wait()
	u := usage{wall: time.Since(began)}
	close(done)
	u.ownPeak = <-peak
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.largestPeak = int64(ru.Maxrss) //nolint:unconvert // 32 bits on some systems
		if runtime.GOOS != "darwin" {
			u.largestPeak *= 1024 // kilobytes on every system but that one
		}
	}
	if err != nil {
		return u, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output.Bytes())
	}
	return u, nil
}

// status reads a size in kB from /proc/PID/status and returns bytes, or 0 if it is missing.
func status(pid int, field string) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return 1024 * procField(data, field)
}

// bytesRead returns how many bytes a process has read, with the children that it has waited for, or
// 0 where /proc is missing.
func bytesRead(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	return procField(data, "rchar")
}

// procField reads the number in a line "field: 123 kB".
func procField(data []byte, field string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name == field {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64) //nolint:errcheck // n is 0 on failure
			return n
		}
	}
	return 0
}

// frames counts the frames of a file by its packets.
func frames(ctx context.Context, file string) (int, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets",
		"-show_entries", "stream=nb_read_packets", "-of", "default=nk=1:nw=1", file).Output()
	if err != nil {
		return 0, fmt.Errorf("counting the frames of %s: %w", file, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// median returns the middle of values, the lower of two.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
