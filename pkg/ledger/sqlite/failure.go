package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// fail adds what was attempted to err, and a kind unless it has one.
func (l *Ledger) fail(ctx context.Context, attempted string, err error) error {
	return ledger.WrapError(ctx, attempted, "ledger "+l.path, err, l.classify)
}

// classify returns the kind of an error of SQLite or of the file system, and a hint or "".
func (l *Ledger) classify(err error) (fault.Kind, string) {
	folder := filepath.Dir(l.path)
	switch codeOf(err) {
	case sqlite3.SQLITE_FULL:
		return fault.OutOfSpace, "free space on the disk that holds " + folder + ", or choose another scratch folder"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return fault.Transient, "another process holds the ledger; check whether one was suspended while writing"
	case sqlite3.SQLITE_NOTADB:
		return fault.Corrupt, "the file is not a ledger: move it away, or choose another scratch folder"
	case sqlite3.SQLITE_CORRUPT:
		return fault.Corrupt, "the ledger is damaged: move it away, and the work is done again"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH:
		return fault.Invalid, "change the permissions of " + folder + ", or choose another scratch folder"
	case sqlite3.SQLITE_IOERR:
		return fault.Transient, ""
	case 0: // not an error of SQLite
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTDIR),
			errors.Is(err, syscall.EROFS):
			return fault.Invalid, "choose another scratch folder"
		}
		return fault.KindOf(err), ""
	}
	return fault.Internal, ""
}
