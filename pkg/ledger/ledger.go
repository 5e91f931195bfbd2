// Package ledger records jobs and the units of their work, so that work which is done is never done again and a late
// worker cannot undo a newer one's result.
//
// A job is divided into units: a segment of the video, a piece of the sound, an output. The ledger knows nothing of
// them but their name and state; what a unit is (Spec) and what came of it (Facts) is JSON that only the stages read.
//
//	planned ──Begin──▶ running(attempt, owner, lease) ──Complete──▶ done(facts)
//	   ▲                 │  ▲                                        │
//	   └─────Reopen──────┘  └Begin── failed ◀──Fail── running        │ (Reopen: its bytes were lost)
//	   ▲─────────────────────────────────────────────────────────────┘
//
// Every change is conditional on the state it expects. Begin never waits for a dead owner: whoever asks may try, each
// attempt writes under its own number, and the first Complete wins. The contract is the suite in ledgertest.
//
//	unit, err := ledger.Begin(ctx, job, "video/00012", owner, time.Now().Add(15*time.Minute))
//	if err != nil || unit.State == ledger.Done {
//		return err
//	}
//	facts, err := encode(ctx, unit.Spec, unit.Attempt)
//	…
//	err = ledger.Complete(ctx, job, unit.ID, unit.Attempt, facts)
//
// Times are kept to the millisecond, Expires to the second and rounded up.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// JobState is where a job stands.
type JobState string

const (
	JobRunning JobState = "running"
	JobDone    JobState = "done"
	JobFailed  JobState = "failed"
)

// UnitState is where a unit stands.
type UnitState string

const (
	Planned UnitState = "planned"
	Running UnitState = "running"
	Failed  UnitState = "failed"
	Done    UnitState = "done"
)

// Failure is an error as it is recorded: its kind (see package fault) and text.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// Job is the record of a job.
type Job struct {
	ID        string
	State     JobState
	Execution string          // the newest execution that works on it
	Started   time.Time       // when that execution was started, or last redriven
	Doc       json.RawMessage // what the stages need to know; written once by Analyse (or Split), read by all
	Failure   *Failure        // set when State is JobFailed
	Created   time.Time
	Updated   time.Time
	Expires   time.Time // when the record may vanish; zero: never
}

// Unit is the record of one unit of a job.
type Unit struct {
	Job     string
	ID      string // "video/00012"; unique in its job, ordered as text
	State   UnitState
	Attempt int       // of the newest Begin; after Complete, the attempt that won. 0: never begun
	Owner   string    // who began last
	Lease   time.Time // by when the attempt that began last is surely over, one way or the other
	Spec    json.RawMessage
	Facts   json.RawMessage // set when State is Done
	Failure *Failure        // of the newest attempt that failed
	Updated time.Time
}

// Count is how many units of a job stand in which state.
type Count struct {
	Planned, Running, Failed, Done int
}

// Total is the number of units.
func (c Count) Total() int { return c.Planned + c.Running + c.Failed + c.Done }

// ErrNotFound says that the ledger holds no such job or unit (any more).
var ErrNotFound = errors.New("not in the ledger")

// ErrConflict says that the record is not in a state from which the change is allowed.
var ErrConflict = errors.New("changed by another worker")

// Ledger holds jobs and units. Its methods may be called from several goroutines and processes. Errors that are not
// ErrNotFound, ErrConflict or the end of the context carry a kind of package fault. A method that changes one unit
// gives ErrNotFound where there is none.
type Ledger interface {
	// PutJob creates job, or, where one of its ID exists, sets its State, Execution, Started, Doc, Failure and Expires
	// and keeps Created. Updated is set by the ledger, Created where it is new. Who was given up and comes late would
	// make a job run that nobody ends, so it is ErrConflict where an execution that started later has the job, and where
	// this very execution has brought it to its end: to done, or to failed and was not redriven (Started) since.
	PutJob(ctx context.Context, job Job) error

	// Job returns the job, or ErrNotFound. A job past its Expires may still be returned.
	Job(ctx context.Context, id string) (Job, error)

	// JobOf returns the job whose newest execution is this one, or ErrNotFound.
	JobOf(ctx context.Context, execution string) (Job, error)

	// EndJob moves the job to state done or failed on behalf of execution, and sets Failure and Expires. ErrConflict
	// where a newer execution has taken the job over, or where it is done and would become failed: news of a failure
	// that a redrive has mended since. A failed job may become done. Ending twice the same way is no error.
	EndJob(ctx context.Context, id, execution string, state JobState, failure *Failure, expires time.Time) error

	// Jobs yields every job, newest first where the store can order them.
	Jobs(ctx context.Context) iter.Seq2[Job, error]

	// Plan records units ahead of their work, as planned with their ID and Spec. Units that exist keep all they have.
	// expires is when the records may vanish; records that exist are kept at least as long. Zero: never. A Plan that
	// fails may have recorded some units; to plan again records the rest.
	Plan(ctx context.Context, job string, units iter.Seq[Unit], expires time.Time) error

	// Unit returns one unit, or ErrNotFound.
	Unit(ctx context.Context, job, id string) (Unit, error)

	// Units yields the job's units whose ID begins with prefix, in ascending order of ID, holding no more than a page.
	Units(ctx context.Context, job, prefix string) iter.Seq2[Unit, error]

	// Count counts the job's units whose ID begins with prefix, by state, without reading what they hold.
	Count(ctx context.Context, job, prefix string) (Count, error)

	// Begin starts an attempt: any state but done becomes running with Owner and Lease as given, and with an Attempt
	// higher than any that Begin returned or Complete was given before. A unit that is done is returned unchanged: the
	// caller looks at State.
	Begin(ctx context.Context, job, id, owner string, lease time.Time) (Unit, error)

	// Complete records the result of an attempt: any state but done becomes done, with Attempt and Facts as given.
	// ErrConflict where it is done already (whatever the attempt): the caller's result is superfluous. A late Complete
	// of an attempt that was overtaken counts like any other, for its result is as good.
	Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error

	// Fail records that an attempt failed. Only a unit running that very attempt becomes failed; otherwise
	// ErrConflict, and nothing changes.
	Fail(ctx context.Context, job, id string, attempt int, failure Failure) error

	// Reopen makes a unit that is done by that very attempt planned again, without Facts, because its result was lost.
	// Attempt stays. ErrConflict otherwise.
	Reopen(ctx context.Context, job, id string, attempt int) error

	// Delete removes the job and its units. Deleting what is not there is no error.
	Delete(ctx context.Context, job string) error
}
