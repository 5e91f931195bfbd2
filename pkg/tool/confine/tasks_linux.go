package confine

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// boundTasks has the kernel bound the processes and threads of the command, far above what it may have: Run counts processes
// several times a second, and a command that does nothing but fork would have thousands between two counts. It is called in the
// command's own namespaces only: outside of them, pid_max is the machine's. Where the kernel enforces neither bound, Run's count is the only one.
func (spec Spec) boundTasks() error {
	most := max(512, 16*uint64(spec.Processes))
	release := kernelRelease()
	if newer(release, 6, 14) { // before, pid_max is the whole machine's, and root would change it
		_ = os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.FormatUint(most, 10)), 0)
	}
	if !newer(release, 5, 14) { // before, this limit counts what the user runs outside of the namespace, too
		return nil
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &old); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: min(most, old.Cur), Max: min(most, old.Max)}) // does not bind root
}

// kernelBoundsTasks reports whether boundTasks has an effect on this machine.
func kernelBoundsTasks() bool { return boundsTasks(kernelRelease(), os.Getuid() == 0) }

// boundsTasks reports whether a kernel enforces one of the bounds of boundTasks, for root or for another user.
func boundsTasks(release string, root bool) bool {
	return newer(release, 6, 14) || !root && newer(release, 5, 14)
}

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return string(bytes.TrimRight(name.Release[:], "\x00"))
}

// newer reports whether a release of the kernel ("6.18.44-fc") is at least major.minor.
func newer(release string, major, minor int) bool {
	numbers := [2]int{}
	for i := range numbers {
		end := 0
		for end < len(release) && release[end] >= '0' && release[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(release[:end])
		if err != nil {
			return false
		}
		numbers[i] = n
		release = release[min(end+1, len(release)):]
	}
	return numbers[0] > major || numbers[0] == major && numbers[1] >= minor
}
