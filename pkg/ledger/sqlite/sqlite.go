// Package sqlite is a ledger.Ledger in one SQLite file, readable by other processes while a job runs.
//
//	l, err := sqlite.Open(ctx, "/var/tmp/mapreel/ledger.db")
//	defer l.Close()
//
// The file is in WAL mode, so it must lie on a disk of this machine. A crash of the process loses nothing; a loss of
// power may lose the last changes, never the file's consistency, and work whose record is lost is done again.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

const (
	// busyTimeout is how long a change waits for another process's. Changes take milliseconds; only a process that was
	// stopped in the middle of one holds the file this long.
	busyTimeout = 15 * time.Second

	// readers is how many reads go on at once. They need no more: each takes milliseconds and yields after a page.
	readers = 4

	// page is how many units or jobs are read or written at a time: some hundred kilobytes, and a write lock of some
	// ten milliseconds.
	page = 500
)

// Ledger is a SQLite file. It has one connection that writes, so that the goroutines of this process queue in order
// instead of racing for the file's lock, and some that read.
type Ledger struct {
	path    string
	write   *sql.DB
	read    *sql.DB
	timeout time.Duration
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in the file at path, making it and the folder it lies in where they are missing. A file that is
// something else gives fault.Corrupt and stays as it is; one of a newer mapreel gives fault.Unsupported.
func Open(ctx context.Context, path string) (*Ledger, error) {
	return open(ctx, path, busyTimeout)
}

func open(ctx context.Context, path string, timeout time.Duration) (*Ledger, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "find ledger "+path)
	}
	l := &Ledger{path: abs, timeout: timeout}
	if err := os.MkdirAll(filepath.Dir(abs), 0o777); err != nil {
		return nil, l.fail(ctx, "make the folder of", err)
	}
	if l.write, err = sql.Open("sqlite", dsn(abs, timeout, false)); err != nil {
		return nil, l.fail(ctx, "open", err)
	}
	l.write.SetMaxOpenConns(1)
	if l.read, err = sql.Open("sqlite", dsn(abs, timeout, true)); err != nil {
		_ = l.write.Close()
		return nil, l.fail(ctx, "open", err)
	}
	l.read.SetMaxOpenConns(readers)
	if err := l.prepare(ctx); err != nil {
		_ = l.Close()
		return nil, l.fail(ctx, "open", err)
	}
	return l, nil
}

// Close ends the use of the file.
func (l *Ledger) Close() error { return errors.Join(l.read.Close(), l.write.Close()) }

// dsn names the file as a URI, so that a path may hold "?", "#" and "%".
func dsn(path string, timeout time.Duration, readOnly bool) string {
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(timeout.Milliseconds(), 10)},
		"_synchronous":  {"NORMAL"}, // in WAL mode: safe against crashes of the process, no wait for the disk
		"_txlock":       {"immediate"},
	}
	if readOnly {
		q.Set("_query_only", "true")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// tx runs do in a transaction that holds the write lock from its beginning, so that what it reads stays true.
func (l *Ledger) tx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := l.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) { // the context's end rolled it back already
		return nil
	}
	return err
}

// millis is how a time is kept; 0 is no time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// never is how "no expiry" is kept: later than any.
const never = 1<<63 - 1

// expiry is how the time of expiry is kept: in seconds, rounded up.
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

// text is a JSON document as the file keeps it, readable for the sqlite3 command: NULL where there is none.
func text(doc []byte) sql.NullString { return sql.NullString{String: string(doc), Valid: len(doc) > 0} }

func fromText(s sql.NullString) []byte {
	if !s.Valid {
		return nil
	}
	return []byte(s.String)
}

func unitName(job, id string) string { return fmt.Sprintf("unit %s of job %s", id, job) }
