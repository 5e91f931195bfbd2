package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
)

// NewName returns a name for an execution that this process runs. It tells other processes which one that is.
func NewName() string { return fmt.Sprintf("local-%d-%d", os.Getpid(), time.Now().UnixNano()) }

// Alive reports whether the process of an execution with a name of NewName still exists. Other names are not judged.
func Alive(name string) bool {
	pid, ok := processOf(name)
	return !ok || !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// processOf returns the process that a name of NewName tells.
func processOf(name string) (pid int, ok bool) {
	var began int64
	_, err := fmt.Sscanf(name, "local-%d-%d", &pid, &began)
	return pid, err == nil
}

// alive reports whether the process of an execution still exists: the one that its name tells, else the server.
func (s scratch) alive(execution string) bool {
	name := execution[strings.LastIndexByte(execution, ':')+1:] // of an ARN
	if _, ok := processOf(name); ok {
		return Alive(name)
	}
	return s.served()
}

// serverLock is the name of the file that the server of a scratch folder holds a lock on.
const serverLock = "server"

// served reports whether a server uses the scratch folder.
func (s scratch) served() bool {
	f, err := os.Open(filepath.Join(s.locks.Path(), serverLock))
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only locked
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}

// lockPatience is how long LockServer waits: processes hold the lock for a moment to see whether there is a server.
const lockPatience = time.Second

// LockServer makes this process the server of a scratch folder, until the function that it returns is called. There is one at a
// time.
func LockServer(path string) (unlock func(), err error) {
	home, err := makeScratch(path)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 50) {
		f, err := flock(home.locks, serverLock)
		switch {
		case err == nil:
			return func() {
				_ = os.Remove(f.Name())
				_ = f.Close()
			}, nil
		case !errors.Is(err, errLocked):
			return nil, fault.Wrap(fault.KindOf(err), err, "lock of the server")
		case time.Now().After(deadline):
			return nil, fault.WithHint(fault.New(fault.Invalid, "another server uses the scratch folder %s", home.Path()),
				"stop it, or choose another folder with --scratch")
		}
	}
}
