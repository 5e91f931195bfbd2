package local

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
)

// When units get a second try. It takes cores, and the first try slows down with it: so not for units that are long because of what is
// in them, as far as that can be told apart.
const (
	twinLeast = 20 * time.Second
	twinEvery = time.Second
)

// withTwins looks for units that run far longer than their peers: once a unit is done and its slot is free for others, and once one has
// run long enough to be such a unit itself. The latter is for the unit that begins last, or alone after others were done by an earlier
// run: no other is done after it. The state machine does not wait for it.
func (r *runner) withTwins(handle engine.Handler) engine.Handler {
	long := r.withSlot(func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r.lookFrom(ctx, input, true)
		return handle(ctx, input)
	})
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		out, err := long(ctx, input)
		if err == nil {
			r.lookFrom(ctx, input, false)
		}
		return out, err
	}
}

// lookFrom looks for slow units of the kind of the unit that has input. While that unit is running, it first waits until the unit may count
// as slow itself, and gives up if ctx ends before.
func (r *runner) lookFrom(ctx context.Context, input json.RawMessage, running bool) {
	var in engine.RunInput
	if r.look == nil || json.Unmarshal(input, &in) != nil || in.Unit == "" {
		return
	}
	r.look(func(ran context.Context) {
		if running {
			select {
			case <-time.After(r.engine.Twins.Least):
			case <-ctx.Done():
				return
			case <-ran.Done():
				return
			}
		}
		r.engine.Twin(ran, in)
	})
}

// watch begins what withTwins needs, until ctx or the run ends. The caller calls stop, which waits for second tries to end.
func (r *runner) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup // each ends soon, unless all other units have begun
	r.look = func(find func(ctx context.Context)) { watchers.Go(func() { find(ctx) }) }
	return func() {
		cancel(errRunEnded)
		watchers.Wait()
	}
}

// errRunEnded is why second tries stop that were not needed.
var errRunEnded = fault.New(fault.Transient, "the run has ended")

// twin is a second try that is under way.
type twin struct {
	attempt int
	began   time.Time
}

// countTwin counts the second tries of a run from its events.
func (r *runner) countTwin(e engine.Event) {
	under := r.twin[e.Unit]
	switch {
	case e.Type == engine.Twinned:
		r.twins.Tried++
		r.twin[e.Unit] = twin{e.Attempt, time.Now()}
	case under.attempt == 0 || under.attempt != e.Attempt:
	case e.Type == engine.Done:
		r.twins.First++
		fallthrough
	case e.Type == engine.Skipped:
		r.twins.Spent += time.Since(under.began)
		delete(r.twin, e.Unit)
	}
}
