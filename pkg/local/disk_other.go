//go:build !linux

package local

import (
	"errors"
	"fmt"
)

// disk cannot tell the free space here. Jobs start without the check.
func disk(folder string) (Disk, error) {
	return Disk{}, fmt.Errorf("free space of %s: %w", folder, errors.ErrUnsupported)
}
