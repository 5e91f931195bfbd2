package local

import (
	"cmp"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// disk returns the file system of an existing folder.
func disk(folder string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return Disk{}, fmt.Errorf("free space of %s: %w", folder, err)
	}
	var at unix.Stat_t
	if err := unix.Stat(folder, &at); err != nil {
		return Disk{}, fmt.Errorf("free space of %s: %w", folder, err)
	}
	block := uint64(cmp.Or(s.Frsize, s.Bsize)) // statfs(2): blocks are counted in fragments, if there are any
	if block > 0 && s.Bavail > math.MaxInt64/block {
		return Disk{ID: at.Dev, Free: math.MaxInt64}, nil
	}
	return Disk{ID: at.Dev, Free: int64(s.Bavail * block)}, nil
}
