package many

import (
	"context"
	"sync"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/local"
)

// load is what a film that runs has left to do.
type load struct {
	planned bool
	left    int             // units
	ended   map[string]bool // units that ended since the last plan
}

func (l *load) add(e local.Event) {
	switch e.Type {
	case engine.Planned:
		l.planned, l.left, l.ended = true, 0, map[string]bool{}
		for _, g := range e.Groups {
			l.left += max(g.Units-g.Done, 0)
		}
	case engine.Done, engine.Skipped:
		if !l.ended[e.Unit] && l.ended != nil {
			l.ended[e.Unit] = true
			l.left = max(l.left-1, 0)
		}
	}
}

// pool says when the next film begins. All films share the slots of the machine, so more of them at once would not end sooner; they
// would only all be unfinished when the work is interrupted. So a film begins when those before it leave slots idle.
type pool struct {
	slots int

	mu      sync.Mutex
	running map[int]*load
	changed chan struct{} // has an element after a change
}

func (p *pool) admits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	units := 0
	for _, l := range p.running {
		if !l.planned {
			return false // it is not known how many units the film has
		}
		units += max(l.left, 1)
	}
	return units < p.slots
}

func (p *pool) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Run calls do for each of n films, in their order, a few at once, and returns when all have ended. do passes the events of its
// film on. Once ctx ends, no further film begins.
func Run(ctx context.Context, n, slots int, do func(ctx context.Context, i int, observe func(local.Event))) {
	p := &pool{slots: max(slots, 1), running: map[int]*load{}, changed: make(chan struct{}, 1)}
	var all sync.WaitGroup
	defer all.Wait()
	for i := range n {
		for !p.admits() {
			select {
			case <-p.changed:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		l := &load{}
		p.change(func() { p.running[i] = l })
		all.Go(func() {
			defer p.change(func() { delete(p.running, i) })
			do(ctx, i, func(e local.Event) { p.change(func() { l.add(e) }) })
		})
	}
}
