// Package chaos injects faults into whole jobs, as a seeded plan decides, and checks what becomes
// of the jobs. Only tests and the soak program import it.
//
// A seed runs whole jobs through the real definition, stages, stores and ledger, with faults in
// between: calls that fail before or after their effect, wait, are repeated, or return less than
// there is; stages that are killed at a call, or that hang there and continue after the service has
// abandoned them; tasks delivered twice, in sequence or concurrently; and the death of the whole
// process. If the job failed, the same request is run again.
//
//	harness, err := chaos.NewHarness(ctx, chaos.Options{Dir: dir, Tools: tools})
//	outcome, err := harness.RunSeed(ctx, 7) // err is a *Violation if a promise was broken
//
// Every decision is a function of the seed and the site: round, stage, unit, delivery, call, and
// how often the call was made before. So a different interleaving of goroutines does not change
// which fault a call gets.
//
// There are no stale reads: S3 has been strongly consistent since 2020, every read of the DynamoDB
// ledger asks for consistency, and a folder and SQLite are consistent anyway.
package chaos

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
	ErrorBefore   Kind = "error before the effect"
	ErrorAfter    Kind = "error after the effect"
	Delay         Kind = "delay"
	TruncatedRead Kind = "truncated read" // that returns an error
	ShortRead     Kind = "short read"     // that looks like the end of the object
	Repeated      Kind = "call repeated"
	KillBefore    Kind = "stage killed before a call"
	KillAfter     Kind = "stage killed after a call"
	Zombie        Kind = "stage abandoned and continuing later"
	Orphan        Kind = "stage outliving its execution"
	Crash         Kind = "whole process killed"
	Redelivered   Kind = "task delivered twice"
	Concurrent    Kind = "two workers at once"
)

// Kinds lists every kind, in order of declaration.
func Kinds() []Kind {
	return []Kind{
		ErrorBefore, ErrorAfter, Delay, TruncatedRead, ShortRead, Repeated, KillBefore, KillAfter, Zombie, Orphan, Crash, Redelivered, Concurrent,
	}
}

// weightedKind is a kind of fault and its relative frequency.
type weightedKind struct {
	kind   Kind
	weight int
}

// These are the faults of a call that changes something, a call that only reads, a call that opens
// an object, and a delivery.
var (
	writeFaults    = []weightedKind{{ErrorBefore, 15}, {ErrorAfter, 20}, {Delay, 10}, {Repeated, 15}, {KillBefore, 6}, {KillAfter, 12}, {Zombie, 12}, {Crash, 4}}
	readFaults     = []weightedKind{{ErrorBefore, 30}, {Delay, 10}, {KillBefore, 10}, {Zombie, 8}, {Crash, 3}}
	openFaults     = []weightedKind{{ErrorBefore, 20}, {TruncatedRead, 20}, {ShortRead, 3}, {Delay, 10}, {KillBefore, 10}, {Zombie, 5}, {Crash, 3}}
	deliveryFaults = []weightedKind{{Redelivered, 10}, {Concurrent, 10}}
)

// plan decides which faults are injected. The zero value injects none.
type plan struct {
	seed    uint64
	perMill int // how many of a thousand calls get a fault

	// A script replaces the seed: it maps a site to its fault, and resumeAt is when abandoned
	// attempts continue.
	script   map[string]Kind
	resumeAt resumePoint

	mu       sync.Mutex
	injected map[Kind]int
	recorded []string
	visited  []string // with a script: all sites, in order
}

// intensities are the shares of calls that get a fault, in thousandths: from about one fault per
// job to hardly a call without.
var intensities = []int{8, 20, 50, 120}

func newPlan(seed uint64) *plan {
	p := &plan{seed: seed, injected: map[Kind]int{}}
	p.perMill = intensities[p.random("intensity").IntN(len(intensities))]
	return p
}

// random returns a generator that depends on the seed and the parts only.
func (p *plan) random(parts ...any) *rand.Rand {
	h := fnv.New64a()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%v\x00", part) // writing to a hash cannot fail
	}
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

// decide returns the fault to inject at the site that parts name, or "" for none.
func (p *plan) decide(among []weightedKind, factor int, parts ...any) Kind {
	if p.script != nil {
		site := strings.TrimSuffix(fmt.Sprintln(parts...), "\n")
		p.mu.Lock()
		p.visited = append(p.visited, site)
		p.mu.Unlock()
		return p.script[site]
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

// record records an injected fault.
func (p *plan) record(k Kind, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.injected[k]++
	p.recorded = append(p.recorded, fmt.Sprintf(format, args...)+": "+string(k))
}

// injectedCount returns how many faults were injected so far.
func (p *plan) injectedCount() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, of := range p.injected {
		n += of
	}
	return n
}

// count returns how many faults of a kind were injected so far.
func (p *plan) count(k Kind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.injected[k]
}

// descriptions returns the injected faults, in order.
func (p *plan) descriptions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.recorded)
}

// faultsIn reports whether a fault was injected in a stage.
func (p *plan) faultsIn(stage string) bool {
	return slices.ContainsFunc(p.descriptions(), func(d string) bool { return strings.Contains(d, ", "+stage+", ") })
}

// Violation reports a broken promise, and how to reproduce it.
type Violation struct {
	Seed     uint64
	Problems []string
	Faults   []string // the injected faults, in order
	Variant  string   // name of the kind of job
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d (%s): %s\nthe injected faults, in order:\n  %s", v.Seed, v.Variant, strings.Join(v.Problems, "\n  and "),
		strings.Join(v.Faults, "\n  "))
}
