package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// A job with a budget does the units of a phase in rounds, and each round is decided on when the one before it has ended. The first
// one has a few units of each kind, which show what the others will cost. After that a round has as many units as the budget pays
// for even if each costs twice what those before it did: with a budget of twice what the job costs that is all of them, and with a
// smaller one at least half of those that are left. Nothing is asked, counted or delayed while units run.

// sampleUnits is how many units of a kind run before anything is known of what they cost.
const sampleUnits = 8

// dearer is how many times the mean of its kind a unit may cost without a round exceeding the budget.
const dearer = 2

// tally is the units of one kind, and what they have cost.
type tally struct {
	kind       string
	done, open int
	millis     int64 // of all their attempts
	sum        price.Sum
	spent      price.Money
}

// mean returns what a unit costs, with the attempts at it that failed; known is false before enough of the kind are done.
func (t tally) mean() (cost price.Money, known bool) {
	if t.done == 0 || t.done < min(sampleUnits, t.done+t.open) {
		return 0, false
	}
	return t.spent / price.Money(t.done), true
}

// tallies are those of a job, by kind.
type tallies map[string]*tally

// kindOf returns the kind of a unit: the part of its name before the slash.
func kindOf(unit string) string {
	kind, _, _ := strings.Cut(unit, "/")
	return kind
}

func (t tallies) of(unit string) *tally {
	kind := kindOf(unit)
	if t[kind] == nil {
		t[kind] = &tally{kind: kind}
	}
	return t[kind]
}

// add adds what the attempts at a unit have used.
func (t tallies) add(u ledger.Unit) error {
	uses, err := usesOf(u)
	if err != nil {
		return err
	}
	kind := t.of(u.ID)
	for _, use := range uses {
		kind.sum.Add(use)
		kind.millis += use.Millis
	}
	return nil
}

// count notes which units are done and which are left, and prices what was used.
func (t tallies) count(s stock, table price.Table) []tally {
	for _, units := range s.done {
		for _, u := range units {
			t.of(u.name).done++
		}
	}
	for _, units := range s.open {
		for _, u := range units {
			t.of(u.name).open++
		}
	}
	var list []tally
	for _, kind := range t {
		kind.spent = table.Bill(kind.sum).Total
		list = append(list, *kind)
	}
	slices.SortFunc(list, func(a, b tally) int { return strings.Compare(a.kind, b.kind) })
	return list
}

// outlook is what a job has cost and what the rest of it is expected to.
type outlook struct {
	budget  price.Money
	spent   price.Money
	rest    price.Money   // of the units of kinds whose cost is known
	time    time.Duration // that those take, so many at once
	done    int
	left    int
	unknown int // units of the others
}

// foresee returns the outlook of a job that runs so many units at once.
func foresee(budget price.Money, list []tally, atOnce int) outlook {
	o := outlook{budget: budget}
	for _, t := range list {
		o.spent += t.spent
		o.done, o.left = o.done+t.done, o.left+t.open
		mean, known := t.mean()
		if !known {
			o.unknown += t.open
			continue
		}
		o.rest += mean * price.Money(t.open)
		rounds := (t.open + atOnce - 1) / max(atOnce, 1)
		o.time += time.Duration(t.millis/int64(t.done)) * time.Millisecond * time.Duration(rounds)
	}
	return o
}

// exceeded reports whether the job is expected to cost more than its budget. Without a unit that is left it costs no more than it
// has.
func (o outlook) exceeded() bool { return o.left > 0 && o.spent+o.rest > o.budget }

// err is why a job stops. What is finished is kept.
func (o outlook) err() error {
	what := fmt.Sprintf("the budget of %s: %s are spent on %d of %d units, and the rest is expected to take %s more",
		o.budget, o.spent, o.done, o.done+o.left, o.rest)
	if o.time > 0 {
		what += " and about " + o.time.Round(time.Second).String()
	}
	if o.unknown > 0 {
		what += fmt.Sprintf(", without %d units whose cost is not known yet", o.unknown)
	}
	return fault.WithHint(fault.New(fault.OverBudget, "stopped at %s", what),
		"finished units are kept: the same request with a higher budget does the rest, and so does mapreel redrive JOB --budget USD")
}

// budgetOf returns the budget of a request.
func budgetOf(request json.RawMessage) (price.Money, error) {
	var envelope work.Envelope
	err := json.Unmarshal(request, &envelope)
	return envelope.Compute.Budget, fault.Wrap(fault.Invalid, err, "request")
}

// withinBudget returns which items of a phase run next. An error of kind OverBudget says that none does, because the job is
// expected to exceed its budget.
func (e *Engine) withinBudget(p work.Plan, s stock, items []Item, atOnce int) ([]Item, error) {
	list := s.used.count(s, e.prices())
	o := foresee(p.Budget, list, atOnce)
	if o.exceeded() {
		return nil, o.err()
	}
	return o.round(items, list), nil
}

func (e *Engine) prices() price.Table {
	if e.Prices != nil {
		return *e.Prices
	}
	return price.Default()
}

// round returns which of the items of a phase run next: all that are affordable, and those spread over the whole phase.
func (o outlook) round(items []Item, list []tally) []Item {
	units := map[string]int{} // of the phase
	for _, i := range items {
		units[kindOf(i.Unit)]++
	}
	var dear price.Money // what the phase takes if units cost more than those before them
	for _, t := range list {
		if mean, known := t.mean(); known {
			dear += dearer * mean * price.Money(units[t.kind])
		}
	}
	chosen := map[string]int{}
	for _, t := range list {
		n := units[t.kind]
		if _, known := t.mean(); !known {
			chosen[t.kind] = min(n, max(sampleUnits-t.done, 1))
			continue
		}
		chosen[t.kind] = n
		if left := max(o.budget-o.spent, 0); left < dear {
			share := float64(left) / float64(dear) // of a number of units, so that a rounding error costs nothing
			chosen[t.kind] = min(n, max(sampleUnits, int(float64(n)*share)))
		}
	}
	return spread(items, units, chosen)
}

// spread returns chosen items of each kind, evenly spaced, in their order.
func spread(items []Item, units, chosen map[string]int) []Item {
	picked := []Item{}
	seen := map[string]int{}
	for _, i := range items {
		kind := kindOf(i.Unit)
		n, of := seen[kind], units[kind]
		seen[kind]++
		// The k-th of n is picked where k·chosen/of enters a new whole number: exactly `chosen` times.
		if (n+1)*chosen[kind]/of > n*chosen[kind]/of {
			picked = append(picked, i)
		}
	}
	return picked
}
