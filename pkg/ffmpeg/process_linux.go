package ffmpeg

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes puts the program in a group of its own and lets the kernel kill it when we die.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limitMemory bounds the private memory of a running process. Above it, allocations fail and ffmpeg says so.
func limitMemory(pid int, bytes int64) error {
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	err := unix.Prlimit(pid, unix.RLIMIT_DATA, &limit, nil)
	if err == unix.ESRCH { // it ended before we came: nothing left to limit
		return nil
	}
	return err
}

func usageOf(state *os.ProcessState) Usage {
	usage := Usage{CPU: state.UserTime() + state.SystemTime()}
	if rusage, ok := state.SysUsage().(*syscall.Rusage); ok {
		usage.MaxRSS = rusage.Maxrss << 10 // Linux counts kilobytes
	}
	return usage
}
