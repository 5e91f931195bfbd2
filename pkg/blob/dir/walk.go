package dir

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// abandonedAfter is the age at which a temporary file counts as abandoned on file systems without
// locks. Every write updates the file's time, so a file that is a day old has no living writer.
const abandonedAfter = 24 * time.Hour

// Sweep removes the temporary files under prefix ("job/" for a folder, "" for all) whose writer was
// killed, and returns their number. Files that any process is still writing stay.
func (s *Store) Sweep(ctx context.Context, prefix string) (int, error) {
	removed := 0
	err := s.walk(ctx, prefix, true, func(root *os.Root, key string, entry fs.DirEntry) (bool, error) {
		if !strings.HasPrefix(path.Base(key), blob.Reserved) || !entry.Type().IsRegular() {
			return true, nil
		}
		gone, err := sweepOne(root, key)
		if err != nil {
			return false, s.fail("sweep", key, err)
		}
		if gone {
			removed++
		}
		return true, nil
	})
	return removed, err
}

// sweepOne removes the temporary file unless its writer is alive. It reports whether it removed it.
func sweepOne(root *os.Root, name string) (bool, error) {
	f, err := root.Open(name)
	if err != nil {
		return false, ignoreAbsent(err) // published or removed by its writer meanwhile
	}
	defer f.Close() //nolint:errcheck // only read
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	case err != nil:
		if info, err := f.Stat(); err != nil || time.Since(info.ModTime()) < abandonedAfter {
			return false, err
		}
	}
	// If it was published a moment ago, it no longer has this name, and no other writer gets the same
	// random name.
	if err := root.Remove(name); err != nil {
		return false, ignoreAbsent(err)
	}
	return true, nil
}

func ignoreAbsent(err error) error {
	if isAbsent(err) {
		return nil
	}
	return err
}

// visit is called for each entry that is not a folder. It reports whether to continue.
type visit func(root *os.Root, key string, entry fs.DirEntry) (bool, error)

// walk visits the files of every folder that can hold a key with the prefix, in byte order of key; of that folder alone if
// not deep.
func (s *Store) walk(ctx context.Context, prefix string, deep bool, visit visit) error {
	folder := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder = prefix[:i]
		if blob.CheckKey(folder) != nil {
			return nil // no valid key has this prefix
		}
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		if err = ignoreAbsent(err); err != nil {
			err = s.fail("list", folder, err)
		}
		return err
	}
	defer root.Close()
	_, err = s.walkFolder(ctx, root, folder, prefix, deep, visit)
	return err
}

// walkFolder visits the files in folder and below. It reports whether to continue.
func (s *Store) walkFolder(
	ctx context.Context, root *os.Root, folder, prefix string, deep bool, visit visit,
) (bool, error) {
	entries, err := readFolder(root, folder)
	if isAbsent(err) || errors.Is(err, syscall.ENOTDIR) {
		return true, nil
	}
	if err != nil {
		return false, s.fail("list", folder, err)
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return false, s.fail("list", folder, fault.ContextError(ctx))
		}
		key := path.Join(folder, entry.Name())
		proceed := true
		switch {
		case !entry.IsDir():
			proceed, err = visit(root, key, entry)
		case deep && strings.HasPrefix(key+"/", prefix):
			proceed, err = s.walkFolder(ctx, root, key, prefix, deep, visit)
		}
		if err != nil || !proceed {
			return false, err
		}
	}
	return true, nil
}

// readFolder returns the folder's entries in the order of their keys. A folder sorts as if its name
// ended in a slash, so that "a-b" comes before "a/b", as in a bucket.
func readFolder(root *os.Root, folder string) ([]fs.DirEntry, error) {
	f, err := root.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(name(a), name(b)) })
	return entries, nil
}
