package history

import "github.com/mapreel/mapreel/pkg/database"

// schema is version 2. Times are milliseconds since 1970 (0: none); input, output and details are JSON.
var schema = database.Schema{
	Noun: "history", Version: 2,
	Create: `
CREATE TABLE machine (created INTEGER NOT NULL);
INSERT INTO machine VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER));
CREATE TABLE executions (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	arn        TEXT NOT NULL UNIQUE,
	name       TEXT NOT NULL,
	machine    TEXT NOT NULL,
	map_run    TEXT NOT NULL, -- "" where a user started it
	status     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	input      TEXT NOT NULL,
	output     TEXT,
	error      TEXT NOT NULL,
	cause      TEXT NOT NULL,
	started    INTEGER NOT NULL,
	stopped    INTEGER NOT NULL,
	redrives   INTEGER NOT NULL,
	redriven   INTEGER NOT NULL,
	last_event INTEGER NOT NULL,
	options    TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX executions_by_map_run ON executions (map_run, seq);
CREATE INDEX executions_by_status ON executions (map_run, status, seq);
CREATE INDEX executions_by_end ON executions (stopped) WHERE map_run = '';
CREATE TABLE events (
	execution INTEGER NOT NULL, -- seq
	id        INTEGER NOT NULL,
	previous  INTEGER NOT NULL,
	time      INTEGER NOT NULL,
	type      TEXT NOT NULL,
	details   TEXT NOT NULL, -- an object with the field that the type has, or {}
	PRIMARY KEY (execution, id)
) WITHOUT ROWID;
CREATE TABLE map_runs (
	arn       TEXT PRIMARY KEY,
	execution TEXT NOT NULL,
	started   INTEGER NOT NULL,
	doc       TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX map_runs_by_execution ON map_runs (execution, started, arn);
PRAGMA user_version = 2;
`,
	Migrations: []string{"ALTER TABLE executions ADD COLUMN options TEXT NOT NULL DEFAULT '{}'; PRAGMA user_version = 2;"},
}
