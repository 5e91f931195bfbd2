//go:build !linux

package ffmpeg

import (
	"os"
	"syscall"
)

// processAttributes puts the program in a group of its own.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limitMemory does nothing: only Linux can limit another process.
func limitMemory(int, int64) error { return nil }

func usageOf(state *os.ProcessState) Usage {
	usage := Usage{CPU: state.UserTime() + state.SystemTime()}
	if rusage, ok := state.SysUsage().(*syscall.Rusage); ok {
		usage.MaxRSS = rusage.Maxrss // macOS and the BSDs count bytes
	}
	return usage
}
