package confine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// countInterval is how often the processes in a container are counted.
const countInterval = 100 * time.Millisecond

// endWithOwner ends this process, and so its container, when the process that runs the tool has ended: that one holds a lock on the
// working folder. A container belongs to its engine, so that the kernel does not end it with mapreel.
func (spec Spec) endWithOwner() error {
	startThreads()
	fd, err := unix.Open(spec.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	go func() {
		for {
			switch err := unix.Flock(fd, unix.LOCK_SH); {
			case err == nil:
				os.Exit(1) //nolint:forbidigo // main waits for the command, which must not outlive mapreel
			case !errors.Is(err, unix.EINTR):
				return // the file system has no locks: the timeout ends the container
			}
		}
	}()
	return nil
}

// startThreads has Go start the threads that this process needs. A command that forks without end leaves it none.
func startThreads() {
	const threads = 12
	var all sync.WaitGroup
	for range threads {
		all.Go(func() {
			pause := syscall.NsecToTimespec(int64(10 * time.Millisecond))
			_ = syscall.Nanosleep(&pause, nil) // each call takes a thread
		})
	}
	all.Wait()
}

// countProcesses returns how many processes a container has besides this one.
func countProcesses() (count int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			count++
		}
	}
	return count - 1
}

// probe reports whether a command could leave files here.
func (spec Spec) probe() status {
	name := filepath.Join(spec.Dir, "probe")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return status{Error: err.Error()}
	}
	return status{}
}
