//go:build !linux

package process

import "errors"

// MachineMemory returns 0: it is known on Linux only.
func MachineMemory() int64 { return 0 }

// FreeDisk is known on Linux only.
func FreeDisk(string) (int64, error) { return 0, errors.ErrUnsupported }
