// Package database opens SQLite files that several goroutines and processes share.
//
//	f, err := database.Open(ctx, "/var/tmp/mapreel/ledger.db", schema, 15*time.Second)
//	defer f.Close()
//
// A file is in WAL mode, so it must be on a local disk. A crash of the process loses nothing. A power
// failure may lose the last changes, but not the file's consistency.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/mapreel/mapreel/pkg/fault"
)

// BusyTimeout is how long a change usually waits for another process. Changes take milliseconds; only a
// process that was suspended in the middle of one holds the file this long.
const BusyTimeout = 15 * time.Second

// readers is the number of concurrent reads. Each takes milliseconds and ends after a page.
const readers = 4

// File is an open SQLite file. Write is a single connection, so that the goroutines of this process
// queue in order instead of competing for the file's lock; Read has several.
type File struct {
	Path  string // absolute
	Write *sql.DB
	Read  *sql.DB

	timeout time.Duration
}

// Schema describes the tables of a file.
type Schema struct {
	Noun       string   // what the file is, for messages: "ledger"
	Version    int      // stored in the file's user_version; every change of the tables increments it
	Create     string   // makes the tables of Version and sets user_version, in an empty file
	Migrations []string // the statements from each version to the next; the first one leads from 1 to 2
}

// Open opens the file at path. It creates the file and its folder if they do not exist. A file of
// another program gives fault.Corrupt and is not changed. A file with a newer schema gives
// fault.Unsupported. timeout is how long a change waits for another process.
//
// The error needs Classify.
func Open(ctx context.Context, path string, schema Schema, timeout time.Duration) (*File, error) {
	f := &File{Path: path, timeout: timeout}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	var err error
	if f.Write, err = sql.Open("sqlite", dsn(path, timeout, false)); err != nil {
		return nil, err
	}
	f.Write.SetMaxOpenConns(1)
	if f.Read, err = sql.Open("sqlite", dsn(path, timeout, true)); err != nil {
		_ = f.Write.Close() // nothing was written
		return nil, err
	}
	f.Read.SetMaxOpenConns(readers)
	f.Read.SetMaxIdleConns(readers) // of more than two at once, database/sql would close and open the others for each read
	if err := f.prepare(ctx, schema); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return errors.Join(f.Read.Close(), f.Write.Close()) }

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

// Tx runs do in a transaction that holds the write lock from its start, so that what do reads does not
// change.
func (f *File) Tx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := f.Write.BeginTx(ctx, nil)
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

// prepare migrates the file to the current schema and sets WAL mode.
func (f *File) prepare(ctx context.Context, schema Schema) error {
	if err := f.Tx(ctx, func(tx *sql.Tx) error { return migrate(ctx, tx, schema) }); err != nil {
		return err
	}
	// To enter WAL mode, SQLite needs an exclusive lock and does not wait for it.
	for deadline := time.Now().Add(f.timeout); ; {
		var mode string
		err := f.Write.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fault.New(fault.Invalid, "the file system does not support WAL mode (journal mode is %s)", mode)
		}
		if err == nil || !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// migrate creates the tables in an empty file and updates an older schema. It refuses a file of another
// program, and one of a newer mapreel.
func migrate(ctx context.Context, tx *sql.Tx, schema Schema) error {
	var found, tables int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	switch {
	case found == schema.Version:
		return nil
	case found > schema.Version:
		return &fault.Error{
			Kind: fault.Unsupported,
			What: fmt.Sprintf("the %s has schema version %d, this mapreel supports %d", schema.Noun, found, schema.Version),
			Hint: "use the newer mapreel that created it, or another scratch folder",
		}
	case found == 0 && tables > 0:
		return &fault.Error{
			Kind: fault.Corrupt, What: "the file is a database of another program",
			Hint: "move it away, or choose another scratch folder",
		}
	case found > 0:
		_, err := tx.ExecContext(ctx, strings.Join(schema.Migrations[found-1:], "\n"))
		return err
	}
	_, err := tx.ExecContext(ctx, schema.Create)
	return err
}

// Millis returns the stored form of a time, milliseconds since 1970; 0 is the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis returns the time that Millis stored.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
