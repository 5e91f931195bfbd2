package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// encoderMemory is what an encoder of 1080p needs, in bytes. Measured with ffmpeg 5.1, two threads and 60 frames of
// testsrc2: at 1080p x264 medium 458 MiB, x265 medium 435 MiB, SVT-AV1 preset 8 550 MiB; at 2160p 1,558, 1,412
// and 2,128 MiB.
const encoderMemory = 600e6

// examineMemory compares the memory that is free with what an encoder on each core needs.
func (r *Report) examineMemory(o MachineOptions) {
	free, err := freeMemory(o.System)
	if err != nil {
		r.add("memory", Warning, "unknown: "+err.Error(), "")
		return
	}
	text := fmt.Sprintf("%s free, %s for each of %d encoders", gigabytes(free), gigabytes(free/int64(o.Cores)), o.Cores)
	if fit := free / encoderMemory; fit < int64(o.Cores) {
		r.add("memory", Warning, text,
			fmt.Sprintf("an encoder of 1080p takes up to 0.6 GB, of 2160p 2.2 GB: use transcode --jobs %d, or free some memory", max(fit, 1)))
		return
	}
	r.add("memory", OK, text, "")
}

// freeMemory returns how many bytes this process may still allocate: what the system has available, or less where a cgroup
// limits it. system is the root of the file system.
func freeMemory(system fs.FS) (int64, error) {
	info, err := fs.ReadFile(system, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	free := int64(-1)
	lines := bufio.NewScanner(bytes.NewReader(info))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kibibytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("MemAvailable of /proc/meminfo: %w", err)
			}
			free = kibibytes << 10
		}
	}
	if free < 0 {
		return 0, errors.New("/proc/meminfo has no MemAvailable")
	}
	for _, folder := range cgroups(system) {
		limit, ok := readBytes(system, path.Join(folder, "memory.max"))
		if !ok {
			continue
		}
		used, _ := readBytes(system, path.Join(folder, "memory.current"))
		free = min(free, max(limit-used, 0))
	}
	return free, nil
}

// cgroups returns the folders of this process's cgroup (version 2) and of those above it, whose limits hold for it too.
func cgroups(system fs.FS) []string {
	const root = "sys/fs/cgroup"
	data, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		at, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		var list []string
		for at = path.Clean("/" + at); ; at = path.Dir(at) {
			list = append(list, path.Join(root, at))
			if at == "/" {
				return list
			}
		}
	}
	return nil
}

// readBytes returns the number in a file of a cgroup; ok is false where there is no such file, or no limit ("max").
func readBytes(system fs.FS, name string) (n int64, ok bool) {
	data, err := fs.ReadFile(system, name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// gigabytes formats a number of bytes in decimal gigabytes.
func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
