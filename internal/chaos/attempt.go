package chaos

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// attempt is one run of a stage. Its calls to the stores and the ledger pass through here.
type attempt struct {
	round     *round
	name      string // "round 1, run video/00003, delivery 0"
	task      string // see taskName; a later attempt at the same task has the same
	stop      context.CancelCauseFunc
	abandoned chan struct{} // closed when the service abandons it

	finished chan struct{} // closed when the stage has returned

	mu     sync.Mutex
	calls  map[string]int
	dead   bool
	parked bool
}

type attemptKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

// errKilled is the error of every call of a killed stage. No service sees it, because the stage is
// dead.
var errKilled = errors.New("the stage was killed")

func (a *attempt) kill() {
	a.mu.Lock()
	a.dead = true
	a.mu.Unlock()
	a.stop(errKilled)
}

func (a *attempt) isDead() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dead || a.round.crashed()
}

// park holds the attempt at a call while the service abandons it and usually starts another.
func (a *attempt) park() {
	a.mu.Lock()
	first := !a.parked
	a.parked = true
	a.mu.Unlock()
	if !first { // an attempt is parked once; its other goroutines continue
		return
	}
	release := a.round.trial.park(a)
	close(a.abandoned)
	<-release
}

var (
	jobPrefix = regexp.MustCompile(`^[0-9a-f]{20}/`)
	numbers   = regexp.MustCompile(`\.[0-9]+`)
)

// callSite names a call identically in every run of a seed. It omits the ID of the job and the
// number of an attempt, which depends on which attempt began first.
func callSite(op, key string) string {
	return op + " " + numbers.ReplaceAllString(jobPrefix.ReplaceAllString(key, ""), "")
}

// injected returns the error of a call that the plan makes fail. In a script it is always Transient.
func (a *attempt) injected(where string) error {
	kind := fault.Transient
	p := a.round.trial.plan
	switch n := p.random(a.name, where, "kind").IntN(100); {
	case p.script != nil:
	case n < 3:
		kind = fault.Internal
	case n < 6:
		kind = fault.OutOfSpace
	}
	return fault.New(kind, "injected at %s", where)
}

// beforeCall decides the fault of a call. It carries out delays and deaths before it returns.
func (a *attempt) beforeCall(op, key string, among []weightedKind) (k Kind, where string, err error) {
	if a.isDead() {
		return "", "", errKilled
	}
	where = callSite(op, key)
	a.mu.Lock()
	n := a.calls[where]
	a.calls[where]++
	a.mu.Unlock()
	where += " #" + strconv.Itoa(n)
	t := a.round.trial
	if !a.round.faultFree {
		k = t.plan.decide(among, 1, a.name+", "+where)
	}
	if k != "" {
		t.plan.record(k, "%s, %s", a.name, where)
	}
	switch k {
	case Delay:
		time.Sleep(time.Duration(t.plan.random(a.name, where, "delay").IntN(4000)) * time.Microsecond)
	case Zombie:
		a.park()
	case KillBefore:
		a.kill()
	case Crash:
		if t.plan.random(a.name, where, "crash").IntN(2) == 0 {
			a.round.crash()
		}
	}
	if a.isDead() {
		return k, where, errKilled
	}
	return k, where, nil
}

// call makes one call of a store or ledger, with the fault that the plan decides. A context without
// an attempt is not part of a trial and gets none.
func call(ctx context.Context, op, key string, among []weightedKind, do func() error) error {
	a := attemptOf(ctx)
	if a == nil {
		return do()
	}
	k, where, err := a.beforeCall(op, key, among)
	if err != nil {
		return err
	}
	if k == ErrorBefore {
		return a.injected(where)
	}
	err = do()
	if k == Repeated {
		err = do()
	}
	switch {
	case k == KillAfter:
		a.kill()
	case k == Crash:
		a.round.crash()
	case k == ErrorAfter && err == nil:
		err = a.injected(where)
	}
	if a.isDead() {
		return errKilled // the effect remains, but the caller is dead
	}
	return err
}
