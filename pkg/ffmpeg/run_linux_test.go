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
)

// A program that ignores the interrupt is killed with everything that it started.
func TestAStubbornGroupIsKilledWhole(t *testing.T) {
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
	})
	var exit *exec.ExitError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &exit) {
		t.Errorf("error %v, want the context's and the program's", err)
	}
	if child == 0 || !gone(child) {
		t.Errorf("process %d, which the program had started, is still there", child)
	}
}

// mortalVariable makes this test binary the parent that TestNothingSurvivesOurDeath kills.
const mortalVariable = "MAPREEL_TEST_MORTAL"

func TestMain(m *testing.M) {
	if program := os.Getenv(mortalVariable); program != "" {
		args := append([]string{"-c", `echo $$; exec "$0" "$@"`, program}, endless...)
		_, err := Run(context.Background(), "/bin/sh", args, RunOptions{Stdout: os.Stdout})
		fmt.Println("ended:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestNothingSurvivesOurDeath(t *testing.T) {
	tools := found(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), mortalVariable+"="+tools.FFmpeg)
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
		t.Fatal("ffmpeg does not work")
	}
	if syscall.Kill(pid, 0) != nil {
		t.Fatal("ffmpeg ended by itself")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed", as wanted
	if !gone(pid) {
		t.Errorf("ffmpeg, process %d, survived", pid)
	}
}

// gone waits until a process has ended.
func gone(pid int) bool {
	for range 100 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // a zombie waits for init, which is not us
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
