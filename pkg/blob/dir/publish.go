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
	// stretch is how many bytes are copied between two looks at the context. The kernel moves this much in well under a
	// second on any disk that can hold video.
	stretch = 16 << 20

	// folderAttempts bounds how often folders are made again that Deletes next door remove before the temporary stands
	// in them. Each attempt loses only against a Delete of the folder's last object within microseconds.
	folderAttempts = 100
)

// writer is the temporary that becomes an object.
type writer struct {
	file *os.File
	size int64
}

// publish makes the object at key out of what fill writes. The order gives the promise: bytes and times reach the
// disk, then the name changes, then the folder reaches the disk. A process killed between any two leaves either the
// old object or the new one, and at most a temporary that Sweep knows.
func (s *Store) publish(
	ctx context.Context, op, key string, fill func(*writer) error,
) (info blob.Info, err error) {
	defer func() {
		if err != nil {
			err = s.fail(op, key, err)
		}
	}()
	root, err := openOrMake(s.root)
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
		_ = f.Close() // after the rename: closing gives up the lock that keeps Sweep away
	}()

	w := &writer{file: f}
	if err := fill(w); err != nil {
		return blob.Info{}, err
	}
	if ctx.Err() != nil {
		return blob.Info{}, ended(ctx)
	}
	// The kernel's own clock for files ticks in milliseconds, within which an object could be replaced by another of the
	// same size and Version; this one ticks in nanoseconds.
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
	if err := root.Rename(tmp, key); err != nil {
		return blob.Info{}, err
	}
	published = true
	if err := syncFolder(root, path.Dir(key)); err != nil {
		return blob.Info{}, err
	}
	return infoOf(key, stat), nil
}

// openOrMake opens the folder, making it and those above it where they are missing.
func openOrMake(name string) (*os.Root, error) {
	root, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(name, 0o777); err != nil {
			return nil, err
		}
		root, err = os.OpenRoot(name)
	}
	return root, err
}

// createLocked makes a temporary in folder and takes its lock.
func createLocked(root *os.Root, folder string) (string, *os.File, error) {
	for attempt := 1; ; attempt++ {
		name := path.Join(folder, blob.Reserved+rand.Text())
		var f *os.File
		err := root.MkdirAll(folder, 0o777)
		if err == nil {
			f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		}
		// MkdirAll says that a folder exists, too, when it vanishes between being met and being looked at.
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)) && attempt < folderAttempts {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		// File systems without locks refuse; Sweep then goes by age. Between creation and lock a Sweep may come first:
		// then the file has lost its name.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() {
			return name, f, nil
		}
		_ = f.Close()
		if attempt >= folderAttempts {
			return "", nil, fault.New(fault.Transient, "the temporary %s vanished", name)
		}
	}
}

// syncFolder brings the folder's names to the disk, on file systems that can do so by themselves.
func syncFolder(root *os.Root, folder string) error {
	d, err := root.Open(folder)
	if err != nil {
		return ignoreAbsent(err) // a Delete came right after
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// sourceError is a failure to read what is to be written. It is the reader's, so the store adds no kind and no advice
// about its own disk.
type sourceError struct{ err error }

func (e sourceError) Error() string { return e.err.Error() }
func (e sourceError) Unwrap() error { return e.err }

// source marks the errors of the reader it wraps.
type source struct{ io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader promises the bare io.EOF at its end
		err = sourceError{err}
	}
	return n, err
}

// copyAll writes r until its end.
func (w *writer) copyAll(ctx context.Context, r io.Reader) error {
	if _, ok := r.(*os.File); !ok { // a file must be seen as one for the kernel to copy it
		r = source{r}
	}
	for {
		n, err := w.copyUpTo(ctx, r, stretch)
		if err != nil || n == 0 {
			return err
		}
	}
}

// copyUpTo writes n bytes of r, or fewer where it ends before, and says how many.
func (w *writer) copyUpTo(ctx context.Context, r io.Reader, n int64) (int64, error) {
	var done int64
	for done < n {
		if ctx.Err() != nil {
			return done, ended(ctx)
		}
		m, err := io.CopyN(w.file, r, min(n-done, stretch))
		startWriteback(w.file, w.size, m)
		done += m
		w.size += m
		if err == io.EOF { //nolint:errorlint // CopyN's own word for "fewer"
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
