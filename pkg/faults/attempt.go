package faults

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// attempt is one run of a stage. Its calls to the stores and the ledger come through here.
type attempt struct {
	round *round
	name  string // "round 1, encode 3, delivery 0"
	unit  string // stage and unit: who succeeds it has the same
	stop  context.CancelCauseFunc
	gone  chan struct{} // closed when the service gives it up

	through chan struct{} // closed when the stage returned

	mu     sync.Mutex
	seen   map[string]int
	dead   bool
	parked bool
}

type attemptKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

// errDied is what a dead stage's calls come to. Nobody hears of it: the stage is dead.
var errDied = errors.New("the stage was killed")

func (a *attempt) die() {
	a.mu.Lock()
	a.dead = true
	a.mu.Unlock()
	a.stop(errDied)
}

func (a *attempt) isDead() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dead || a.round.crashed()
}

// park holds the attempt at a call while the service gives it up and, most often, starts another.
func (a *attempt) park() {
	a.mu.Lock()
	first := !a.parked
	a.parked = true
	a.mu.Unlock()
	if !first { // once is enough; a second goroutine of the stage goes on
		return
	}
	release := a.round.trial.park(a)
	close(a.gone)
	<-release
}

var (
	jobPrefix = regexp.MustCompile(`^[0-9a-f]{20}/`)
	numbers   = regexp.MustCompile(`\.[0-9]+`)
)

// site names a call so that it is the same in every run of a seed: neither the job's ID nor an attempt's number, which
// depends on who began first, belongs to it.
func site(op, key string) string {
	return op + " " + numbers.ReplaceAllString(jobPrefix.ReplaceAllString(key, ""), "")
}

// injected is the error of a call that the plan lets fail.
func (a *attempt) injected(where string) error {
	kind := fault.Transient
	switch n := a.round.trial.plan.random(a.name, where, "kind").IntN(100); {
	case n < 3:
		kind = fault.Internal
	case n < 6:
		kind = fault.OutOfSpace
	}
	return fault.New(kind, "injected at %s", where)
}

// next decides what befalls a call. It returns after delays and in death.
func (a *attempt) next(op, key string, among []choice) (k Kind, where string, err error) {
	if a.isDead() {
		return "", "", errDied
	}
	where = site(op, key)
	a.mu.Lock()
	n := a.seen[where]
	a.seen[where]++
	a.mu.Unlock()
	where += " #" + strconv.Itoa(n)
	t := a.round.trial
	if !a.round.calm {
		k = t.plan.decide(among, 1, a.name+", "+where)
	}
	if k != "" {
		t.plan.note(k, "%s, %s", a.name, where)
	}
	switch k {
	case Delay:
		time.Sleep(time.Duration(t.plan.random(a.name, where, "delay").IntN(4000)) * time.Microsecond)
	case Zombie:
		a.park()
	case KillBefore:
		a.die()
	case Crash:
		if t.plan.random(a.name, where, "crash").IntN(2) == 0 {
			a.round.crash()
		}
	}
	if a.isDead() {
		return k, where, errDied
	}
	return k, where, nil
}

// call makes one call of a store or ledger, or what the plan makes of it. A context without an attempt is not ours.
func call(ctx context.Context, op, key string, among []choice, do func() error) error {
	a := attemptOf(ctx)
	if a == nil {
		return do()
	}
	k, where, err := a.next(op, key, among)
	if err != nil {
		return err
	}
	if k == ErrorBefore {
		return a.injected(where)
	}
	err = do()
	if k == Twice {
		err = do()
	}
	switch {
	case k == KillAfter:
		a.die()
	case k == Crash:
		a.round.crash()
	case k == ErrorAfter && err == nil:
		err = a.injected(where)
	}
	if a.isDead() {
		return errDied // what was done is done; nobody hears of it
	}
	return err
}
