package process

import (
	"context"
	"sync/atomic"
	"time"
)

// Counter adds up what programs consume. The zero value has counted nothing.
type Counter struct{ cpu atomic.Int64 }

// CPU returns the user and system time of the programs that have ended.
func (c *Counter) CPU() time.Duration { return time.Duration(c.cpu.Load()) }

type counterKey struct{}

// WithCounter returns a context under which Run adds the time of its program to c. Programs that run at the same time under other
// contexts are not counted.
func WithCounter(ctx context.Context, c *Counter) context.Context {
	return context.WithValue(ctx, counterKey{}, c)
}

// count adds the usage of a program to the counter of the context, if it has one.
func count(ctx context.Context, u Usage) {
	if c, ok := ctx.Value(counterKey{}).(*Counter); ok {
		c.cpu.Add(int64(u.CPU))
	}
}
