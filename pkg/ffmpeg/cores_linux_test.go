package ffmpeg

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// onOneCore calls f with this thread, and every process that it starts, bound to one core.
func onOneCore(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	var one unix.CPUSet
	for core := range 1024 {
		if before.IsSet(core) {
			one.Set(core)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Error(err)
		}
	}()
	f()
}
