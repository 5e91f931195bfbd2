package process

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processAttributes starts the program in its own group and has the kernel kill it when this
// process dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limit sets the limits of a running process. They are set from outside, because Go runs no code
// between fork and exec. So they apply a few milliseconds after the start, while the program loads
// its libraries; what it has allocated by then counts towards them.
func limit(pid int, l Limits) error {
	for _, r := range []struct {
		resource int
		soft     int64 // 0 or less = no bound
		spare    int64 // by how much the hard limit exceeds it
	}{
		{unix.RLIMIT_DATA, l.Memory, 0},
		{unix.RLIMIT_AS, addressSpace(l.Memory), 0},
		// The soft limit sends SIGXCPU, which names the cause. A program that ignores it is killed
		// at the hard limit.
		{unix.RLIMIT_CPU, int64((l.CPU + time.Second - 1) / time.Second), 1},
		{unix.RLIMIT_FSIZE, l.FileSize, 0},
		{unix.RLIMIT_NOFILE, int64(l.OpenFiles), 0},
	} {
		if r.soft <= 0 {
			continue
		}
		if err := lower(pid, r.resource, uint64(r.soft), uint64(r.soft+r.spare)); err != nil {
			return err
		}
	}
	preferForOOM(pid)
	return lower(pid, unix.RLIMIT_CORE, 0, 0) // a core dump could hold gigabytes of a user's film
}

// inherited returns the limits of this process that its children have, too.
func inherited() Limits {
	soft := func(resource int) int64 {
		var r unix.Rlimit
		if err := unix.Getrlimit(resource, &r); err != nil || r.Cur > math.MaxInt64 { // RLIM_INFINITY is the largest number
			return 0
		}
		return int64(r.Cur)
	}
	return Limits{FileSize: soft(unix.RLIMIT_FSIZE), CPU: time.Duration(min(soft(unix.RLIMIT_CPU), math.MaxInt64/int64(time.Second))) * time.Second}
}

// childOOMScore is by how much a program's oom_score_adj exceeds this process's: enough that the
// kernel ends a program that takes a third of the memory before the process that can report it.
const childOOMScore = 300

// preferForOOM makes the kernel end a program before this process where memory runs out. It is a
// preference, so a system that refuses it changes nothing else.
func preferForOOM(pid int) {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	score, err := strconv.Atoi(strings.TrimSpace(string(own)))
	if err != nil {
		return
	}
	score = min(score+childOOMScore, 1000) // the kernel's maximum
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(score)), 0)
}

// exceeded returns the first watched limit that a running process exceeds; ok is false if it exceeds
// none, or has ended. These are the limits that no rlimit enforces: RLIMIT_NPROC counts all
// processes of the user, and RLIMIT_FSIZE only one file.
func exceeded(pid int, l Limits) (r Resource, ok bool) {
	family := descendants(pid)
	if l.Processes > 0 && len(family) > l.Processes {
		return Processes, true
	}
	if l.Written <= 0 {
		return 0, false
	}
	var written int64
	for _, p := range family {
		written += bytesWritten(p)
	}
	return Written, written > l.Written
}

// maxDescendants bounds what descendants looks at; more than any limit of processes.
const maxDescendants = 256

// descendants lists a process and its descendants. A kernel without CONFIG_PROC_CHILDREN lists the
// process alone.
func descendants(pid int) []int {
	list := []int{pid}
	for i := 0; i < len(list) && len(list) < maxDescendants; i++ {
		tasks := fmt.Sprintf("/proc/%d/task", list[i])
		threads, err := os.ReadDir(tasks)
		if err != nil {
			continue
		}
		for _, thread := range threads {
			children, err := os.ReadFile(tasks + "/" + thread.Name() + "/children")
			if err != nil {
				break
			}
			for field := range strings.FieldsSeq(string(children)) {
				if child, err := strconv.Atoi(field); err == nil {
					list = append(list, child)
				}
			}
		}
	}
	return list
}

// bytesWritten returns how many bytes a process has written, to files and pipes: proc(5), wchar. It
// is 0 where the system does not say.
func bytesWritten(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "wchar: "); found {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

func addressSpace(memory int64) int64 {
	if memory <= 0 {
		return 0
	}
	return 2*memory + reservedMemory
}

// lower sets a limit, but never raises one: whatever started this process may have set stricter
// limits.
func lower(pid, resource int, soft, hard uint64) error {
	var old unix.Rlimit
	err := unix.Prlimit(pid, resource, nil, &old)
	if err == nil && (soft < old.Cur || hard < old.Max) {
		err = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(soft, old.Cur), Max: min(hard, old.Max)}, nil)
	}
	switch err {
	case unix.ESRCH: // it has ended already: nothing to limit
		return nil
	case unix.EPERM, unix.ENOSYS: // a sandbox that forbids this (gVisor, some seccomp filters) sets its own limits
		return nil
	}
	return err
}

// closeInheritedOnExec hides the descriptors that this process inherited from the programs that it
// starts: all above 2 are closed on exec, except those that exec.Cmd passes on.
func closeInheritedOnExec() {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	open, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

func usageOf(state *os.ProcessState) Usage {
	usage := Usage{CPU: state.UserTime() + state.SystemTime()}
	if rusage, ok := state.SysUsage().(*syscall.Rusage); ok {
		usage.MaxRSS = rusage.Maxrss << 10 // Linux counts kilobytes
	}
	return usage
}
