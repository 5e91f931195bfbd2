//go:build !linux

package process

import (
	"os"
	"strconv"
	"syscall"
)

// processAttributes starts the program in its own group.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limit does nothing: only Linux can set the limits of another process.
func limit(int, Limits) error { return nil }

// inherited is unknown: the kernel enforces it nevertheless.
func inherited() Limits { return Limits{} }

// exceeded sees nothing: only Linux shows the use of another process.
func exceeded(int, Limits) (Resource, bool) { return 0, false }

// closeInheritedOnExec hides the descriptors that this process inherited from the programs that it
// starts.
func closeInheritedOnExec() {
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
