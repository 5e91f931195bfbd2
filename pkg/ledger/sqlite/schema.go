package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mapreel/mapreel/pkg/fault"
)

// version is the version of the schema, stored in the file's user_version. Every change of the schema
// increments it and adds a migration.
const version = 2

// schema is version 2. Times are milliseconds since 1970 (0: none), expires is in seconds, documents
// are JSON.
const schema = `
CREATE TABLE jobs (
	id        TEXT PRIMARY KEY,
	state     TEXT NOT NULL,
	execution TEXT NOT NULL,
	started   INTEGER NOT NULL, -- of that execution
	doc       TEXT,
	failure   TEXT,
	created   INTEGER NOT NULL,
	updated   INTEGER NOT NULL,
	expires   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_by_execution ON jobs (execution);
CREATE INDEX jobs_by_creation ON jobs (created, id);
CREATE TABLE units (
	job     TEXT NOT NULL,
	id      TEXT NOT NULL,
	state   TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	begun   INTEGER NOT NULL, -- the highest attempt number in use so far
	owner   TEXT NOT NULL,
	lease   INTEGER NOT NULL,
	spec    TEXT,
	facts   TEXT,
	failure TEXT,
	updated INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (job, id)
) WITHOUT ROWID;
CREATE INDEX units_by_state ON units (job, id, state);
PRAGMA user_version = 2;
`

// migrations holds the statements from each version to the next; the first one leads from 1 to 2.
var migrations = []string{
	"ALTER TABLE jobs ADD COLUMN started INTEGER NOT NULL DEFAULT 0; PRAGMA user_version = 2;",
}

// prepare migrates the file to the current schema and sets WAL mode.
func (l *Ledger) prepare(ctx context.Context) error {
	if err := l.tx(ctx, func(tx *sql.Tx) error { return migrate(ctx, tx) }); err != nil {
		return err
	}
	// To enter WAL mode, SQLite needs an exclusive lock and does not wait for it.
	for deadline := time.Now().Add(l.timeout); ; {
		var mode string
		err := l.write.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
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

// migrate creates the tables in an empty file and updates an older schema. It refuses a file that is not
// a ledger, and one of a newer mapreel.
func migrate(ctx context.Context, tx *sql.Tx) error {
	var found, tables int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	switch {
	case found == version:
		return nil
	case found > version:
		return &fault.Error{
			Kind: fault.Unsupported,
			What: fmt.Sprintf("the ledger has schema version %d, this mapreel supports %d", found, version),
			Hint: "use the newer mapreel that created it, or another scratch folder",
		}
	case found == 0 && tables > 0:
		return &fault.Error{
			Kind: fault.Corrupt, What: "the file is a database of another program",
			Hint: "move it away, or choose another scratch folder",
		}
	case found > 0:
		_, err := tx.ExecContext(ctx, strings.Join(migrations[found-1:], "\n"))
		return err
	}
	_, err := tx.ExecContext(ctx, schema)
	return err
}

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
