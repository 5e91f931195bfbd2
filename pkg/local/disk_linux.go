package local

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/process"
)

// disk returns the file system of an existing folder.
func disk(folder string) (Disk, error) {
	free, err := process.FreeDisk(folder)
	if err != nil {
		return Disk{}, err
	}
	var at unix.Stat_t
	if err := unix.Stat(folder, &at); err != nil {
		return Disk{}, fmt.Errorf("free space of %s: %w", folder, err)
	}
	return Disk{ID: at.Dev, Free: free}, nil
}
