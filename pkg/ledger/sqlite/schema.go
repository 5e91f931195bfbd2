package sqlite

import "github.com/mapreel/mapreel/pkg/database"

// schema is version 3. Times are milliseconds since 1970 (0: none), expires is in seconds, documents
// are JSON.
var schema = database.Schema{
	Noun: "ledger", Version: 3,
	Create: `
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
	used    TEXT, -- an object: what each attempt used, by its number
	PRIMARY KEY (job, id)
) WITHOUT ROWID;
CREATE INDEX units_by_state ON units (job, id, state);
PRAGMA user_version = 3;
`,
	Migrations: []string{
		"ALTER TABLE jobs ADD COLUMN started INTEGER NOT NULL DEFAULT 0; PRAGMA user_version = 2;",
		"ALTER TABLE units ADD COLUMN used TEXT; PRAGMA user_version = 3;",
	},
}
