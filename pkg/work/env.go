package work

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Env is what an attempt at a unit works with. The engine makes one for each attempt.
type Env struct {
	Job     string          // the job's ID
	Doc     json.RawMessage // the plan's
	Unit    string          // the unit's name
	Attempt int
	Dir     string // a private folder for working files, removed after the attempt
	Memory  int64  // bytes that the attempt, with the programs that it runs, may hold; 0: all that the machine has

	Scratch blob.Store // artifacts of the job's units
	Resolve Resolver
	Results Results

	Session *Session // nil: every unit is by itself

	Progress func(Amount) // so far in this attempt
	Log      *slog.Logger
}

// Key returns a key in scratch that is the attempt's own.
func (e *Env) Key(n int, extension string) string {
	return ArtifactKey(e.Job, e.Unit, e.Attempt, n, extension)
}

// Decode decodes the plan's Doc.
func (e *Env) Decode(doc any) error {
	return fault.Wrap(fault.Corrupt, json.Unmarshal(e.Doc, doc), "record of job "+e.Job)
}

// PlanEnv is what a planner works with.
type PlanEnv struct {
	Scratch blob.Store
	Resolve Resolver
	Results Results // of the job that Extend completes
	Dir     string  // a private folder for working files
	// Processors is how many processors the workers have that this deployment encodes on; 0 where they are not known in
	// advance. A request that names a number of threads is not bound by it.
	Processors int
	OneMachine bool // the job runs on this machine, not on AWS
	// Session and Memory are those that the job's units will have; either may be nil. Memory returns how many bytes a unit may hold.
	Session *Session
	Memory  func(Needs) int64
	Log     *slog.Logger
}

// Resolver finds the store and the key of a source, or of an output that will be there.
type Resolver func(ctx context.Context, url string) (blob.Store, string, error)

// Results reads the results of a job's finished units.
type Results interface {
	// Result returns the result of a unit; done is false where the unit has none yet.
	Result(ctx context.Context, unit string) (result Result, done bool, err error)

	// All yields the units whose names begin with prefix, in the order of their names. A unit that is not done is an
	// error of kind Corrupt.
	All(ctx context.Context, prefix string) iter.Seq2[Finished, error]
}

// Finished is a unit that is done.
type Finished struct {
	Unit   string
	Result Result
}

// Facts decodes the facts of a finished unit. One that has none yet is an error of kind Corrupt.
func Facts(ctx context.Context, results Results, unit string, facts any) error {
	r, done, err := results.Result(ctx, unit)
	if err != nil {
		return err
	}
	if !done {
		return fault.New(fault.Corrupt, "%s is not done", unit)
	}
	return fault.Wrap(fault.Corrupt, json.Unmarshal(r.Facts, facts), "facts of "+unit)
}
