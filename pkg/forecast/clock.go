package forecast

import (
	"container/heap"
	"context"
	"errors"
	"time"
)

// clock runs what is to happen in the order of its time. Of what happens at one time, the first that was asked for comes first.
type clock struct {
	now    int64 // nanoseconds since the start
	queue  events
	count  int
	ended  bool
	serial int
}

type event struct {
	at     int64
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push and Pop are for container/heap.
func (e *events) Push(x any) { *e = append(*e, x.(event)) } //nolint:forcetypeassert,errcheck // heap.Push below passes events

func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// after has do called when that time has passed.
func (c *clock) after(d time.Duration, do func()) {
	c.serial++
	heap.Push(&c.queue, event{c.now + max(int64(d), 0), c.serial, do})
}

func (c *clock) stop() { c.ended = true }

// errStuck says that nothing is left to happen before the job has ended.
var errStuck = errors.New("the simulated job waits for something that never happens")

// maxEvents is far more than any job has.
const maxEvents = 50_000_000

// loop lets everything happen until the job has ended.
func (c *clock) loop(ctx context.Context) error {
	for !c.ended {
		if len(c.queue) == 0 || c.count > maxEvents {
			return errStuck
		}
		if c.count++; c.count%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e, _ := heap.Pop(&c.queue).(event)
		c.now = e.at
		e.do()
	}
	return nil
}

// bucket is a quota: so many a second, and so many at once after a rest.
type bucket struct {
	rate, burst float64
	left        float64
	at          int64
	used        bool
}

// fill adds what has come since the last time.
func (b *bucket) fill(now int64) {
	if !b.used {
		b.left, b.used = b.burst, true
	}
	b.left = min(b.burst, b.left+float64(now-b.at)/1e9*b.rate)
	b.at = now
}

// take takes n if there are so many.
func (b *bucket) take(now int64, n float64) bool {
	b.fill(now)
	if b.left < n {
		return false
	}
	b.left -= n
	return true
}

// wait takes n, and returns how long it takes until there were so many: clients try again until they have them.
func (b *bucket) wait(now int64, n float64) time.Duration {
	b.fill(now)
	b.left -= n
	if b.left >= 0 {
		return 0
	}
	return time.Duration(-b.left / b.rate * 1e9)
}
