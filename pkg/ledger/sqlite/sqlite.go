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
	// busyTimeout is how long a change waits for another process. Changes take milliseconds; only a
	// process that was suspended in the middle of one holds the file this long.
	busyTimeout = 15 * time.Second

	// readers is the number of concurrent reads. Each takes milliseconds and ends after a page.
	readers = 4

	// page is the number of units or jobs per read or write: a few hundred kilobytes, and a write lock of
	// about ten milliseconds.
	page = 500
)

// Ledger is a SQLite file. It writes through a single connection, so that the goroutines of this process
// queue in order instead of competing for the file's lock, and reads through several.
type Ledger struct {
	path    string
	write   *sql.DB
	read    *sql.DB
	timeout time.Duration
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
	l := &Ledger{path: abs, timeout: timeout}
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		return nil, l.fail(ctx, "create the folder", err)
	}
	if l.write, err = sql.Open("sqlite", dsn(abs, timeout, false)); err != nil {
		return nil, l.fail(ctx, "open", err)
	}
	l.write.SetMaxOpenConns(1)
	if l.read, err = sql.Open("sqlite", dsn(abs, timeout, true)); err != nil {
		_ = l.write.Close() // nothing was written
		return nil, l.fail(ctx, "open", err)
	}
	l.read.SetMaxOpenConns(readers)
	if err := l.prepare(ctx); err != nil {
		_ = l.Close() // nothing was written
		return nil, l.fail(ctx, "open", err)
	}
	return l, nil
}

// Close closes the file.
func (l *Ledger) Close() error { return errors.Join(l.read.Close(), l.write.Close()) }

// dsn returns the file's name as a URI, so that the path may contain "?", "#" and "%".
func dsn(path string, timeout time.Duration, readOnly bool) string {
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(timeout.Milliseconds(), 10)},
		"_synchronous":  {"NORMAL"}, // in WAL mode: safe against a crash of the process, without waiting for the disk
		"_txlock":       {"immediate"},
	}
	if readOnly {
		q.Set("_query_only", "true")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// tx runs do in a transaction that holds the write lock from its start, so that what do reads does not
// change.
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
	if errors.Is(err, sql.ErrTxDone) { // already rolled back by the end of the context
		return nil
	}
	return err
}

// millis returns the stored form of a time; 0 is the zero time.
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
