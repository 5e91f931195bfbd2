// Package sqlite implements ledger.Ledger in one SQLite file. Other processes can read it while a job
// runs.
//
//	l, err := sqlite.Open(ctx, "/var/tmp/mapreel/ledger.db")
//	defer l.Close()
//
// The file is in WAL mode, so it must be on a local disk. A crash of the process loses nothing. A power
// failure may lose the last changes, but not the file's consistency; work whose record is lost is done
// again.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/database"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// busyTimeout is how long a change waits for another process.
const busyTimeout = database.BusyTimeout

// page is the number of units or jobs per read or write: a few hundred kilobytes, and a write lock of
// about ten milliseconds.
const page = 500

// Ledger is a SQLite file.
type Ledger struct {
	*database.File
	write, read *sql.DB // of the file
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in the file at path. It creates the file and its folder if they do not exist. A
// file that is not a ledger gives fault.Corrupt and is not changed. A ledger of a newer mapreel gives
// fault.Unsupported.
func Open(ctx context.Context, path string) (*Ledger, error) {
	return open(ctx, path, busyTimeout)
}

func open(ctx context.Context, path string, timeout time.Duration) (*Ledger, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "find ledger "+path)
	}
	f, err := database.Open(ctx, abs, schema, timeout)
	if err != nil {
		return nil, fail(ctx, "open", abs, err)
	}
	return &Ledger{f, f.Write, f.Read}, nil
}

// never is the stored form of "no expiry", later than every time.
const never = 1<<63 - 1

// expiry returns the stored form of an expiry: seconds, rounded up.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.Add(time.Second - time.Nanosecond).Unix()
}

func fromExpiry(s int64) time.Time {
	if s == never {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// text returns the stored form of a JSON document, readable in the sqlite3 shell, or NULL for none.
func text(doc []byte) sql.NullString { return sql.NullString{String: string(doc), Valid: len(doc) > 0} }

func fromText(s sql.NullString) []byte {
	if !s.Valid {
		return nil
	}
	return []byte(s.String)
}

func unitName(job, id string) string { return fmt.Sprintf("unit %s of job %s", id, job) }
