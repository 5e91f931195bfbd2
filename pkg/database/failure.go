package database

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mapreel/mapreel/pkg/fault"
)

// codeOf returns SQLite's primary result code, or 0 for other errors.
func codeOf(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff // extended codes use the higher bits, see SQLite's "Result and Error Codes"
	}
	return 0
}

// isBusy reports whether another connection holds a lock.
func isBusy(err error) bool {
	code := codeOf(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED || code == sqlite3.SQLITE_PROTOCOL
}

// Classify returns a function that returns the kind of an error of SQLite or of the file system about the
// file at path, and a hint or "". noun is what the file is.
func Classify(path, noun string) func(error) (fault.Kind, string) {
	folder := filepath.Dir(path)
	return func(err error) (fault.Kind, string) {
		switch codeOf(err) {
		case sqlite3.SQLITE_FULL:
			return fault.OutOfSpace, "free space on the disk that holds " + folder + ", or choose another scratch folder"
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
			return fault.Transient, "another process holds the " + noun + "; check whether one was suspended while writing"
		case sqlite3.SQLITE_NOTADB:
			return fault.Corrupt, "the file is not a " + noun + ": move it away, or choose another scratch folder"
		case sqlite3.SQLITE_CORRUPT:
			return fault.Corrupt, "the " + noun + " is damaged: move it away, and the work is done again"
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
}
