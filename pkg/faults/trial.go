package faults

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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/stage"
)

// Outcome is how a seed went.
type Outcome struct {
	Seed    uint64
	Route   string // what kind of job it was
	Rounds  int    // executions until one succeeded
	Failed  int    // of these, the ones that failed with a kind
	Crashed int    // of these, the ones whose process was killed
	Faults  map[Kind]int
	Elapsed time.Duration
}

// stuck is how long an execution, or what it left running, may take. An undisturbed one takes a tenth of a second with
// the replayed encoder and some seconds with a real one.
const stuck = 60 * time.Second

// trial is one seed under way.
type trial struct {
	bed     *Bed
	plan    *plan
	variant variant
	dir     string
	ledger  *book
	pieces  *store
	worker  *stage.Worker
	running sync.WaitGroup // attempts, also those that nobody waits for

	mu     sync.Mutex
	parked []parked
	broken []string
}

// parked is an attempt that was given up and waits to go on.
type parked struct {
	attempt *attempt
	until   moment
	release chan struct{}
}

// moment is when a zombie goes on.
type moment int

const (
	afterSuccessor moment = iota // as soon as another attempt at the same unit succeeded
	afterRound                   // when the execution ended
	atLast                       // when the job is done
	amid                         // when a segment is done, in this execution or another
	afterFailure                 // when the execution failed and that was recorded
)

// moments are the ones that a seed chooses from.
const moments = 5

// Seed runs the job of a seed to its end. An error is a *Violation, or says that there was no way to try.
func (b *Bed) Seed(ctx context.Context, seed uint64) (Outcome, error) {
	p := newPlan(seed)
	return b.try(ctx, p, b.variants[p.random("variant").IntN(len(b.variants))])
}

// try runs a job under a plan to its end.
func (b *Bed) try(ctx context.Context, p *plan, v variant) (Outcome, error) {
	began := time.Now()
	folder, err := os.MkdirTemp(b.dir, "seed-")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(folder)
	t, err := b.trial(ctx, folder, p, v)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Seed: p.seed, Route: v.name}
	err = t.run(ctx, &o)
	o.Faults, o.Elapsed = p.done, time.Since(began)
	if closer, ok := t.ledger.inner.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return o, err
	}
	t.broken = append(t.broken, t.ledger.violations()...)
	if len(t.broken) > 0 {
		return o, &Violation{Seed: p.seed, What: t.broken, Plan: p.told(), Route: v.name}
	}
	return o, nil
}

func (b *Bed) trial(ctx context.Context, folder string, p *plan, v variant) (*trial, error) {
	t := &trial{bed: b, plan: p, variant: v, dir: folder}
	pieces, err := dir.New(filepath.Join(folder, "scratch", "pieces"))
	if err != nil {
		return nil, err
	}
	book, err := sqlite.Open(ctx, filepath.Join(folder, "scratch", "ledger.db"))
	if err != nil {
		return nil, err
	}
	t.pieces, t.ledger = &store{pieces, "scratch"}, newBook(book)
	if err := os.MkdirAll(t.temp(), 0o755); err != nil {
		return nil, err
	}
	t.worker = &stage.Worker{
		Ledger: t.ledger, Scratch: t.pieces, Items: t.pieces, Bucket: bucket, Resolve: resolve, Tools: b.tools,
		Temp: t.temp(), Owner: "faults", Observe: func(e stage.Event) {
			if e.Type == stage.Started {
				t.ledger.started(e.Unit, e.Attempt)
			}
		},
	}
	return t, nil
}

const bucket = "scratch"

func (t *trial) temp() string { return filepath.Join(t.dir, "temp") }
func (t *trial) out() string  { return filepath.Join(t.dir, "out") }

// resolve finds a file on this machine, behind a store that suffers.
func resolve(_ context.Context, url string) (blob.Store, string, error) {
	s, err := dir.New(filepath.Dir(url))
	return &store{s, "files"}, filepath.Base(url), err
}

func (t *trial) violate(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = append(t.broken, fmt.Sprintf(format, args...))
}

