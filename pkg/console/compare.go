package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
)

// Fraction is how much of a comparison is done, from 0 to 1.
type Fraction float64

// Comparison is how an output compares with its source.
type Comparison struct {
	Report json.RawMessage // as mapreel verify --json prints it
	Plot   []byte          // SVG
}

// The states of a comparison.
const (
	compareWaits = "waiting"
	compareRuns  = "running"
	compareDone  = "done"
	compareFails = "failed"
)

// comparison is a comparison that a person asked for on the page of an output.
type comparison struct {
	key    string // of the output
	state  string
	done   Fraction
	result Comparison
	fault  string
	cancel context.CancelFunc
}

// comparisons runs one comparison at a time: each uses the whole machine. It keeps the newest results, until the server ends.
type comparisons struct {
	mu      sync.Mutex
	base    context.Context //nolint:containedctx // of the server, which comparisons outlive the request for
	list    []*comparison   // the newest is the last
	turn    sync.Mutex      // held by the one that runs
	running sync.WaitGroup  // at most maxComparisons
}

// maxComparisons bounds the comparisons that wait, run, or are remembered.
const maxComparisons = 16

// run lets comparisons begin until the function that it returns is called, which ends them.
func (c *comparisons) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	c.base = ctx
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		c.base = nil
		c.mu.Unlock()
		cancel()
		c.running.Wait()
	}
}

// of returns the comparison of an output as it stands; nil if there is none.
func (c *comparisons) of(key string) *comparison {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.list, func(x *comparison) bool { return x.key == key })
	if i < 0 {
		return nil
	}
	now := *c.list[i]
	return &now
}

// start begins a comparison, unless one of the same output waits or runs. It waits for the others, and then for a slot.
func (c *comparisons) start(
	key string, slot func(context.Context) (func(), error), compare func(context.Context, func(Fraction)) (Comparison, error),
) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base == nil {
		return errors.New("the server is about to end")
	}
	ended := func(x *comparison) bool { return x.state == compareDone || x.state == compareFails }
	if i := slices.IndexFunc(c.list, func(x *comparison) bool { return x.key == key }); i >= 0 {
		if !ended(c.list[i]) {
			return nil
		}
		c.list = slices.Delete(c.list, i, i+1)
	}
	if len(c.list) >= maxComparisons {
		i := slices.IndexFunc(c.list, ended)
		if i < 0 {
			return &refusal{http.StatusTooManyRequests, "too many comparisons wait; wait for one to end"}
		}
		c.list = slices.Delete(c.list, i, i+1)
	}
	ctx, cancel := context.WithCancel(c.base)
	x := &comparison{key: key, state: compareWaits, cancel: cancel}
	c.list = append(c.list, x)
	c.running.Go(func() {
		defer cancel()
		c.turn.Lock()
		defer c.turn.Unlock()
		release, err := slot(ctx)
		var result Comparison
		if err == nil {
			defer release()
			c.change(func() { x.state = compareRuns })
			result, err = compare(ctx, func(done Fraction) { c.change(func() { x.done = done }) })
		}
		c.change(func() {
			x.state, x.result, x.done = compareDone, result, 1
			if err != nil {
				x.state, x.fault = compareFails, err.Error()
			}
		})
	})
	return nil
}

func (c *comparisons) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
}

// cancel ends a comparison and forgets it.
func (c *comparisons) cancel(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.list, func(x *comparison) bool { return x.key == key }); i >= 0 {
		c.list[i].cancel()
		c.list = slices.Delete(c.list, i, i+1)
	}
}

// key distinguishes an output from others that were at its path.
func (m made) key() string { return m.job.ARN + " " + m.job.Stopped.String() + " " + m.path }

// compare begins a comparison.
func (s *Server) compare(w http.ResponseWriter, r *http.Request) error {
	var nothing struct{}
	if err := body(w, r, &nothing); err != nil {
		return err
	}
	m, err := s.output(r)
	if err != nil {
		return err
	}
	if s.opts.Verify == nil || m.source == "" {
		return &refusal{http.StatusNotFound, "this output cannot be compared here"}
	}
	if err := local.CheckPath(m.source, s.opts.Roots); err != nil {
		return &refusal{http.StatusForbidden, err.Error()}
	}
	report, err := json.Marshal(map[string]any{"type": "report", "outputs": []any{m.facts}, "warnings": m.stated.Warnings})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "report of the job")
	}
	err = s.tests.start(m.key(), s.slot, func(ctx context.Context, progress func(Fraction)) (Comparison, error) {
		return s.opts.Verify(ctx, m.source, m.path, report, progress)
	})
	if err != nil {
		return err
	}
	return s.comparison(w, r)
}

// slot waits until the machine has room for a comparison.
func (s *Server) slot(ctx context.Context) (release func(), err error) {
	if s.opts.Slot == nil {
		return func() {}, ctx.Err()
	}
	return s.opts.Slot(ctx)
}

// comparison answers with the comparison of an output as it stands.
func (s *Server) comparison(w http.ResponseWriter, r *http.Request) error {
	m, err := s.output(r)
	if err != nil {
		return err
	}
	answer := map[string]any{"state": "none"}
	if x := s.tests.of(m.key()); x != nil {
		answer = map[string]any{"state": x.state, "done": x.done}
		if x.fault != "" {
			answer["problem"] = x.fault
		}
		if x.state == compareDone {
			answer["report"], answer["plot"] = x.result.Report, len(x.result.Plot) > 0
		}
	}
	reply(w, http.StatusOK, answer)
	return nil
}

func (s *Server) cancelComparison(w http.ResponseWriter, r *http.Request) error {
	m, err := s.output(r)
	if err != nil {
		return err
	}
	s.tests.cancel(m.key())
	reply(w, http.StatusOK, map[string]string{"state": "none"})
	return nil
}

// plot serves the drawing of a comparison, as a picture: it has styles of its own, and must not run anything.
func (s *Server) plot(w http.ResponseWriter, r *http.Request) error {
	m, err := s.output(r)
	if err != nil {
		return err
	}
	x := s.tests.of(m.key())
	if x == nil || len(x.result.Plot) == 0 {
		return &refusal{http.StatusNotFound, "there is no drawing"}
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	_, _ = w.Write(x.result.Plot) // the browser may be gone
	return nil
}
