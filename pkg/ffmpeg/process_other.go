//go:build !linux

package ffmpeg

import (
	"os"
	"strconv"
	"syscall"
)

// processAttributes puts the program in a group of its own.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limit does nothing: only Linux can limit another process.
func limit(int, Limits) error { return nil }

// keepDescriptors keeps programs that this process starts from what it was itself started with.
func keepDescriptors() {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

func usageOf(state *os.ProcessState) Usage {
	usage := Usage{CPU: state.UserTime() + state.SystemTime()}
	if rusage, ok := state.SysUsage().(*syscall.Rusage); ok {
		usage.MaxRSS = rusage.Maxrss // macOS and the BSDs count bytes
	}
	return usage
}