// run is the life of a job: executions that suffer, one that does not where none of them succeeded, what goes on after
// that, and a last execution that must find nothing to do.
func (t *trial) run(ctx context.Context, o *Outcome) error {
	most := 1 + t.plan.random("rounds").IntN(3)
	for done := false; !done; {
		o.Rounds++
		time.Sleep(2 * time.Millisecond) // executions of one request are told apart by when they started, to the millisecond
		r := &round{trial: t, number: o.Rounds, calm: o.Rounds > most, deliveries: map[string]int{}}
		err := r.run(ctx)
		t.release(func(p parked) bool { return p.until == afterSuccessor || p.until == afterRound || r.crashed() })
		t.check(fmt.Sprintf("after round %d", o.Rounds), err == nil)
		switch {
		case err == nil:
			done = true
		case r.crashed():
			o.Crashed++
		default:
			o.Failed++
			t.failed(ctx, r, err)
		}
		if !done && r.calm {
			t.violate("nothing was in the way of round %d, and it failed: %v", o.Rounds, err)
			break
		}
	}
	before := t.plan.count()
	t.release(func(parked) bool { return true })
	if !t.settle() {
		return nil
	}
	t.check("at the end", true)
	if t.plan.count() == before { // who was killed now cannot have tidied up
		t.empty("at the end", "scratch/pieces", "temp")
	}
	t.again(ctx)
	return nil
}

// again runs the request of a finished job: nothing is to be done, and all that is left behind is cleared away.
func (t *trial) again(ctx context.Context) {
	t.worker.Observe = func(e stage.Event) {
		if e.Type == stage.Started {
			t.violate("the job was done, and %s was begun again", e.Unit)
		}
	}
	r := &round{trial: t, number: 99, calm: true, deliveries: map[string]int{}}
	if err := r.run(ctx); err != nil {
		t.violate("the job was done, and to run it again failed: %v", err)
	}
	t.check("after the last execution", true)
	t.empty("after the last execution", "scratch/pieces", "temp")
	for j, err := range t.ledger.inner.Jobs(ctx) {
		if err != nil || j.State != ledger.JobDone {
			t.violate("the job is %s in the ledger, error %v", j.State, err)
		}
	}
}

// check compares what was published with the undisturbed result.
func (t *trial) check(when string, must bool) {
	got, err := os.ReadFile(filepath.Join(t.out(), t.variant.file))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
	case err != nil:
		t.violate("%s: %v", when, err)
	case !bytes.Equal(got, t.variant.want):
		t.violate("%s the output has other bytes than undisturbed (%d and %d)", when, len(got), len(t.variant.want))
	}
}

