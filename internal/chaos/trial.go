package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
)

// Outcome describes how a seed went.
type Outcome struct {
	Seed    uint64
	Variant string // name of the kind of job
	Rounds  int    // executions, the last of which succeeded
	Failed  int    // executions that failed with a fault kind
	Crashed int    // executions whose process was killed
	Faults  map[Kind]int
	Elapsed time.Duration
}

// timeout bounds an execution, and the wait for what it left running. Without faults an execution
// takes a tenth of a second with the replayed encoder, and some seconds with a real one.
const timeout = 60 * time.Second

// trial is a job under one plan.
type trial struct {
	harness *Harness
	plan    *plan
	variant variant
	dir     string
	ledger  *faultyLedger
	scratch *faultyStore
	engine  *engine.Engine
	running sync.WaitGroup // attempts, including abandoned ones

	mu             sync.Mutex
	parkedAttempts []parked
	broken         []string
}

// parked is an attempt that was abandoned and waits to continue.
type parked struct {
	attempt  *attempt
	resumeAt resumePoint
	release  chan struct{}
}

// resumePoint is when an abandoned attempt continues.
type resumePoint int

const (
	afterSuccessor resumePoint = iota // as soon as another attempt at the same unit has succeeded
	afterRound                        // when the execution has ended
	atEnd                             // when the job is done
	afterUnit                         // when a unit is done, in this execution or another, except an output
	afterFailure                      // when the execution has failed and the failure is recorded
	beforeOutput                      // when a unit of the output phase is delivered, which waits until the attempt has ended
)

// resumePoints is the number of resume points that a seed chooses from.
const resumePoints = 6

// RunSeed runs the job of a seed to its end. An error is a *Violation, or the reason why the seed
// could not run.
func (h *Harness) RunSeed(ctx context.Context, seed uint64) (Outcome, error) {
	p := newPlan(seed)
	return h.runPlan(ctx, p, h.variants[p.random("variant").IntN(len(h.variants))])
}

// runPlan runs a job under a plan to its end.
func (h *Harness) runPlan(ctx context.Context, p *plan, v variant) (Outcome, error) {
	began := time.Now()
	folder, err := os.MkdirTemp(h.dir, "seed-")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(folder)
	t, err := h.newTrial(ctx, folder, p, v)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Seed: p.seed, Variant: v.name}
	err = t.run(ctx, &o)
	o.Faults, o.Elapsed = p.injected, time.Since(began)
	if closer, ok := t.ledger.inner.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return o, err
	}
	t.broken = append(t.broken, t.ledger.violations()...)
	if len(t.broken) > 0 {
		return o, &Violation{Seed: p.seed, Problems: t.broken, Faults: p.descriptions(), Variant: v.name}
	}
	return o, nil
}

// newTrial opens the stores and the ledger of a trial in folder.
func (h *Harness) newTrial(ctx context.Context, folder string, p *plan, v variant) (*trial, error) {
	t := &trial{harness: h, plan: p, variant: v, dir: folder}
	artifacts, err := dir.New(filepath.Join(folder, "scratch", "artifacts"))
	if err != nil {
		return nil, err
	}
	records, err := sqlite.Open(ctx, filepath.Join(folder, "scratch", "ledger.db"))
	if err != nil {
		return nil, err
	}
	t.scratch, t.ledger = &faultyStore{artifacts, "scratch"}, newFaultyLedger(records)
	if err := os.MkdirAll(t.temp(), 0o755); err != nil {
		return nil, err
	}
	t.engine = &engine.Engine{
		Registry: h.registry, Ledger: t.ledger, Scratch: t.scratch, Items: t.scratch, Bucket: bucket, Resolve: resolve,
		Temp: t.temp(), Worker: "chaos", Observe: func(e engine.Event) {
			if e.Type == engine.Started {
				t.ledger.recordStart(e.Unit, e.Attempt)
			}
		},
	}
	return t, nil
}

const bucket = "scratch"

func (t *trial) temp() string { return filepath.Join(t.dir, "temp") }
func (t *trial) out() string  { return filepath.Join(t.dir, "out") }

