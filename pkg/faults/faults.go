// Package faults breaks what a job rests on, by a plan that a seed decides, and watches what becomes of the job. Tests
// and the soak program import it; nothing that ships does.
//
// A seed runs whole jobs through the real definition, stages, stores and ledger, and puts in between: calls that fail
// before or after their effect, wait, are made twice, or read less than there is; stages that die at a call, or stop there
// and go on when nobody waits for them any more; tasks delivered twice, one after the other or at once; and the death of
// the whole process. Where the job failed, the same request is run again.
//
//	bed, err := faults.NewBed(ctx, faults.Options{Dir: dir, Tools: tools})
//	outcome, err := bed.Seed(ctx, 7) // err is a *Violation where a promise was broken
//
// Every decision follows from the seed and from what is asked: the round, the stage, its unit, the delivery, the call and
// how often it was made before. So goroutines that meet otherwise do not change what a call is to suffer.
//
// There are no stale reads: S3 has been strongly consistent since 2020, every read of the DynamoDB ledger asks for
// consistency, and a folder and SQLite know nothing else.
package faults

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// Kind is a kind of fault.
type Kind string

const (
	ErrorBefore Kind = "error before the effect"
	ErrorAfter  Kind = "error after the effect"
	Delay       Kind = "delay"
	Truncated   Kind = "truncated read" // that says so
	Short       Kind = "short read"     // that looks like the end
	Twice       Kind = "call made twice"
	KillBefore  Kind = "stage killed before a call"
	KillAfter   Kind = "stage killed after a call"
	Zombie      Kind = "stage given up and going on later"
	Orphan      Kind = "stage outliving its execution"
	Crash       Kind = "whole process killed"
	Again       Kind = "task delivered twice"
	Twins       Kind = "two workers at once"
)

// Kinds lists every kind, in the order of their declaration.
func Kinds() []Kind {
	return []Kind{
		ErrorBefore, ErrorAfter, Delay, Truncated, Short, Twice, KillBefore, KillAfter, Zombie, Orphan, Crash, Again, Twins,
	}
}

// choice is a kind and how often it is chosen among others.
type choice struct {
	kind   Kind
	weight int
}

// What may befall a call that changes something, one that only asks, one that opens an object, and a delivery.
var (
	changing = []choice{{ErrorBefore, 15}, {ErrorAfter, 20}, {Delay, 10}, {Twice, 15}, {KillBefore, 6}, {KillAfter, 12}, {Zombie, 12}, {Crash, 4}}
	asking   = []choice{{ErrorBefore, 30}, {Delay, 10}, {KillBefore, 10}, {Zombie, 8}, {Crash, 3}}
	opening  = []choice{{ErrorBefore, 20}, {Truncated, 20}, {Short, 3}, {Delay, 10}, {KillBefore, 10}, {Zombie, 5}, {Crash, 3}}
	delivery = []choice{{Again, 10}, {Twins, 10}}
)

// plan is what a seed decides. The zero value does nothing.
type plan struct {
	seed    uint64
	perMill int // how many of a thousand calls suffer something

	// A script says what is to happen and leaves nothing to the seed: what befalls whom, and when zombies go on.
	script map[string]Kind
	until  moment

	mu    sync.Mutex
	done  map[Kind]int
	lines []string
}

// intensities are the shares of calls that suffer, in thousandths: from a fault a job to hardly a call in peace.
var intensities = []int{8, 20, 50, 120}

func newPlan(seed uint64) *plan {
	p := &plan{seed: seed, done: map[Kind]int{}}
	p.perMill = intensities[p.random("intensity").IntN(len(intensities))]
	return p
}

// random gives numbers that depend on the seed and the parts only.
func (p *plan) random(parts ...any) *rand.Rand {
	h := fnv.New64a()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%v\x00", part) // a hash takes everything
	}
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

// decide says what befalls whoever parts name; "" is nothing.
func (p *plan) decide(among []choice, factor int, parts ...any) Kind {
	if p.script != nil {
		return p.script[strings.TrimSuffix(fmt.Sprintln(parts...), "\n")]
	}
	r := p.random(parts...)
	if r.IntN(1000) >= p.perMill*factor {
		return ""
	}
	total := 0
	for _, c := range among {
		total += c.weight
	}
	n := r.IntN(total)
	for _, c := range among {
		if n -= c.weight; n < 0 {
			return c.kind
		}
	}
	return ""
}

// note records a fault that was done.
func (p *plan) note(k Kind, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[k]++
	p.lines = append(p.lines, fmt.Sprintf(format, args...)+": "+string(k))
}

// count is how many faults were done so far.
func (p *plan) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, of := range p.done {
		n += of
	}
	return n
}

func (p *plan) told() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// Violation says that a promise was broken, and how to see it again.
type Violation struct {
	Seed  uint64
	What  []string
	Plan  []string // the faults that were done, in their order
	Route string   // what kind of job it was
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d (%s): %s\nthe faults, in their order:\n  %s", v.Seed, v.Route, strings.Join(v.What, "\n  and "),
		strings.Join(v.Plan, "\n  "))
}
