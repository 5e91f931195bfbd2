package process

import (
	"math"
	"os"
	"strconv"
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
		soft     int64 // 0 = no bound
		spare    int64 // by how much the hard limit exceeds it
	}{
		{unix.RLIMIT_DATA, l.Memory, 0},
		{unix.RLIMIT_AS, addressSpace(l.Memory), 0},
		// The soft limit sends SIGXCPU, which names the cause. A program that ignores it is killed
		// at the hard limit.
		{unix.RLIMIT_CPU, int64((l.CPU + time.Second - 1) / time.Second), 1},
		{unix.RLIMIT_FSIZE, l.FileSize, 0},
		{unix.RLIMIT_NOFILE, maxOpenFiles, 0},
	} {
		if r.soft <= 0 {
			continue
		}
		if err := lower(pid, r.resource, uint64(r.soft), uint64(r.soft+r.spare)); err != nil {
			return err
		}
	}
	return lower(pid, unix.RLIMIT_CORE, 0, 0) // a core dump could hold gigabytes of a user's film
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
