//go:build !linux

package local

import (
	"errors"
	"fmt"
)

// disk would be the file system of a folder. Jobs start without the check here.
func disk(folder string) (Disk, error) {
	return Disk{}, fmt.Errorf("free space of %s: %w", folder, errors.ErrUnsupported)
}