// resolve finds a file on this machine, in a store with faults.
func resolve(_ context.Context, url string) (blob.Store, string, error) {
	s, err := dir.New(filepath.Dir(url))
	return &faultyStore{s, "files"}, filepath.Base(url), err
}

// classifyUnit reports whether the input of a stage names a unit, and whether that unit makes an
// output. The plan in the ledger says so.
func (t *trial) classifyUnit(ctx context.Context, input json.RawMessage) (isUnit, isOutput bool) {
	var in engine.RunInput
	if json.Unmarshal(input, &in) != nil || in.Unit == "" {
		return false, false
	}
	record, err := t.ledger.inner.Job(ctx, in.Job)
	if err != nil {
		return true, false
	}
	p, err := engine.DecodePlan(record)
	if err != nil {
		return true, false
	}
	unit, err := t.ledger.inner.Unit(ctx, in.Job, in.Unit)
	if err != nil {
		return true, false
	}
	var spec struct{ Phase string }
	return true, json.Unmarshal(unit.Spec, &spec) == nil && spec.Phase == p.OutputPhase.Name
}

func (t *trial) violate(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = append(t.broken, fmt.Sprintf(format, args...))
}

// run runs a job through its life: executions with faults; one without, if none of those succeeded;
// whatever continues after that; and a last execution, which must find nothing to do.
func (t *trial) run(ctx context.Context, o *Outcome) error {
	most := 1 + t.plan.random("rounds").IntN(3)
	for done := false; !done; {
		o.Rounds++
		time.Sleep(2 * time.Millisecond) // executions of one request are distinguished by their start time, in milliseconds
		r := &round{trial: t, number: o.Rounds, faultFree: o.Rounds > most, deliveries: map[string]int{}}
		err := r.run(ctx)
		t.release(func(p parked) bool { return p.resumeAt == afterSuccessor || p.resumeAt == afterRound || r.crashed() })
		t.checkOutput(fmt.Sprintf("after round %d", o.Rounds), err == nil)
		switch {
		case err == nil:
			done = true
		case r.crashed():
			o.Crashed++
		default:
			o.Failed++
			t.finishFailed(ctx, r, err)
		}
		if !done && r.faultFree {
			t.violate("round %d had no faults and failed: %v", o.Rounds, err)
			break
		}
	}
	before := t.plan.injectedCount()
	t.release(func(parked) bool { return true })
	if !t.waitForAttempts() {
		return nil
	}
	t.checkOutput("at the end", true)
	if t.plan.faultsIn(engine.StageFinish) { // Finish leaves to Collect what it cannot remove
		if _, err := t.engine.Collect(ctx, engine.None{}); err != nil {
			t.violate("collecting what was left failed: %v", err)
		}
	}
	if t.plan.script != nil || t.plan.injectedCount() == before { // an attempt that was killed meanwhile cannot have cleaned up
		t.checkEmpty("at the end", "scratch/artifacts", "temp")
	}
	t.rerun(ctx)
	return nil
}

// rerun runs the request of a finished job again. Nothing may be done again, and everything left
// behind must be removed.
func (t *trial) rerun(ctx context.Context) {
	t.engine.Observe = func(e engine.Event) {
		if e.Type == engine.Started {
			t.violate("the job was done, and %s was started again", e.Unit)
		}
	}
	r := &round{trial: t, number: 99, faultFree: true, deliveries: map[string]int{}}
	if err := r.run(ctx); err != nil {
		t.violate("the job was done, and running it again failed: %v", err)
	}
	t.checkOutput("after the last execution", true)
	t.checkEmpty("after the last execution", "scratch/artifacts", "temp")
	for j, err := range t.ledger.inner.Jobs(ctx) {
		if err != nil || j.State != ledger.JobDone {
			t.violate("the job is %s in the ledger, error %v", j.State, err)
		}
	}
}

// checkOutput compares the published output with the fault-free result. must requires that it
// exists.
func (t *trial) checkOutput(when string, must bool) {
	got, err := t.variant.content(t.out())
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
	case err != nil:
		t.violate("%s: %v", when, err)
	case !bytes.Equal(got, t.variant.want):
		t.violate("%s the output differs from the fault-free one (%d and %d bytes)", when, len(got), len(t.variant.want))
	}
}

