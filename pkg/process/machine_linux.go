package process

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MachineMemory returns how many bytes of memory this process and those that it starts may use: the
// machine's, or less where a container or a limit of this process says so. It is 0 where the system
// does not say.
func MachineMemory() int64 {
	var info unix.Sysinfo_t
	memory := int64(0)
	if unix.Sysinfo(&info) == nil {
		memory = int64(min(uint64(info.Totalram)*uint64(info.Unit), math.MaxInt64)) //nolint:unconvert // 32 bits on some systems
	}
	lower := func(bytes int64) {
		if bytes > 0 && (memory == 0 || bytes < memory) {
			memory = bytes
		}
	}
	lower(cgroupMemory("/proc/self/cgroup", "/sys/fs/cgroup"))
	for _, resource := range []int{unix.RLIMIT_DATA, unix.RLIMIT_AS} {
		var limit unix.Rlimit
		if unix.Getrlimit(resource, &limit) == nil && limit.Cur < math.MaxInt64 {
			lower(int64(limit.Cur))
		}
	}
	return memory
}

// cgroupMemory returns the lowest memory limit of the control groups that list, a file as
// /proc/self/cgroup, names and of those above them, which are mounted at root; 0 for none. It reads
// both versions: cgroups(7).
func cgroupMemory(list, root string) int64 {
	text, err := os.ReadFile(list)
	if err != nil {
		return 0
	}
	lowest := int64(0)
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // "0::/group", "4:memory:/group"
		if len(fields) != 3 {
			continue
		}
		mount, file := root, "memory.max"
		switch {
		case strings.Contains(","+fields[1]+",", ",memory,"):
			mount, file = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		case fields[1] != "":
			continue
		}
		for group := filepath.Clean("/" + fields[2]); ; group = filepath.Dir(group) {
			if limit, err := os.ReadFile(filepath.Join(mount, group, file)); err == nil {
				n, err := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64) // or "max"
				if err == nil && n > 0 && (lowest == 0 || n < lowest) {
					lowest = n
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return lowest
}

// FreeDisk returns how many bytes this process may still write to the file system of an existing
// folder.
func FreeDisk(folder string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", folder, err)
	}
	block := uint64(cmp.Or(s.Frsize, s.Bsize)) // statfs(2): blocks are counted in fragments, if there are any
	if block > 0 && s.Bavail > math.MaxInt64/block {
		return math.MaxInt64, nil
	}
	return int64(s.Bavail * block), nil
}