// empty checks that nothing but folders is left in some of the trial's folders.
func (t *trial) empty(when string, folders ...string) {
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

// failed tells Finish of a failed execution, as EventBridge does on AWS, and checks what is recorded.
func (t *trial) failed(ctx context.Context, r *round, err error) {
	kind := fault.KindOf(err)
	name := string(kind)
	var state *asl.Error
	if errors.As(err, &state) {
		name = state.Name
	}
	if kind == "" || name == "" {
		t.violate("round %d failed without a kind: %v", r.number, err)
	}
	in, _ := json.Marshal(film.FinishInput{Execution: r.name(), Status: "FAILED", Error: name, Cause: err.Error()})
	told := errors.New("not told yet")
	for n := 0; told != nil && n < 3; n++ { // EventBridge and Lambda try an asynchronous call three times
		_, told = r.attempt(ctx, "finish", fmt.Sprintf("failure, delivery %d", n), t.worker.Handlers()["finish"], in)
	}
	_, err = t.ledger.inner.JobOf(ctx, r.name())
	if errors.Is(err, ledger.ErrNotFound) || told != nil {
		return // it failed before it was a job, or nobody could record it
	}
	t.goOn(afterFailure)
	record, err := t.ledger.inner.JobOf(ctx, r.name())
	if err != nil || (record.State == ledger.JobFailed && (record.Failure == nil || record.Failure.Kind == "")) || record.State == ledger.JobRunning {
		t.violate("round %d failed with %s, and the ledger says %s %+v, error %v", r.number, name, record.State, record.Failure, err)
	}
}

// park keeps an attempt until its moment comes.
func (t *trial) park(a *attempt) chan struct{} {
	p := parked{attempt: a, until: t.plan.until, release: make(chan struct{})}
	if t.plan.script == nil {
		p.until = moment(t.plan.random(a.name, "until").IntN(moments))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.round.ending() && p.until == afterRound {
		close(p.release) // nobody would come to release it
		return p.release
	}
	t.parked = append(t.parked, p)
	return p.release
}

// goOn lets those go on whose moment has come, and waits until they are through.
func (t *trial) goOn(m moment) {
	t.mu.Lock()
	var through []chan struct{}
	for _, p := range t.parked {
		if p.until == m {
			through = append(through, p.attempt.through)
		}
	}
	t.mu.Unlock()
	t.release(func(p parked) bool { return p.until == m })
	for _, c := range through {
		select {
		case <-c:
		case <-time.After(stuck):
			t.violate("a stage that was given up did not end within %v", stuck)
		}
	}
}

func (t *trial) release(which func(parked) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept []parked
	for _, p := range t.parked {
		if which(p) {
			close(p.release)
		} else {
			kept = append(kept, p)
		}
	}
	t.parked = kept
}

// settle waits for what still runs.
func (t *trial) settle() bool {
	done := make(chan struct{})
	go func() {
		t.running.Wait()
		close(done)
	}()
	for deadline := time.Now().Add(stuck); time.Now().Before(deadline); {
		select {
		case <-done:
			return true
		case <-time.After(5 * time.Millisecond):
			t.release(func(parked) bool { return true }) // who stopped only now
		}
	}
	t.violate("what was left running did not end within %v", stuck)
	return false
}

// round is one execution.
type round struct {
	trial  *trial
	number int
	calm   bool // nothing more befalls it

	dying atomic.Bool
	over  atomic.Bool

	mu   sync.Mutex
	stop context.CancelCauseFunc
	live []*attempt

	deliveries map[string]int
}

func (r *round) name() string  { return fmt.Sprintf("faults-%d-%d", r.trial.plan.seed, r.number) }
func (r *round) crashed() bool { return r.dying.Load() }
func (r *round) ending() bool  { return r.over.Load() }

var errCrashed = errors.New("the process was killed")

// crash ends the process in which everything of this round runs.
func (r *round) crash() {
	r.dying.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop(errCrashed)
	for _, a := range r.live {
		a.stop(errCrashed)
	}
}

func (r *round) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stuck, errors.New("stuck"))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.stop = stop
	req := r.trial.variant.request
	req.Destination = r.trial.out()
	input, err := json.Marshal(req)
	if err != nil {
		return err
	}
	tasks := map[string]asl.Task{}
	for name, handle := range r.trial.worker.Handlers() {
		tasks[arn(name)] = func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
			return r.deliver(ctx, name, handle, in.Arguments)
		}
	}
	tasks[batchARN] = func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
		return r.batch(ctx, in.Arguments)
	}
	_, err = r.trial.bed.machine.Run(ctx, asl.Execution{
		ID: r.name(), Name: r.name(), Input: input, Tasks: tasks, Items: r.items,
		Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }, // nothing to wait for
		Rand:  func() float64 { return 0 },
	})
	r.over.Store(true)
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) || err != nil && ctx.Err() != nil && !r.crashed() {
		r.trial.violate("round %d was still at work after %v: %v", r.number, stuck, err)
	}
	return err
}

// items opens what the Distributed Map reads. The service does that by itself, so it cannot be killed there.
func (r *round) items(ctx context.Context, source asl.ItemSource) (io.ReadCloser, error) {
	p, n := r.trial.plan, r.count("items")
	body, err := r.trial.pieces.inner.Open(ctx, source.Key, 0, -1)
	if err != nil || r.calm {
		return body, err
	}
	where := fmt.Sprintf("round %d, items #%d", r.number, n)
	switch k := p.decide([]choice{{ErrorBefore, 1}, {Truncated, 1}}, 1, where); k {
	case ErrorBefore:
		p.note(k, "%s", where)
		_ = body.Close()
		return nil, errReader(where)
	case Truncated:
		p.note(k, "%s", where)
		defer body.Close()
		data, err := io.ReadAll(body)
		return &cut{bytes.NewReader(data[:p.random(where, "length").IntN(len(data)+1)]), errReader(where)}, err
	}
	return body, nil
}

// count counts how often something was asked for in this round.
func (r *round) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.deliveries[what]
	r.deliveries[what]++
	return n
}

