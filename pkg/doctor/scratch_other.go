//go:build !linux

package doctor

import (
	"context"
	"errors"
)

// volumeOf cannot tell the free space here.
func volumeOf(string) (volume, error) { return volume{}, errors.ErrUnsupported }

// tryCopy and trySharing use system calls of Linux. mapreel works without.
func tryCopy(context.Context, string) error { return errors.ErrUnsupported }
func trySharing(string) (bool, error)       { return false, errors.ErrUnsupported }
