// Package ledger records jobs and their units of work, so that finished work is not repeated and a
// late worker cannot undo a newer worker's result.
//
// A job consists of units: a segment of a video, a part of an audio track, an output. The ledger knows
// only their name and state. What a unit is (Spec) and its result (Facts) are JSON that only the stages
// read.
//
//	planned ──Begin──▶ running(attempt, owner, lease) ──Complete──▶ done(facts)
//	   ▲                 │  ▲                                        │
//	   └─────Reopen──────┘  └Begin── failed ◀──Fail── running        │ (Reopen: its result was lost)
//	   ▲─────────────────────────────────────────────────────────────┘
//
// Every change is conditional on the state that it expects. Begin never waits for an earlier owner:
// every caller may start an attempt, each attempt writes under its own number, and the first Complete
// wins. The contract is the test suite in package ledgertest.
//
//	unit, err := ledger.Begin(ctx, job, "video/00012", owner, time.Now().Add(15*time.Minute))
//	if err != nil || unit.State == ledger.Done {
//		return err
//	}
//	facts, err := encode(ctx, unit.Spec, unit.Attempt)
//	…
//	err = ledger.Complete(ctx, job, unit.ID, unit.Attempt, facts)
//
// Times are stored in milliseconds, Expires in seconds, rounded up.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// JobState is the state of a job.
type JobState string

const (
	JobRunning JobState = "running"
	JobDone    JobState = "done"
	JobFailed  JobState = "failed"
)

// UnitState is the state of a unit.
type UnitState string

const (
	Planned UnitState = "planned"
	Running UnitState = "running"
	Failed  UnitState = "failed"
	Done    UnitState = "done"
)

// Failure is a recorded error: its kind (see package fault) and its text.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// Job is the record of a job.
type Job struct {
	ID        string
	State     JobState
	Execution string          // the newest execution of the job
	Started   time.Time       // when that execution was started or last redriven
	Doc       json.RawMessage // the stages' description of the job; written once by Analyse (or Split)
	Failure   *Failure        // set if State is JobFailed
	Created   time.Time
	Updated   time.Time
	Expires   time.Time // when the record may be deleted; zero: never
}

// Unit is the record of one unit of a job.
type Unit struct {
	Job     string
	ID      string // "video/00012"; unique in its job, ordered as text
	State   UnitState
	Attempt int       // of the newest Begin; after Complete, the attempt that won; 0: never begun
	Owner   string    // the worker that began the newest attempt
	Lease   time.Time // when the newest attempt has ended at the latest
	Spec    json.RawMessage
	Facts   json.RawMessage // set if State is Done
	Failure *Failure        // of the newest attempt that failed
	Updated time.Time
	// Used is what attempts have used, in JSON that the ledger does not read, by their numbers. One that was killed left nothing.
	Used map[int]json.RawMessage
}

// ErrNotFound means that the ledger does not hold the job or unit, or no longer holds it.
var ErrNotFound = errors.New("not in the ledger")

// ErrConflict means that the record's state does not allow the change.
var ErrConflict = errors.New("changed by another worker")

// Ledger holds jobs and units. Its methods may be called from several goroutines and processes.
//
// Errors other than ErrNotFound, ErrConflict and the end of the context carry a kind of package fault.
// A method that changes a unit returns ErrNotFound if the unit does not exist.
type Ledger interface {
	// PutJob creates the job. If a job with its ID exists, PutJob sets its State, Execution, Started,
	// Doc, Failure and Expires. The ledger sets Updated, and Created of a new job.
	//
	// A worker that was presumed dead may call PutJob late, and would leave the job running with no
	// execution to end it. So PutJob returns ErrConflict if an execution that started later owns the
	// job, or if the same execution has already ended it: as done, or as failed without a redrive
	// since, which would have changed Started.
	PutJob(ctx context.Context, job Job) error

	// Job returns the job, or ErrNotFound. It may return a job whose Expires has passed.
	Job(ctx context.Context, id string) (Job, error)

	// JobOf returns the job whose newest execution is the given one, or ErrNotFound.
	JobOf(ctx context.Context, execution string) (Job, error)

	// EndJob moves the job to state done or failed on behalf of execution, and sets Failure and
	// Expires. It returns ErrConflict if a newer execution owns the job, or if the job is done and
	// would become failed: a late report of a failure that a redrive has since repaired. A failed job
	// may become done. Ending a job twice in the same state is not an error.
	EndJob(ctx context.Context, id, execution string, state JobState, failure *Failure, expires time.Time) error

	// Jobs yields every job, newest first if the store can order them.
	Jobs(ctx context.Context) iter.Seq2[Job, error]

	// Plan records units as planned, with their ID and Spec. Units that exist are not changed. expires
	// is when the records may be deleted, zero for never; existing records are kept at least as long. A
	// Plan that fails may have recorded some units; another Plan records the rest.
	Plan(ctx context.Context, job string, units iter.Seq[Unit], expires time.Time) error

	// Unit returns one unit, or ErrNotFound.
	Unit(ctx context.Context, job, id string) (Unit, error)

	// Units yields the job's units whose ID begins with prefix, in ascending order of ID. It holds at
	// most one page in memory.
	Units(ctx context.Context, job, prefix string) iter.Seq2[Unit, error]

	// Begin starts an attempt. A unit in any state but done becomes running, with the given Owner and
	// Lease, and with an Attempt higher than any that an earlier Begin returned or an earlier Complete
	// was given. A unit that is done is returned unchanged, so the caller checks State.
	Begin(ctx context.Context, job, id, owner string, lease time.Time) (Unit, error)

	// Complete records the result of an attempt. A unit in any state but done becomes done, with the
	// given Attempt and Facts. If it is already done, by any attempt, Complete returns ErrConflict and
	// the caller's result is not needed. A Complete of an attempt that was superseded by a newer one
	// counts like any other, because its result is equally valid.
	Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error

	// Fail records that an attempt failed. Only a unit that is running this attempt becomes failed.
	// Otherwise Fail returns ErrConflict and changes nothing.
	Fail(ctx context.Context, job, id string, attempt int, failure Failure) error

	// AddUse records what an attempt used, whatever became of it and of the unit, which changes in nothing else. A second record
	// of an attempt replaces the first. An attempt that was not begun gives ErrConflict.
	AddUse(ctx context.Context, job, id string, attempt int, use json.RawMessage) error

	// Reopen makes a unit planned again because its result was lost. The unit must be done by the given
	// attempt, otherwise Reopen returns ErrConflict. Facts is removed, Attempt stays.
	Reopen(ctx context.Context, job, id string, attempt int) error

	// Renew keeps the records of the job and of all its units at least until expires. It never shortens an expiry, and a job
	// that does not exist is not an error. A Renew that fails may have renewed some units; the job itself comes last.
	Renew(ctx context.Context, job string, expires time.Time) error

	// Delete removes the job and its units. Deleting a job that does not exist is not an error.
	Delete(ctx context.Context, job string) error
}
