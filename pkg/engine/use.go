package engine

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// measure starts to measure an attempt, if the host does.
func (e *Engine) measure(ctx context.Context, u ledger.Unit) (context.Context, func(work.Result) *price.Use) {
	needs, err := NeedsOf(u)
	if e.Meter == nil || err != nil { // the attempt itself will fail with it
		return ctx, func(work.Result) *price.Use { return nil }
	}
	ctx, used := e.Meter(ctx, u.Attempt, needs)
	return ctx, func(r work.Result) *price.Use {
		use := used(r)
		return &use
	}
}

// recordUse records what an attempt used, whatever became of it. Work is never given up because that cannot be recorded.
func (e *Engine) recordUse(ctx context.Context, u ledger.Unit, use *price.Use) {
	if use == nil {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	data, err := json.Marshal(use)
	if err == nil {
		err = e.Ledger.AddUse(last, u.Job, u.ID, u.Attempt, data)
	}
	if err != nil && !errors.Is(err, ledger.ErrNotFound) { // a job that is done may have expired meanwhile
		e.logger().WarnContext(ctx, "use not recorded", "job", u.Job, "unit", u.ID, "error", err)
	}
}

// Spent is what a job has used so far.
type Spent struct {
	price.Sum
	// Unrecorded is how many attempts left no record: those that are under way, those that were killed, and those of earlier
	// versions of mapreel.
	Unrecorded int
}

// Add adds the attempts at a unit, with the records that they left.
func (s *Spent) Add(attempts int, uses map[int]price.Use) {
	for _, use := range uses {
		s.Sum.Add(use)
	}
	s.Unrecorded += max(attempts-len(uses), 0)
}

// usesOf returns what the attempts at a unit used, by their numbers.
func usesOf(u ledger.Unit) (map[int]price.Use, error) {
	uses := make(map[int]price.Use, len(u.Used))
	for attempt, data := range u.Used {
		var use price.Use
		if err := json.Unmarshal(data, &use); err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "record of what "+u.ID+" used")
		}
		uses[attempt] = use
	}
	return uses, nil
}

// Cost returns what it costs by a table; nil where nothing was recorded that costs anything.
func (s *Spent) Cost(table price.Table) *price.Cost {
	cost := table.Bill(s.Sum)
	if len(cost.Lines) == 0 {
		return nil
	}
	cost.Unrecorded = s.Unrecorded
	return &cost
}

// ReadSpent returns what the units of a job have used so far.
func ReadSpent(ctx context.Context, l ledger.Ledger, job string) (Spent, error) {
	var s Spent
	for u, err := range l.Units(ctx, job, "") {
		if err != nil {
			return s, err
		}
		uses, err := usesOf(u)
		if err != nil {
			return s, err
		}
		s.Add(u.Attempt, uses)
	}
	return s, nil
}
