package confine

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rights are what landlock(7) takes away.
const rights = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
	unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
	unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
	unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE

// minVersion is the first version of the kernel's interface that knows all of rights: without the last, any file could be truncated.
const minVersion = 3

// errNoLandlock is the error of a kernel before 6.2, or of one whose configuration leaves Landlock out.
var errNoLandlock = errors.New("this kernel has no Landlock")

// reading is what landlock(7) takes away from a command that may not read everything.
const reading = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR

// restrict takes the rights to write away from this thread, and from all programs that it starts, except below some folders,
// on the devices that discard what they get, and on given ones. Unless readable is nil, it takes away the rights to read, too, except below those
// and the writable folders.
func restrict(writable, readable, devices []string) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	// EPERM is the answer of a filter of system calls that does not know Landlock, such as that of an old Docker.
	case errno == unix.ENOSYS, errno == unix.EOPNOTSUPP, errno == unix.EPERM, errno == 0 && version < minVersion:
		return errNoLandlock
	case errno != 0:
		return errno
	}
	handled, writing := uint64(rights), uint64(rights)
	if readable != nil {
		handled |= reading
		writing |= reading
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr.Handled_access_fs)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return errno
	}
	defer syscall.Close(int(set)) //nolint:errcheck // it has been applied
	for _, folder := range writable {
		if err := allow(int(set), folder, writing); err != nil {
			return err
		}
	}
	if readable != nil {
		if err := allowReading(int(set), append([]string{"/proc", "/dev", "/sys"}, readable...)); err != nil {
			return err
		}
	}
	for _, device := range []string{"/dev/null", "/dev/zero", "/dev/full"} {
		err := allow(int(set), device, unix.LANDLOCK_ACCESS_FS_WRITE_FILE|unix.LANDLOCK_ACCESS_FS_TRUNCATE)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, node := range devices {
		err := allow(int(set), node, handled&(unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_WRITE_FILE))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// allowReading gives the right to read back below paths, as far as they exist.
func allowReading(set int, paths []string) error {
	for _, path := range paths {
		of := uint64(reading)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return err
		case !info.IsDir():
			of = unix.LANDLOCK_ACCESS_FS_READ_FILE
		}
		if err := allow(set, path, of); err != nil {
			return err
		}
	}
	return nil
}

// allow gives rights back below a path.
func allow(set int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // only looked at
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
