package process

import (
	"context"
	"sync/atomic"
	"time"
)

// Counter adds up what programs consume. The zero value has counted nothing.
type Counter struct {
	cpu, unseen atomic.Int64
	outer       *Counter
}

// CPU returns the user and system time of the programs that have ended.
func (c *Counter) CPU() time.Duration { return time.Duration(c.cpu.Load()) }

// Unseen returns the part of CPU that getrusage(2) does not report of this process's children: see Count.
func (c *Counter) Unseen() time.Duration { return time.Duration(c.unseen.Load()) }

type counterKey struct{}

// WithCounter returns a context under which Run adds the time of its program to c, and to the counters of ctx. Programs that run at the same
// time under other contexts are not counted.
func WithCounter(ctx context.Context, c *Counter) context.Context {
	c.outer, _ = ctx.Value(counterKey{}).(*Counter)
	return context.WithValue(ctx, counterKey{}, c)
}

// Count adds time that a program has measured itself: of processes that are no children of it, or that it did not wait for, so that Run
// cannot see them.
func Count(ctx context.Context, unseen time.Duration) { count(ctx, unseen, unseen) }

// AddCPU adds time to the innermost counter of the context, if it has one: that of a program which runs under another context.
func AddCPU(ctx context.Context, cpu time.Duration) {
	if c, ok := ctx.Value(counterKey{}).(*Counter); ok {
		c.cpu.Add(int64(cpu))
	}
}

// WithDetachedCounter returns a context as WithCounter does, for a program that outlives the unit which starts it: of the counters of ctx, only
// the outermost, that of the whole run, has its time added.
func WithDetachedCounter(ctx context.Context, c *Counter) context.Context {
	for o, _ := ctx.Value(counterKey{}).(*Counter); o != nil; o = o.outer {
		c.outer = o
	}
	return context.WithValue(ctx, counterKey{}, c)
}

// count adds time to the counters of the context.
func count(ctx context.Context, cpu, unseen time.Duration) {
	c, _ := ctx.Value(counterKey{}).(*Counter)
	for ; c != nil; c = c.outer {
		c.cpu.Add(int64(cpu))
		c.unseen.Add(int64(unseen))
	}
}