// unit names what a stage is asked to work on, without the job's ID, which depends on the folder.
func unit(stage string, input json.RawMessage) string {
	var in struct {
		Segment *int
		Piece   *int
		Output  *string
	}
	if json.Unmarshal(input, &in) != nil {
		return stage
	}
	switch {
	case in.Segment != nil:
		return fmt.Sprintf("%s %d", stage, *in.Segment)
	case in.Piece != nil:
		return fmt.Sprintf("%s %d", stage, *in.Piece)
	case in.Output != nil:
		return stage + " " + *in.Output
	}
	return stage
}

// batch stands for submitJob.sync: the stage that the job's environment names, tried again where it was Transient as the
// job definition says.
func (r *round) batch(ctx context.Context, arguments json.RawMessage) (json.RawMessage, error) {
	var submit struct {
		ContainerOverrides struct {
			Environment []struct{ Name, Value string }
		}
	}
	var task struct {
		Stage string
		Input json.RawMessage
	}
	err := json.Unmarshal(arguments, &submit)
	if err == nil {
		err = json.Unmarshal([]byte(submit.ContainerOverrides.Environment[0].Value), &task)
	}
	if err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		out, err := r.deliver(ctx, task.Stage, r.trial.worker.Handlers()[task.Stage], task.Input)
		if err == nil || n == batchAttempts || fault.KindOf(err) != fault.Transient {
			return out, err
		}
	}
}

// batchAttempts is how often Batch starts a job: infra's own number.
const batchAttempts = 4

// deliver hands a task to a worker, or to two.
func (r *round) deliver(ctx context.Context, name string, handle stage.Handler, input json.RawMessage) (json.RawMessage, error) {
	u := unit(name, input)
	n := r.count(u)
	where := fmt.Sprintf("round %d, %s, delivery %d", r.number, u, n)
	p := r.trial.plan
	var k Kind
	if !r.calm {
		k = p.decide(delivery, 2, where)
	}
	if k != "" {
		p.note(k, "%s", where)
	}
	switch k {
	case Again:
		if _, err := r.attempt(ctx, u, where+" (first)", handle, input); ctx.Err() != nil {
			return nil, err
		}
	case Twins:
		twin := make(chan struct{})
		go func() {
			defer close(twin)
			_, _ = r.attempt(ctx, u, where+" (twin)", handle, input)
		}()
		defer func() { <-twin }()
	}
	return r.attempt(ctx, u, where, handle, input)
}

// service is an error of the services between the machine and the stage: its name is all that counts.
type service string

func (e service) Error() string     { return "the stage was lost: " + string(e) }
func (e service) ErrorName() string { return string(e) }

// losses are what Step Functions sees of a stage that died or does not answer.
var losses = []service{
	"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.ClientExecutionTimeoutException",
	"Sandbox.Timedout",
}

// attempt runs a stage once, and answers as its service would.
func (r *round) attempt(ctx context.Context, u, name string, handle stage.Handler, input json.RawMessage) (json.RawMessage, error) {
	t := r.trial
	a := &attempt{round: r, name: name, unit: u, gone: make(chan struct{}), through: make(chan struct{}), seen: map[string]int{}}
	own, stop := context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), attemptKey{}, a))
	a.stop = stop
	r.mu.Lock()
	r.live = append(r.live, a)
	r.mu.Unlock()
	if r.crashed() {
		return nil, errCrashed
	}
	type answer struct {
		out json.RawMessage
		err error
	}
	answered := make(chan answer, 1)
	t.running.Go(func() {
		defer close(a.through)
		defer stop(nil)
		out, err := handle(own, input)
		if err == nil && !a.isDead() {
			t.release(func(p parked) bool {
				return p.until == afterSuccessor && p.attempt.unit == u || p.until == amid && strings.HasPrefix(u, "encode ")
			})
		}
		answered <- answer{out, err}
	})
	lost := losses[0]
	if t.plan.script == nil {
		lost = losses[t.plan.random(name, "lost").IntN(len(losses))]
	}
	select {
	case got := <-answered:
		if a.isDead() {
			return nil, lost
		}
		return got.out, got.err
	case <-a.gone:
		return nil, lost
	case <-ctx.Done():
		if !r.calm && t.plan.random(name, "orphan").IntN(2) == 0 && !r.crashed() {
			t.plan.note(Orphan, "%s", name)
			return nil, context.Cause(ctx)
		}
		stop(context.Cause(ctx))
		select {
		case <-answered:
		case <-a.gone:
		}
		return nil, context.Cause(ctx)
	}
}
