package engine

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// RunInput names a unit.
type RunInput struct {
	Job    string `json:"job"`
	Unit   string `json:"unit"`
	Reason string `json:"reason,omitempty"` // the error of the place where it was tried first
}

// outcome is what the ledger holds of a finished unit.
type outcome struct {
	work.Result
	Reason  string `json:"reason,omitempty"`  // why it ran where it ran, if not at the first place
	Elapsed int64  `json:"elapsed,omitempty"` // milliseconds that the attempt took; what it cost follows from it
}

func decodeResult(u ledger.Unit) (work.Result, error) {
	var o outcome
	return o.Result, fault.Wrap(fault.Corrupt, json.Unmarshal(u.Facts, &o), "result of "+u.ID)
}

// Run does one unit. A unit that is done already is left as it is. Where another attempt was first, the artifacts of this one
// are removed.
func (e *Engine) Run(ctx context.Context, in RunInput) (None, error) {
	kind, err := e.Registry.Kind(in.Unit)
	if err != nil {
		return None{}, err
	}
	job, p, err := e.job(ctx, in.Job)
	if err == nil {
		err = e.renew(ctx, job, p)
	}
	if err != nil {
		return None{}, err
	}
	if err := ctx.Err(); err != nil {
		return None{}, classify(ctx, err)
	}
	// A worker that is stopped before it has the ledger's answer would not know that it has begun, and would leave an
	// attempt that seems to run on.
	begin, cancel := extendForRecording(ctx)
	u, err := e.Ledger.Begin(begin, p.ID, in.Unit, e.Worker, lease(ctx))
	cancel()
	if errors.Is(err, ledger.ErrNotFound) {
		return None{}, fault.New(fault.NotFound, "%s of job %s is not in the ledger; it may have expired", in.Unit, p.ID)
	}
	if err != nil {
		return None{}, err
	}
	if u.State == ledger.Done {
		e.emit(Event{Type: Skipped, Job: p.ID, Unit: u.ID})
		return None{}, nil
	}
	e.emit(Event{Type: Started, Job: p.ID, Unit: u.ID, Attempt: u.Attempt})
	began := time.Now()
	metered, used := e.measure(ctx, u)
	working, stop := e.watchSuperseded(metered, u)
	var latest progress
	result, err := e.attempt(working, kind, p, u, latest.note)
	stop()
	took := time.Since(began).Milliseconds()
	var helped, saved time.Duration
	switch {
	case err != nil && errors.Is(context.Cause(working), errSuperseded):
		saved = e.superseded(ctx, u, result.Artifacts, &latest, time.Since(began))
		err = nil
	case err != nil:
		err = e.failed(ctx, u, result.Artifacts, err)
	default:
		err = e.completed(ctx, u, outcome{result, in.Reason, took})
	}
	if err == nil && e.Twins != nil && e.Twins.InRun {
		before := time.Now()
		e.Twin(metered, in)
		helped = time.Since(before)
	}
	use := used(result)
	if use != nil {
		use.Helped, use.Saved = helped.Milliseconds(), saved.Milliseconds()
	}
	e.recordUse(ctx, u, use)
	return None{}, err
}

