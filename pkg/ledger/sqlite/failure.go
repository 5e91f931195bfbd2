package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// fail says what was attempted on which file, with the kind that err means here.
func (l *Ledger) fail(ctx context.Context, attempted string, err error) error {
	if err == nil {
		return nil
	}
	what := attempted + " (ledger " + l.path + ")"
	var kinded *fault.Error
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrConflict):
		return fmt.Errorf("%s: %w", attempted, err)
	case errors.As(err, &kinded):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil: // SQLite may call it an interruption or a lock that was not had
		if cause := context.Cause(ctx); cause != ctx.Err() { //nolint:errorlint // the same value, not the same kind
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), cause)
		}
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	e := &fault.Error{Kind: fault.Internal, What: what, Err: err}
	folder := filepath.Dir(l.path)
	switch codeOf(err) {
	case sqlite3.SQLITE_FULL:
		e.Kind, e.Hint = fault.OutOfSpace, "free space on the disk that holds "+folder+", or choose another scratch folder"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		e.Kind, e.Hint = fault.Transient, "another process holds the ledger; is one stopped in the middle of its work?"
	case sqlite3.SQLITE_NOTADB:
		e.Kind, e.Hint = fault.Corrupt, "the file is no ledger: move it away, or choose another scratch folder"
	case sqlite3.SQLITE_CORRUPT:
		e.Kind, e.Hint = fault.Corrupt, "the ledger is damaged: move it away, and the work is done again"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH:
		e.Kind, e.Hint = fault.Invalid, "change the permissions of "+folder+", or choose another scratch folder"
	case sqlite3.SQLITE_IOERR:
		e.Kind = fault.Transient
	case 0: // not of SQLite
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTDIR),
			errors.Is(err, syscall.EROFS):
			e.Kind, e.Hint = fault.Invalid, "choose another scratch folder"
		default:
			e.Kind = fault.KindOf(err)
		}
	}
	return e
}