// checkEmpty checks that only folders are left in some of the trial's folders.
func (t *trial) checkEmpty(when string, folders ...string) {
	for _, name := range folders {
		_ = filepath.WalkDir(filepath.Join(t.dir, name), func(path string, d fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(t.dir, path)
			switch {
			case err == nil && !d.IsDir(), err == nil && name == "temp" && rel != "temp":
				t.violate("%s %s was left behind", when, rel)
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				t.violate("%s: %v", when, err)
			}
			return nil
		})
	}
}

// finishFailed reports a failed execution to Finish, as EventBridge does on AWS, and checks the
// recorded failure.
func (t *trial) finishFailed(ctx context.Context, r *round, err error) {
	kind := fault.KindOf(err)
	name := string(kind)
	var state *asl.Error
	if errors.As(err, &state) {
		name = state.Name
	}
	if kind == "" || name == "" {
		t.violate("round %d failed without a kind: %v", r.number, err)
	}
	// Only short reads look like a defect of the source or of the job. All else must be reported as
	// what it is, or it is not tried again.
	if injected := []fault.Kind{fault.Transient, fault.Internal, fault.OutOfSpace}; !slices.Contains(injected, kind) && t.plan.count(ShortRead) == 0 {
		t.violate("round %d failed with %s, which was not injected: %v", r.number, kind, err)
	}
	in, _ := json.Marshal(engine.FinishInput{Execution: r.name(), Status: "FAILED", Error: name, Cause: err.Error()})
	undelivered := errors.New("not delivered yet")
	for n := 0; undelivered != nil && n < 3; n++ { // Lambda tries an asynchronous invocation three times
		_, undelivered = r.attempt(ctx, engine.StageFinish, fmt.Sprintf("failure, delivery %d", n), in)
	}
	_, err = t.ledger.inner.JobOf(ctx, r.name())
	if errors.Is(err, ledger.ErrNotFound) || undelivered != nil {
		return // it failed before the job was stored, or no Finish could record it
	}
	t.resume(afterFailure)
	record, err := t.ledger.inner.JobOf(ctx, r.name())
	if err != nil || (record.State == ledger.JobFailed && (record.Failure == nil || record.Failure.Kind == "")) || record.State == ledger.JobRunning {
		t.violate("round %d failed with %s, and the ledger says %s %+v, error %v", r.number, name, record.State, record.Failure, err)
	}
}

// park keeps an attempt until its resume point.
func (t *trial) park(a *attempt) chan struct{} {
	p := parked{attempt: a, resumeAt: t.plan.resumeAt, release: make(chan struct{})}
	if t.plan.script == nil {
		p.resumeAt = resumePoint(t.plan.random(a.name, "until").IntN(resumePoints))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.round.ending() && p.resumeAt == afterRound {
		close(p.release) // the round will not release it any more
		return p.release
	}
	t.parkedAttempts = append(t.parkedAttempts, p)
	return p.release
}

// resume lets the attempts continue that wait for a resume point, and waits until they have
// finished.
func (t *trial) resume(m resumePoint) {
	t.mu.Lock()
	var through []chan struct{}
	for _, p := range t.parkedAttempts {
		if p.resumeAt == m {
			through = append(through, p.attempt.finished)
		}
	}
	t.mu.Unlock()
	t.release(func(p parked) bool { return p.resumeAt == m })
	for _, c := range through {
		select {
		case <-c:
		case <-time.After(timeout):
			t.violate("an abandoned stage did not end within %v", timeout)
		}
	}
}

// release lets the selected attempts continue.
func (t *trial) release(which func(parked) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var remaining []parked
	for _, p := range t.parkedAttempts {
		if which(p) {
			close(p.release)
		} else {
			remaining = append(remaining, p)
		}
	}
	t.parkedAttempts = remaining
}

// waitForAttempts waits for all attempts that still run. It reports whether they ended.
func (t *trial) waitForAttempts() bool {
	done := make(chan struct{})
	go func() {
		t.running.Wait()
		close(done)
	}()
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
		select {
		case <-done:
			return true
		case <-time.After(5 * time.Millisecond):
			t.release(func(parked) bool { return true }) // attempts that were parked only now
		}
	}
	t.violate("attempts left running did not end within %v", timeout)
	return false
}
