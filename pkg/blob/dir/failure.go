package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
)

// fail adds the operation and the path to err, and a kind unless it has one.
//
// A folder without read or write permission is Invalid: neither a retry nor a larger worker helps.
// The user must choose another folder or change its permissions.
func (s *Store) fail(op, key string, err error) error {
	what := op + " " + s.path(key)
	var (
		kinded *fault.Error
		source sourceError
	)
	switch {
	case errors.As(err, &kinded), errors.As(err, &source), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &fault.Error{
			Kind: fault.OutOfSpace, What: what, Err: trimPath(err),
			Hint: "free space on the disk that holds " + s.root + ", or choose another folder",
		}
	case errors.Is(err, syscall.EFBIG):
		return &fault.Error{
			Kind: fault.OutOfSpace, What: what, Err: trimPath(err),
			Hint: "choose a folder whose file system allows larger files",
		}
	case isAbsent(err):
		return fault.Wrap(fault.NotFound, trimPath(err), what)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &fault.Error{
			Kind: fault.Invalid, What: what, Err: trimPath(err),
			Hint: "change the permissions of " + s.root + ", or choose another folder",
		}
	case escapes(err):
		return &fault.Error{
			Kind: fault.Invalid, What: what, Err: trimPath(err),
			Hint: "a link leads out of " + s.root + "; name the file it points to",
		}
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY),
		errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP),
		errors.Is(err, syscall.EILSEQ), errors.Is(err, syscall.EINVAL):
		return fault.Wrap(fault.Invalid, trimPath(err), what)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EAGAIN):
		return fault.Wrap(fault.Transient, trimPath(err), what)
	}
	return fault.Wrap(fault.Internal, err, what)
}

// isAbsent reports whether err means that the file does not exist.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// escapes reports whether err means that a link in the path leads out of the root. Package os does
// not export that error.
func escapes(err error) bool {
	return strings.HasSuffix(err.Error(), "path escapes from parent")
}

// trimPath removes the operations and paths that package os puts before the cause, because fail adds
// its own operation and the full path.
func trimPath(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // only the outermost errors; inner ones hold other paths
		case *fs.PathError:
			err = e.Err
		case *os.LinkError:
			err = e.Err
		default:
			return err
		}
	}
}