// attempt has the unit's kind do it, in a working folder of its own. note is called with how much is done, as progress.
func (e *Engine) attempt(ctx context.Context, kind work.Kind, p work.Plan, u ledger.Unit, note func(work.Amount)) (result work.Result, err error) {
	if e.Record != nil {
		var end func(error)
		ctx, end = e.Record(ctx, p.ID, u.ID, u.Attempt)
		defer func() { end(err) }()
	}
	var record unitRecord
	if err := json.Unmarshal(u.Spec, &record); err != nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
	}
	dir, remove, err := e.workingFolder(p.ID)
	if err != nil {
		return work.Result{}, err
	}
	defer remove()
	if p.Open && !slices.ContainsFunc(p.Phases, func(phase work.Phase) bool { return phase.Name == record.Phase }) {
		// The job's record holds the plan of an Analyse that was given up, and went on after the plan had been extended.
		if p, err = e.extended(ctx, p); err != nil {
			return work.Result{}, err
		}
	}
	env := &work.Env{
		Job: p.ID, Doc: p.Doc, Unit: u.ID, Attempt: u.Attempt, Dir: dir,
		Scratch: e.Scratch, Resolve: e.Resolve, Results: results{e.Ledger, p.ID}, Session: e.Session,
		Progress: func(a work.Amount) {
			note(a)
			e.emit(Event{Type: Progress, Job: p.ID, Unit: u.ID, Attempt: u.Attempt, Amount: a})
		},
		Log: e.logger().With("job", p.ID, "unit", u.ID, "attempt", u.Attempt),
	}
	if e.Memory != nil {
		env.Memory = e.Memory(record.Needs)
	}
	needs := record.Needs
	needs.Route = e.route(needs) // a kind may rely on it: without a queue, no Batch job takes over
	return kind.Run(ctx, env, work.Unit{Name: u.ID, Spec: record.Spec, Needs: needs})
}

// failed records that an attempt failed, also where ctx is over: that is when it matters. It discards what the attempt has written,
// and returns the error to report.
func (e *Engine) failed(ctx context.Context, u ledger.Unit, artifacts []work.Artifact, err error) error {
	err = classify(ctx, giveUpOnCrashes(err, u.Attempt))
	e.emit(Event{Type: Failed, Job: u.Job, Unit: u.ID, Attempt: u.Attempt, Error: err.Error()})
	// A ledger that cannot be reached now must not hide what went wrong.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	failure := ledger.Failure{Kind: string(fault.KindOf(err)), Message: message(err)}
	lerr := e.Ledger.Fail(last, u.Job, u.ID, u.Attempt, failure)
	if lerr != nil && !errors.Is(lerr, ledger.ErrConflict) {
		e.logger().WarnContext(ctx, "failure not recorded", "job", u.Job, "unit", u.ID, "error", lerr)
	}
	e.discard(last, u.Job, artifacts)
	return err
}

// completed records the result of an attempt.
func (e *Engine) completed(ctx context.Context, u ledger.Unit, o outcome) error {
	data, err := json.Marshal(o)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "result of "+u.ID)
	}
	e.announce(ctx, u, o.Announcements)
	last, cancel := extendForRecording(ctx)
	defer cancel()
	err = e.Ledger.Complete(last, u.Job, u.ID, u.Attempt, data)
	if errors.Is(err, ledger.ErrConflict) {
		// It is done already: by another attempt, or by this one, where the answer was lost and a client asked again.
		won, err := e.Ledger.Unit(last, u.Job, u.ID)
		switch {
		case err != nil: // what may be the result must not be removed
			e.logger().WarnContext(ctx, "superfluous artifacts kept", "job", u.Job, "unit", u.ID, "error", err)
		case won.Attempt != u.Attempt:
			e.discard(last, u.Job, o.Artifacts)
		}
		e.emit(Event{Type: Skipped, Job: u.Job, Unit: u.ID, Attempt: u.Attempt})
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range o.Warnings {
		e.emit(Event{Type: Warning, Job: u.Job, Unit: u.ID, Attempt: u.Attempt, Error: w})
	}
	e.emit(Event{Type: Done, Job: u.Job, Unit: u.ID, Attempt: u.Attempt, Amount: o.Done})
	for _, a := range o.Announcements {
		e.emit(Event{Type: EventType(a.Type), Job: u.Job, Unit: u.ID, Attempt: u.Attempt, Detail: a.Detail})
	}
	if o.URL != "" {
		e.emit(Event{Type: Published, Job: u.Job, Unit: u.ID, Attempt: u.Attempt, Amount: o.Done, URL: o.URL})
	}
	return nil
}

// announceTime is how long a worker tries to tell what it has made. Its result matters more.
const announceTime = 10 * time.Second

