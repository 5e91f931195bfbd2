// Package history keeps executions of the state machine and their histories in a SQLite file, in the form in which Step
// Functions shows them: executions, their events, and the map runs with a child execution for each unit.
//
//	s, err := history.Open(ctx, "/var/tmp/mapreel/executions.db")
//	defer s.Close()
//	x, err := s.Create(ctx, history.Execution{ARN: history.ExecutionARN("film-1"), Name: "film-1", Input: request})
//	r := s.Recorder(x)
//	output, err := machine.Run(ctx, asl.Execution{ID: x.ARN, Observe: r.Event, ObserveMapRun: r.MapRun, …})
//
// Several processes may use one file. The interpreter waits for its observers, so events are collected and written in batches;
// Flush waits for them. A crash loses the events of the last moment, never the consistency of the file.
package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/database"
	"github.com/mapreel/mapreel/pkg/fault"
)

// File is the name of a scratch folder's history.
const File = "executions.db"

// Status is the status of an execution.
type Status string

// The statuses of Standard executions.
const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

// Execution is an execution: one that a user started, or a child of a Distributed Map.
type Execution struct {
	ARN     string
	Name    string
	Machine string // ARN of its state machine
	MapRun  string // ARN of the map run that started it; "" where a user did
	Status  Status
	Owner   string // the process that runs it, as ledger.Job.Execution names it; "" for the server of the scratch folder

	Options Options

	Input  json.RawMessage
	Output json.RawMessage // of one that succeeded
	Error  string          // of one that did not
	Cause  string

	Started  time.Time
	Stopped  time.Time // zero while it runs
	Redrives int
	Redriven time.Time // of the last redrive; zero if there was none

	Sequence  int64 // order of creation
	LastEvent int64 // ID of the newest event
}

// Options are how an execution is run, besides its input. They hold when it is redriven.
type Options struct {
	KeepScratch bool `json:"keepScratch,omitempty"` // artifacts stay after the job is done
	KeepOutputs bool `json:"keepOutputs,omitempty"` // no output replaces a file
	IgnoreSpace bool `json:"ignoreSpace,omitempty"` // it starts also where the disk will probably be too small
}

const (
	redrivePeriod = 14 * 24 * time.Hour // after the end of an execution, as in Step Functions
	maxRedrives   = 1000                // likewise
)

// NotRedrivable returns why the execution cannot be redriven at a time, in the words of Step Functions; "" if it can be, as far as its
// record tells.
func (x Execution) NotRedrivable(now time.Time) string {
	switch {
	case x.Status == Running, x.Status == Succeeded:
		return fmt.Sprintf("Execution is %s and cannot be redriven", x.Status)
	case now.Sub(x.Stopped) > redrivePeriod:
		return "Execution redrive period exceeded"
	case x.Redrives >= maxRedrives:
		return "Execution redrive limit exceeded"
	}
	return ""
}

// Ended reports whether the execution has ended.
func (x Execution) Ended() bool { return x.Status != Running }

// Errors of a Store. Others carry a kind of package fault.
var (
	ErrNotFound = errors.New("no such execution or map run")
	ErrExists   = errors.New("an execution of this name exists")
	ErrConflict = errors.New("the status of the execution does not allow this")
)

// Store is an open file.
type Store struct {
	file    *database.File
	writer  *writer
	created time.Time
	byARN   *sql.Stmt // reads an execution: what clients ask for all the time, and preparing takes twice as long as reading
}

// Open opens the store in the file at path, and makes it where it does not exist.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, database.BusyTimeout)
}

// open is Open with the time that a change waits for another process.
func open(ctx context.Context, path string, busy time.Duration) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "find the history "+path)
	}
	s := &Store{}
	if s.file, err = database.Open(ctx, abs, schema, busy); err != nil {
		return nil, wrap(ctx, "open", abs, err)
	}
	var created int64
	if err = s.file.Read.QueryRowContext(ctx, "SELECT created FROM machine").Scan(&created); err != nil {
		return nil, errors.Join(wrap(ctx, "open", abs, err), s.file.Close())
	}
	if s.byARN, err = s.file.Read.PrepareContext(ctx, "SELECT "+executionColumns+" FROM executions WHERE arn = ?"); err != nil {
		return nil, errors.Join(wrap(ctx, "open", abs, err), s.file.Close())
	}
	s.created = database.FromMillis(created)
	s.writer = startWriter(ctx, s)
	return s, nil
}

// Close writes what is pending and closes the file.
func (s *Store) Close() error { return errors.Join(s.writer.close(), s.byARN.Close(), s.file.Close()) }

// Created returns when the file was made.
func (s *Store) Created() time.Time { return s.created }

// Flush waits until everything that was recorded before is written.
func (s *Store) Flush(ctx context.Context) error { return s.writer.flush(ctx) }

func (s *Store) fail(ctx context.Context, attempted string, err error) error {
	return wrap(ctx, attempted, s.file.Path, err)
}

// wrap adds what was attempted to err, and a kind unless it has one or is an error of this package.
func wrap(ctx context.Context, attempted, path string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	own := []error{ErrNotFound, ErrExists, ErrConflict}
	return fault.InStore(ctx, attempted, "history "+path, err, own, database.Classify(path, schema.Noun))
}
