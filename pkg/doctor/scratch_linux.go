package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// kinds are file systems by the magic numbers of statfs(2), with what matters of them here.
var kinds = map[int64]volume{
	unix.EXT4_SUPER_MAGIC:      {kind: "ext4"},
	unix.XFS_SUPER_MAGIC:       {kind: "xfs"},
	unix.BTRFS_SUPER_MAGIC:     {kind: "btrfs"},
	unix.F2FS_SUPER_MAGIC:      {kind: "f2fs"},
	unix.OVERLAYFS_SUPER_MAGIC: {kind: "overlayfs"},
	0x2fc12fc1:                 {kind: "zfs"},
	unix.TMPFS_MAGIC:           {kind: "tmpfs", memory: true},
	unix.RAMFS_MAGIC:           {kind: "ramfs", memory: true},
	unix.NFS_SUPER_MAGIC:       {kind: "nfs", remote: true},
	unix.SMB2_SUPER_MAGIC:      {kind: "smb", remote: true},
	unix.CIFS_SUPER_MAGIC:      {kind: "cifs", remote: true},
	unix.CEPH_SUPER_MAGIC:      {kind: "ceph", remote: true},
	unix.V9FS_MAGIC:            {kind: "9p", remote: true},
	unix.FUSE_SUPER_MAGIC:      {kind: "fuse"},
	unix.MSDOS_SUPER_MAGIC:     {kind: "vfat", limit: math.MaxUint32},
	unix.EXFAT_SUPER_MAGIC:     {kind: "exfat"},
}

// volumeOf returns the file system of an existing folder, with this process's limit on the size of a file.
func volumeOf(folder string) (volume, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return volume{}, err
	}
	v, known := kinds[int64(s.Type)] //nolint:unconvert // an int32 on some architectures
	if !known {
		v.kind = fmt.Sprintf("file system 0x%x", s.Type)
	}
	block := uint64(cmp.Or(s.Frsize, s.Bsize)) // statfs(2): blocks are counted in fragments, if there are any
	v.free, v.files = math.MaxInt64, -1
	if block == 0 || s.Bavail <= math.MaxInt64/block {
		v.free = int64(s.Bavail * block)
	}
	if s.Files > 0 && s.Ffree <= math.MaxInt64 { // btrfs has no inodes to run out of
		v.files = int64(s.Ffree)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err == nil && limit.Cur < math.MaxInt64 {
		v.ulimit = int64(limit.Cur)
	}
	return v, nil
}

// tryCopy has the kernel copy bytes from one file to another.
func tryCopy(_ context.Context, folder string) error {
	return copyWith(folder, func(to, from *os.File, size int) error {
		for size > 0 {
			n, err := unix.CopyFileRange(int(from.Fd()), nil, int(to.Fd()), nil, size, 0)
			if err != nil {
				return fmt.Errorf("copy_file_range: %w", err)
			}
			if n == 0 {
				return errors.New("copy_file_range copied too little")
			}
			size -= n
		}
		return nil
	})
}

// trySharing reports whether two files can share blocks, so that the copies of a merge take no time and no space.
func trySharing(folder string) (bool, error) {
	err := copyWith(folder, func(to, from *os.File, _ int) error {
		return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return false, nil
	}
	return err == nil, err
}

// copyWith writes a file and copies it with a function, and compares what came of it.
func copyWith(folder string, copied func(to, from *os.File, size int) error) error {
	data := make([]byte, 64<<10)
	for i := range data {
		data[i] = byte(i >> 3)
	}
	name := filepath.Join(folder, "from")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return err
	}
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // only read
	to, err := os.Create(filepath.Join(folder, "to"))
	if err != nil {
		return err
	}
	err = copied(to, from, len(data))
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	got, err := os.ReadFile(to.Name())
	if err == nil && string(got) != string(data) {
		err = fmt.Errorf("the copy has %d bytes, or others than the file of %d", len(got), len(data))
	}
	return err
}