// announce tells other programs what an attempt has made available. A failure costs nothing but the news.
func (e *Engine) announce(ctx context.Context, u ledger.Unit, list []work.Announcement) {
	if e.Announce == nil || len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, announceTime)
	defer cancel()
	if err := e.Announce(ctx, u.Job, list); err != nil {
		e.logger().WarnContext(ctx, "finished work not announced", "job", u.Job, "unit", u.ID, "error", err)
	}
}

// discard removes the artifacts of an attempt whose result does not count. Those that attempts share stay as long as the job is
// under way: every attempt writes the same bytes there. After its end they would stay for ever, because Finish has cleared the
// scratch before this attempt wrote them. What cannot be removed now goes with the job's scratch, or expires with the bucket's
// objects.
func (e *Engine) discard(ctx context.Context, job string, artifacts []work.Artifact) {
	failed := func(a work.Artifact, err error) {
		e.logger().WarnContext(ctx, "superfluous artifact not removed", "job", job, "key", a.Key+a.Prefix, "error", err)
	}
	for _, a := range artifacts {
		switch {
		case a.OfAttempt():
			if err := e.Scratch.Delete(ctx, a.Key); err != nil {
				failed(a, err)
			}
		case a.Prefix != "" && !e.Keep:
			record, err := e.Ledger.Job(ctx, job)
			if err == nil && record.State == ledger.JobDone {
				err = e.deleteBelow(ctx, a.Prefix)
			}
			if err != nil {
				failed(a, err)
			}
		}
	}
}

// maxCrashes is how many attempts at a unit a program may crash in before that counts as final. It is less than the state
// machine's retries of what is Transient, which wait ever longer.
const maxCrashes = 3

// giveUpOnCrashes makes every third crash of a unit's program final. Attempts go on counting when the job is run again, so
// that it is tried then, too, before it is given up.
func giveUpOnCrashes(err error, attempt int) error {
	var exit interface {
		error
		Name() string
		Crashed() bool
	}
	if !errors.As(err, &exit) || !exit.Crashed() || attempt%maxCrashes != 0 || fault.KindOf(err) != fault.Transient {
		return err
	}
	return &fault.Error{
		Kind: fault.Unsupported, Err: err,
		Hint: exit.Name() + " crashes there each time: try another release of it, another codec or another preset. " +
			"Finished units are kept; the same request does the rest",
	}
}

// lastLines is how many of the last lines that a program wrote are recorded with its failure.
const lastLines = 5

// message returns the text of an error as it is recorded: with the last lines of the program that failed.
func message(err error) string {
	var exit interface {
		error
		LastLines(n int) []string
	}
	if !errors.As(err, &exit) {
		return err.Error()
	}
	text := err.Error()
	repeated := func(line string) bool { return strings.Contains(text, line+" (") } // it explains the exit: see process.ExitError
	return strings.Join(append([]string{text}, slices.DeleteFunc(exit.LastLines(lastLines), repeated)...), "\n")
}

// results reads results from the ledger.
type results struct {
	ledger ledger.Ledger
	job    string
}

func (r results) Result(ctx context.Context, unit string) (work.Result, bool, error) {
	u, err := r.ledger.Unit(ctx, r.job, unit)
	if errors.Is(err, ledger.ErrNotFound) {
		return work.Result{}, false, fault.New(fault.NotFound, "%s of job %s is not in the ledger; it may have expired", unit, r.job)
	}
	if err != nil || u.State != ledger.Done {
		return work.Result{}, false, err
	}
	result, err := decodeResult(u)
	return result, err == nil, err
}

func (r results) All(ctx context.Context, prefix string) iter.Seq2[work.Finished, error] {
	return func(yield func(work.Finished, error) bool) {
		for u, err := range r.ledger.Units(ctx, r.job, prefix) {
			f := work.Finished{Unit: u.ID}
			switch {
			case err != nil:
			case u.State != ledger.Done:
				err = fault.New(fault.Corrupt, "%s is %s, not done", u.ID, u.State)
			default:
				f.Result, err = decodeResult(u)
			}
			if !yield(f, err) {
				return
			}
		}
	}
}
