package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
)

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// Resolve returns path without symbolic links, as far as it exists. path must be absolute.
//
// A link of this user or of root is followed: an output folder may be a link to another disk. So is one that belongs to the owner
// of the folder in which it is, as the kernel does with fs.protected_symlinks, except for root, whom another user could lead
// anywhere. Any other is an error of kind fault.Invalid: whoever can write to the folder may have placed it.
func Resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fault.New(fault.Internal, "%q is not an absolute path", path)
	}
	resolved, rest := "/", split(path)
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		at := filepath.Join(resolved, part) // ".." leads to the parent of what is resolved already
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Join(append([]string{at}, rest...)...), nil
		case errors.Is(err, syscall.ENOTDIR): // what uses the path will say so
			return filepath.Join(append([]string{at}, rest...)...), nil
		case err != nil:
			return "", fault.Wrap(fault.KindOf(err), err, "resolve "+path)
		case info.Mode()&fs.ModeSymlink == 0:
			resolved = at
			continue
		}
		if err := trust(at, info, resolved); err != nil {
			return "", err
		}
		target, err := os.Readlink(at)
		if links++; err == nil && links > maxLinks {
			err = syscall.ELOOP
		}
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, "follow "+at)
		}
		if filepath.IsAbs(target) {
			resolved = "/"
		}
		rest = append(split(target), rest...)
	}
	return resolved, nil
}

// trust returns an error if somebody else may have placed the link at path, in folder.
func trust(path string, link fs.FileInfo, folder string) error {
	info, err := os.Lstat(folder)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "look at the folder of a link")
	}
	me, owner := uint32(os.Geteuid()), ownerOf(link)
	if trusted(me, owner, ownerOf(info)) {
		return nil
	}
	return fault.WithHint(fault.New(fault.Invalid, "%s is a symbolic link of user %d, and this is user %d", path, owner, me),
		"name the folder that it leads to, if that is meant")
}

// trusted reports whether user me follows a link of owner in a folder of folderOwner.
func trusted(me, owner, folderOwner uint32) bool {
	return owner == me || owner == 0 || me != 0 && owner == folderOwner
}

func split(path string) (parts []string) {
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts
}
