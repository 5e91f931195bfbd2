// Package private keeps a user's files apart from those of others on a machine with several users.
//
//	folder, err := private.Make("/tmp/scratch")   // 0700; refuses one that others own or can write to
//	locks, err := folder.Sub("locks")             // 0700
//	f, err := locks.File("a")                     // 0600; follows no symbolic link
//	path, err := private.Resolve("/tmp/out/film") // without symbolic links; refuses those of others
//
// What it protects against is another user who prepares a folder, a file or a link in a place that all can write to, such as
// /tmp, before mapreel uses it. It does not protect against whoever owns a folder above.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	folderMode fs.FileMode = 0o700
	fileMode   fs.FileMode = 0o600
	// othersMayWrite are the permissions with which others could place something in a folder, othersMayDo those with which
	// they could also read.
	othersMayWrite fs.FileMode = 0o022
	othersMayDo    fs.FileMode = 0o077
)

// Folder is a folder that belongs to this user, and in which no other can place anything.
type Folder struct {
	path string
	// owner is this user as the file system shows it: network file systems may show another.
	owner uint32
	// modeless is set on a file system that keeps no permissions, such as a FAT disk: there they say nothing.
	modeless bool
}

// Make opens the folder at path, and makes it, with mode 0700, and its parents where they are missing. It follows links as
// Resolve does. A folder that belongs to another user, or that others can write to, is an error of kind fault.Invalid.
func Make(path string) (*Folder, error) {
	real, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(real), 0o777); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "make a folder")
	}
	if err := os.Mkdir(real, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fault.Wrap(fault.KindOf(err), err, "make a folder")
	}
	return Open(real)
}

// Open opens the folder at path as Make does, but makes none.
func Open(path string) (*Folder, error) {
	real, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	d, info, err := openFolder(real)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "open a folder")
	}
	defer d.Close() //nolint:errcheck // only looked at
	f := &Folder{path: real, owner: uint32(os.Geteuid())}
	if problem := f.problem(info, othersMayWrite); problem == "" {
		return f, nil
	}
	// Perhaps this file system shows owners or permissions other than they are.
	if err := f.learn(); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, real+" is not a folder of this user's own")
	}
	if problem := f.problem(info, othersMayWrite); problem != "" {
		return nil, fault.WithHint(fault.New(fault.Invalid, "%s %s", real, problem),
			"choose a folder of your own, or change its owner and run: chmod go-w "+strconv.Quote(real))
	}
	return f, nil
}

// Path returns the folder's path, without symbolic links.
func (f *Folder) Path() string { return f.path }

// Sub opens a folder in this one, and makes it where it is missing. Nobody else may use it: permissions that earlier versions
// gave to others are removed.
func (f *Folder) Sub(name string) (*Folder, error) {
	sub := &Folder{path: filepath.Join(f.path, name), owner: f.owner, modeless: f.modeless}
	if err := os.Mkdir(sub.path, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fault.Wrap(fault.KindOf(err), err, "make a folder")
	}
	d, info, err := openFolder(sub.path)
	if err != nil {
		return nil, notFollowed(sub.path, err)
	}
	defer d.Close() //nolint:errcheck // only looked at, and chmod reports its own errors
	return sub, sub.seize(d, info, folderMode)
}

// File opens a file in the folder for reading and writing, and makes it, with mode 0600, where it is missing. It must be a
// regular file of this user.
func (f *Folder) File(name string) (*os.File, error) {
	path := filepath.Join(f.path, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, fileMode)
	if err != nil {
		return nil, notFollowed(path, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is not a regular file", path)
	}
	if err == nil {
		err = f.seize(file, info, fileMode)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Reserve makes a file that other code will open by its path, such as a database, with mode 0600 before there is anything in it. A
// file that is there already must be a regular one of this user, and loses its permissions for others. Reserve does not open
// it: to close a file would release the locks that this process holds on it.
func (f *Folder) Reserve(name string) error {
	path := filepath.Join(f.path, name)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := f.reserve(path); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err = os.Lstat(path) // another process was faster
	}
	switch {
	case err != nil:
		return fault.Wrap(fault.KindOf(err), err, "look at a file")
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "%s is not a regular file", path)
	}
	return f.seizePath(path, info, fileMode)
}

// ReserveDatabase reserves the SQLite database called name, and its journal files where they exist. SQLite gives
// journal files that it makes later the permissions of the database.
func (f *Folder) ReserveDatabase(name string) error {
	err := f.Reserve(name)
	for _, beside := range []string{name + "-wal", name + "-shm"} {
		if _, missing := os.Lstat(filepath.Join(f.path, beside)); err == nil && missing == nil {
			err = f.Reserve(beside)
		}
	}
	return err
}

// reserve makes an empty file at path, which appears under that name when it is closed.
func (f *Folder) reserve(path string) error {
	made, err := os.CreateTemp(f.path, ".mapreel-*") // 0600
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "make a file")
	}
	defer func() { _ = os.Remove(made.Name()) }() // it has its name, or is of no use
	err = made.Close()
	if err == nil {
		err = os.Link(made.Name(), path)
		if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
			err = os.Rename(made.Name(), path)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	return fault.Wrap(fault.KindOf(err), err, "make a file")
}

// openFolder opens the folder at path, which must not be a link.
func openFolder(path string) (*os.File, fs.FileInfo, error) {
	d, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := d.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, info, nil
}

// problem says why what info describes is not this user's alone; "" means that it is.
func (f *Folder) problem(info fs.FileInfo, forbidden fs.FileMode) string {
	switch owner := ownerOf(info); {
	case owner != f.owner:
		return fmt.Sprintf("belongs to user %d, and this is user %d", owner, f.owner)
	case info.Mode()&forbidden != 0 && !f.modeless:
		return fmt.Sprintf("can be used by others (its mode is %04o)", info.Mode().Perm())
	}
	return ""
}

// learn finds out, from a file that it makes, how the file system shows this user and permissions.
func (f *Folder) learn() error {
	probe, err := os.CreateTemp(f.path, ".mapreel-*") // never a file that another user has prepared
	if err != nil {
		return err
	}
	info, err := probe.Stat()
	err = errors.Join(err, probe.Close(), os.Remove(probe.Name()))
	if err == nil {
		f.owner, f.modeless = ownerOf(info), info.Mode()&othersMayDo != 0
	}
	return err
}

// changer is an open file whose mode can be changed.
type changer interface{ Chmod(mode fs.FileMode) error }

// seize checks that file belongs to this user, and removes permissions for others.
func (f *Folder) seize(file changer, info fs.FileInfo, mode fs.FileMode) error {
	if problem := f.problem(info, othersMayDo); problem == "" {
		return nil
	} else if ownerOf(info) != f.owner {
		return fault.New(fault.Invalid, "%s %s", filepath.Join(f.path, info.Name()), problem)
	}
	err := file.Chmod(mode)
	return fault.Wrap(fault.KindOf(err), err, "keep others out")
}

// seizePath is seize for a file that must not be opened. Only this user can exchange what is in the folder.
func (f *Folder) seizePath(path string, info fs.FileInfo, mode fs.FileMode) error {
	return f.seize(pathChanger(path), info, mode)
}

type pathChanger string

func (p pathChanger) Chmod(mode fs.FileMode) error { return os.Chmod(string(p), mode) }

// notFollowed gives a clear error where a link was found.
func notFollowed(path string, err error) error {
	if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fault.New(fault.Invalid, "%s is a symbolic link, which is not followed here", path)
	}
	return fault.Wrap(fault.KindOf(err), err, "open")
}

// ownerOf returns the user that a file belongs to.
func ownerOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return 0
}
