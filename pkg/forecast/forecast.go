// Package forecast simulates a job on AWS, event by event, from the definition of the state machine, the units of the job and what
// they take of processors, disks and networks.
//
//	machine, err := definition.Load(text)
//	r, err := forecast.Simulate(ctx, machine, job, forecast.Conditions{}, seed)
//
// It walks through the states as Step Functions does: it evaluates the Choices, runs the items of a Map side by side, up to its limit
// and no faster than children start, and follows Retry and Catch when a call fails. Functions are throttled and start cold, Batch
// waits for instances, instances are taken back, some workers are slow. The same seed gives the same result.
package forecast

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/price"
)

// Job is what is to be done.
type Job struct {
	Phases      []Phase // in order; the last one is that of the outputs
	Concurrency int     // children of the Distributed Map at once
}

// Phase is units that run side by side.
type Phase struct {
	Name  string
	Units []Unit
}

// Unit is one piece of work for one worker.
type Unit struct {
	Class string // selects the function: "encode"
	Route string // "lambda", "batch" or "lambda-batch"
	GPU   bool

	// Work is what the unit takes of one processor of the reference machine, and Threads how many processors it can use.
	Work    time.Duration
	Threads float64
	// Stream is how many bytes the unit reads while it computes, and Move how many it moves while it does nothing else.
	Stream, Move int64
	// Gets and Puts are its requests to S3, and Files what it writes to EFS and what is read of that.
	Gets, Puts        int64
	FilesIn, FilesOut int64
}

// Result is what a job takes.
type Result struct {
	Wall      time.Duration
	Phases    []time.Duration // when each ended
	Sum       price.Sum       // of what all attempts used
	Peak      int             // functions and Batch jobs at once
	Cold      int             // environments that were started
	Retries   int             // by the state machine
	Throttled int             // of these, because a function was throttled
	Twins     int             // units that got a second try
	OnBatch   int             // units that ended there
	Instances int             // that Batch started
	Reclaimed int             // attempts that lost their Spot instance
	Failed    string          // the error that ended the job; "" for one that succeeded
	Events    int
}

// simulation is one run.
type simulation struct {
	ctx context.Context //nolint:containedctx // of Simulate: a simulation lives within one call, and each event needs it
	clock
	c      Conditions
	rand   *rand.Rand
	job    Job
	phase  int // the one that the planner returned last
	result Result

	functions map[string]*function
	batch     batch
	starts    bucket // of children
	ledger    bucket // writes of the job's partition
	puts      bucket // requests that write to the job's prefix
	running   int
	choices   map[choiceKey]string
	names     map[choiceKey]string
}

// Simulate runs a job on AWS. The machine has its placeholders filled with the names of classes: see Machine.
func Simulate(ctx context.Context, m *definition.Machine, job Job, c Conditions, seed uint64) (Result, error) {
	c = c.withDefaults()
	s := &simulation{
		ctx: ctx, c: c, job: job, rand: rand.New(rand.NewPCG(seed, 0)), phase: -1, //nolint:gosec // a simulation is repeatable
		functions: map[string]*function{}, choices: map[choiceKey]string{}, names: map[choiceKey]string{},
		starts: bucket{rate: c.ChildStarts, burst: c.ChildBurst}, ledger: bucket{rate: c.LedgerWrites, burst: c.LedgerWrites},
		puts: bucket{rate: c.PutRate, burst: c.PutRate},
	}
	s.batch.s = s
	var failure error
	s.after(0, func() {
		s.run(m.Root, nil, func(name string, err error) {
			s.result.Wall, s.result.Failed, failure = time.Duration(s.now), name, err
			s.stop()
		})
	})
	if err := s.loop(ctx); err != nil {
		return Result{}, err
	}
	s.result.Events = s.count
	return s.result, failure
}

// normal returns a factor around 1 that is lognormal with the given spread.
func (s *simulation) noise(spread float64) float64 {
	return math.Exp(spread*s.rand.NormFloat64() - spread*spread/2)
}

// between returns a time between two.
func (s *simulation) between(r [2]time.Duration) time.Duration {
	return r[0] + time.Duration(s.rand.Float64()*float64(r[1]-r[0]))
}
