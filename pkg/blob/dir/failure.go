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

// fail says what was attempted on which path, with the kind that err means here.
//
// A folder that we may not read or write is Invalid: no retry and no larger worker mends it, only whoever named the
// folder or set its permissions.
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
			Kind: fault.OutOfSpace, What: what, Err: bare(err),
			Hint: "free space on the disk that holds " + s.root + ", or choose another folder",
		}
	case errors.Is(err, syscall.EFBIG):
		return &fault.Error{
			Kind: fault.OutOfSpace, What: what, Err: bare(err),
			Hint: "choose a folder whose file system allows larger files",
		}
	case isAbsent(err):
		return fault.Wrap(fault.NotFound, bare(err), what)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &fault.Error{
			Kind: fault.Invalid, What: what, Err: bare(err),
			Hint: "change the permissions of " + s.root + ", or choose another folder",
		}
	case escapes(err):
		return &fault.Error{
			Kind: fault.Invalid, What: what, Err: bare(err),
			Hint: "a link leads out of " + s.root + "; name the file it points to",
		}
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY),
		errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP),
		errors.Is(err, syscall.EILSEQ), errors.Is(err, syscall.EINVAL):
		return fault.Wrap(fault.Invalid, bare(err), what)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EAGAIN):
		return fault.Wrap(fault.Transient, bare(err), what)
	}
	return fault.Wrap(fault.Internal, err, what)
}

// ended is the error of a context that is done: its own, which tells a deadline from a cancellation, and its cause.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() { //nolint:errorlint // the same value, not the same kind
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// isAbsent reports that there is no such file.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// escapes reports that a link on the way leads out of the root. The os package does not export its error.
func escapes(err error) bool {
	return strings.HasSuffix(err.Error(), "path escapes from parent")
}

// bare drops the operations and paths that the os package puts before the cause: fail names both, in full.
func bare(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // only from the outside in; deeper, they add to the story
		case *fs.PathError:
			err = e.Err
		case *os.LinkError:
			err = e.Err
		default:
			return err
		}
	}
}
