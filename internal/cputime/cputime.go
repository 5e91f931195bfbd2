// Package cputime measures the processor time of tests.
package cputime

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Process returns the time of processors that this process has taken. That of a clock depends on what else the machine does.
func Process(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
