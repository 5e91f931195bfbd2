package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// copyStep is the number of bytes copied between two checks of the context. The kernel copies
	// that many in well under a second on any disk that can hold video.
	copyStep = 16 << 20

	// folderAttempts is how often createLocked creates a folder that a concurrent Delete removes
	// before the temporary file is in it. An attempt fails only if the Delete of the folder's last
	// object comes within the same microseconds.
	folderAttempts = 100
)

// writer writes the temporary file that becomes an object.
type writer struct {
	file *os.File
	size int64
}

// publish creates the object at key from what fill writes. The order of its steps makes that atomic:
// sync the bytes and times, rename the file, sync the folder. A process that is killed between any
// two steps leaves either the old object or the new one, and at most a temporary file that Sweep
// removes.
func (s *Store) publish(
	ctx context.Context, op, key string, fill func(*writer) error,
) (info blob.Info, err error) {
	defer func() {
		if err != nil {
			err = s.fail(op, key, err)
		}
	}()
	root, err := openOrCreate(s.root)
	if err != nil {
		return blob.Info{}, err
	}
	defer root.Close()
	tmp, f, err := createLocked(root, path.Dir(key))
	if err != nil {
		return blob.Info{}, err
	}
	published := false
	defer func() {
		if !published {
			_ = root.Remove(tmp)
		}
		// After the rename, because closing releases the lock that keeps Sweep away. Write errors were
		// reported by Sync.
		_ = f.Close()
	}()

	w := &writer{file: f}
	if err := fill(w); err != nil {
		return blob.Info{}, err
	}
	if ctx.Err() != nil {
		return blob.Info{}, fault.ContextError(ctx)
	}
	// Set the time explicitly: the kernel's clock for file times ticks in milliseconds, so that two
	// objects of the same size could get the same Version. This clock ticks in nanoseconds.
	now := time.Now()
	if err := root.Chtimes(tmp, now, now); err != nil {
		return blob.Info{}, err
	}
	if err := f.Sync(); err != nil {
		return blob.Info{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return blob.Info{}, err
	}
	if err := s.rename(root, tmp, key); err != nil {
		return blob.Info{}, err
	}
	published = true
	if err := syncFolder(root, path.Dir(key)); err != nil {
		return blob.Info{}, err
	}
	return infoOf(key, stat), nil
}

// rename gives the temporary file its name.
func (s *Store) rename(root *os.Root, tmp, key string) error {
	if !s.keep {
		return root.Rename(tmp, key)
	}
	err := root.Link(tmp, key) // unlike Rename, it never replaces a file
	switch {
	case err == nil:
		return root.Remove(tmp)
	case !errors.Is(err, fs.ErrExist): // a file system without links
		if _, serr := root.Lstat(key); errors.Is(serr, fs.ErrNotExist) {
			return root.Rename(tmp, key)
		}
	}
	return fault.New(fault.Invalid, "%s exists, and is not to be replaced", s.path(key))
}

// openOrCreate opens the folder and creates it and its parents if they do not exist.
func openOrCreate(name string) (*os.Root, error) {
	root, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(name, 0o777); err != nil {
			return nil, err
		}
		root, err = os.OpenRoot(name)
	}
	return root, err
}

// createLocked creates a temporary file in folder and locks it.
func createLocked(root *os.Root, folder string) (string, *os.File, error) {
	for attempt := 1; ; attempt++ {
		name := path.Join(folder, blob.Reserved+rand.Text())
		var f *os.File
		err := root.MkdirAll(folder, 0o777)
		if err == nil {
			f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		}
		// MkdirAll also returns ErrExist for a folder that is deleted between its mkdir and its stat.
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)) && attempt < folderAttempts {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		// On file systems without locks this fails, and Sweep decides by age. A Sweep between creation
		// and lock has removed the file's name.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() {
			return name, f, nil
		}
		_ = f.Close() // nothing was written
		if attempt >= folderAttempts {
			return "", nil, fault.New(fault.Transient, "the temporary file %s was deleted by another process", name)
		}
	}
}

// syncFolder syncs the folder's entries to the disk, on file systems that support it.
func syncFolder(root *os.Root, folder string) error {
	d, err := root.Open(folder)
	if err != nil {
		return ignoreAbsent(err) // a concurrent Delete removed it
	}
	defer d.Close() //nolint:errcheck // only read
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// sourceError is an error of the reader that supplies the object's bytes. The store adds no kind and
// no hint to it, because those would refer to the store's own disk.
type sourceError struct{ err error }

func (e sourceError) Error() string { return e.err.Error() }
func (e sourceError) Unwrap() error { return e.err }

// source marks the errors of the reader it wraps.
type source struct{ io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // at the end an io.Reader returns io.EOF itself
		err = sourceError{err}
	}
	return n, err
}

// copyAll writes r until its end.
func (w *writer) copyAll(ctx context.Context, r io.Reader) error {
	if _, ok := r.(*os.File); !ok { // an *os.File stays unwrapped, so that the kernel copies it
		r = source{r}
	}
	for {
		n, err := w.copyUpTo(ctx, r, copyStep)
		if err != nil || n == 0 {
			return err
		}
	}
}

// copyUpTo writes n bytes of r, or fewer if r ends before, and returns their number.
func (w *writer) copyUpTo(ctx context.Context, r io.Reader, n int64) (int64, error) {
	var done int64
	for done < n {
		if ctx.Err() != nil {
			return done, fault.ContextError(ctx)
		}
		m, err := io.CopyN(w.file, r, min(n-done, copyStep))
		startWriteback(w.file, w.size, m)
		done += m
		w.size += m
		if err == io.EOF { //nolint:errorlint // CopyN returns it if r had fewer bytes
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (w *writer) write(p []byte) error {
	n, err := w.file.Write(p)
	w.size += int64(n)
	return err
}
