package bomb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// The budget of a run.
const (
	MaxTime      = time.Minute // on a machine that is not overloaded; see allowed
	MaxScratch   = 600_000_000 // bytes in the folder of the run
	MaxMemory    = 2 << 30     // bytes, resident in all processes together
	MaxProcesses = 16
)

// LimitMemory bounds the data of this process and those that it starts, as a container or a batch
// system would. mapreel shares that among what it runs at once.
func LimitMemory() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &l); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	l.Cur = min(l.Max, MaxMemory)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &l); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	return nil
}

// Bomb is a hostile input and the command that reads it.
type Bomb struct {
	Name string
	// Make writes the input into a folder, and returns the arguments of mapreel.
	Make func(folder string) (args []string, err error)
}

// Usage is what a run took.
type Usage struct {
	File      int64 // bytes of the input
	Time, CPU time.Duration
	Allowed   time.Duration // how much Time it had
	Memory    int64         // bytes, at most at once
	Scratch   int64         // the same
	Processes int           // the same
	Exit      int           // -1: it was killed
	Output    string
	verify    bool
}

// allowed returns how long a run may take on the clock: MaxTime, or as many times longer as the machine
// has more runnable threads than cores.
func allowed() time.Duration {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return MaxTime
	}
	field, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(field, 64)
	if err != nil {
		return MaxTime
	}
	return time.Duration(max(1, load/float64(runtime.NumCPU())) * float64(MaxTime))
}

// Run makes the input in a folder and runs a program on it, at most for the allowed time.
func (b Bomb) Run(ctx context.Context, program, folder string) (Usage, error) {
	var u Usage
	in, out := filepath.Join(folder, "in"), filepath.Join(folder, "run")
	scratch := filepath.Join(out, "scratch")
	for _, dir := range []string{in, out} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return u, err
		}
	}
	args, err := b.Make(in)
	if err != nil {
		return u, err
	}
	u.File = sizeOf(in)
	u.verify = args[0] == "verify"
	cmd := exec.Command(program, args...) //nolint:noctx // its whole group is killed below
	cmd.Dir = out
	cmd.Env = append(os.Environ(), "MAPREEL_SCRATCH="+scratch, "TMPDIR="+out)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	runtime.LockOSThread() // the kernel sends Pdeathsig when the thread that forked ends
	defer runtime.UnlockOSThread()
	u.Allowed = allowed()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return u, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err = <-done:
			running = false
		case <-ctx.Done():
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			return u, errors.Join(ctx.Err(), <-done)
		case <-tick.C:
			memory, processes := tree(cmd.Process.Pid)
			u.Memory, u.Processes = max(u.Memory, memory), max(u.Processes, processes)
			if u.Scratch = max(u.Scratch, sizeOf(out)); time.Since(began) > u.Allowed+5*time.Second || u.Scratch > 4*MaxScratch || u.Memory > 4*MaxMemory {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its children die with it
			}
		}
	}
	u.Time, u.Output = time.Since(began), output.String()
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return u, err
	}
	u.Exit = cmd.ProcessState.ExitCode()
	return u, nil
}

// Faults lists what the run did that it must not.
func (u Usage) Faults() []string {
	var list []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(u.Time > u.Allowed, "it took %v of %v", u.Time.Round(time.Second), u.Allowed.Round(time.Second))
	add(u.Memory > MaxMemory, "it held %d MB of memory", u.Memory/1e6)
	add(u.Scratch > MaxScratch, "it wrote %d MB", u.Scratch/1e6)
	add(u.Processes > MaxProcesses, "it ran %d processes at once", u.Processes)
	most := 2
	if u.verify {
		most = 3
	}
	add(u.Exit < 0 || u.Exit > most, "exit code %d", u.Exit)
	add(controls(u.Output), "it writes control characters: %q", u.Output)
	for _, words := range []string{"panic", "goroutine ", "fatal error", "please report"} {
		add(strings.Contains(u.Output, words), "it says %q: %s", words, u.Output)
	}
	return list
}

// controls reports whether an output holds characters that a terminal obeys, or a line that only a name has.
func controls(output string) bool {
	for _, r := range output {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f || r >= '\u202a' && r <= '\u202e' {
			return true
		}
	}
	return !utf8.ValidString(output) || strings.Contains(output, "\nmapreel: done\n")
}

// LastLine returns the line of the output that says how the run ended.
func (u Usage) LastLine() string {
	last := ""
	for line := range strings.Lines(u.Output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "hint:") {
			last = line
		}
	}
	if len(last) > 160 {
		last = strings.ToValidUTF8(last[:160], "") + "…"
	}
	return last
}

// sizeOf returns how much disk all files below a folder take.
func sizeOf(folder string) (size int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error { // files come and go
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				size += info.Sys().(*syscall.Stat_t).Blocks * 512
			}
		}
		return nil
	})
	return size
}

// tree returns how much memory a process and its descendants hold, and how many they are.
func tree(pid int) (memory int64, processes int) {
	list := []int{pid}
	for i := 0; i < len(list); i++ {
		tasks := fmt.Sprintf("/proc/%d/task", list[i])
		threads, _ := os.ReadDir(tasks)
		for _, thread := range threads {
			children, _ := os.ReadFile(filepath.Join(tasks, thread.Name(), "children"))
			for field := range strings.FieldsSeq(string(children)) {
				if child, err := strconv.Atoi(field); err == nil {
					list = append(list, child)
				}
			}
		}
		statm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", list[i]))
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			memory += pages * int64(os.Getpagesize())
		}
	}
	return memory, len(list)
}
