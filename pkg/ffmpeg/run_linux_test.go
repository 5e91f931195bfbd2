package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/process"
)

// A program that ignores the interrupt is killed together with every process that it started.
func TestAGroupThatIgnoresInterruptsIsKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var child int
	_, err := Run(ctx, "/bin/sh", []string{"-c", `trap "" INT TERM; sleep 60 & echo $!; wait; wait`}, RunOptions{
		Grace: 100 * time.Millisecond,
		Stdout: writerFunc(func(data []byte) (int, error) {
			child, _ = strconv.Atoi(strings.TrimSpace(string(data)))
			cancel()
			return len(data), nil
		}),
		Limits: process.Unlimited(),
	})
	var exit *exec.ExitError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &exit) {
		t.Errorf("error %v, want the context's and the program's", err)
	}
	if child == 0 || !gone(child) {
		t.Errorf("process %d, which the program had started, is still running", child)
	}
}

// parentVariable makes this test binary the parent that TestProgramsDieWithTheirParent kills.
const parentVariable = "MAPREEL_TEST_PARENT"

func TestMain(m *testing.M) {
	if program := os.Getenv(parentVariable); program != "" {
		args := append([]string{"-c", `echo $$; exec "$0" "$@"`, program}, endless...)
		_, err := Run(context.Background(), "/bin/sh", args, RunOptions{Stdout: os.Stdout, Limits: process.Unlimited()})
		fmt.Println("ended:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestProgramsDieWithTheirParent(t *testing.T) {
	tools := find(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), parentVariable+"="+tools.FFmpeg)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	pid, err := strconv.Atoi(lines.Text())
	if err != nil {
		t.Fatalf("the parent did not start ffmpeg: %q", lines.Text())
	}
	if !lines.Scan() { // its first report
		t.Fatal("ffmpeg reported nothing")
	}
	if syscall.Kill(pid, 0) != nil {
		t.Fatal("ffmpeg ended by itself")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed", as expected
	if !gone(pid) {
		t.Errorf("ffmpeg, process %d, survived", pid)
	}
}

// gone waits until a process has ended, at most 2 s, and reports whether it has.
func gone(pid int) bool {
	for range 100 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // a zombie has ended; init reaps it, not this process
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
