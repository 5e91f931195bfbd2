package ffmpeg

import (
	"math"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processAttributes puts the program in a group of its own and lets the kernel kill it when we die.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limit holds a running process to limits. They are set from outside, because Go runs nothing between fork and exec. That
// leaves the program its first milliseconds, in which it loads its libraries; what it has by then counts.
func limit(pid int, l Limits) error {
	for _, r := range []struct {
		resource int
		soft     int64 // 0 = no bound
		spare    int64 // how much more the hard limit is
	}{
		{unix.RLIMIT_DATA, l.Memory, 0},
		{unix.RLIMIT_AS, addressSpace(l.Memory), 0},
		// The soft limit's signal tells what happened. A program that ignores it is killed at the hard one.
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
	return lower(pid, unix.RLIMIT_CORE, 0, 0) // a dump would hold gigabytes of somebody's film
}

func addressSpace(memory int64) int64 {
	if memory <= 0 {
		return 0
	}
	return 2*memory + reservedMemory
}

// lower sets a limit where it is stricter than what already holds: who started us may have set limits of their own.
func lower(pid, resource int, soft, hard uint64) error {
	var old unix.Rlimit
	err := unix.Prlimit(pid, resource, nil, &old)
	if err == nil && (soft < old.Cur || hard < old.Max) {
		err = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(soft, old.Cur), Max: min(hard, old.Max)}, nil)
	}
	switch err {
	case unix.ESRCH: // it ended before we came: nothing left to limit
		return nil
	case unix.EPERM, unix.ENOSYS: // a sandbox that forbids this (gVisor, some seccomp filters) has bounds of its own
		return nil
	}
	return err
}

// keepDescriptors keeps programs that this process starts from what it was itself started with: descriptors above 2 are
// closed in them, except those that exec.Cmd hands over.
func keepDescriptors() {
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
