package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// Plan records units, a hundred at a time. It reads which of them exist, writes the others, and
// extends the expiry of existing ones if necessary. If two callers plan a unit at the same moment with
// different Specs, one of the two remains; but every planner of a job makes the same plan.
func (l *Ledger) Plan(ctx context.Context, job string, units iter.Seq[ledger.Unit], expires time.Time) error {
	batch := make([]ledger.Unit, 0, getBatch)
	for unit := range units {
		if batch = append(batch, unit); len(batch) < getBatch {
			continue
		}
		if err := l.planBatch(ctx, job, batch, expiry(expires)); err != nil {
			return l.fail(ctx, "plan units of job "+job, err)
		}
		batch = batch[:0]
	}
	return l.fail(ctx, "plan units of job "+job, l.planBatch(ctx, job, batch, expiry(expires)))
}

func (l *Ledger) planBatch(ctx context.Context, job string, units []ledger.Unit, expires int64) error {
	if len(units) == 0 {
		return nil
	}
	keys := make([]key, 0, len(units))
	seen := map[string]bool{}
	for _, u := range units {
		if !seen[u.ID] { // BatchGetItem refuses a key that occurs twice
			seen[u.ID] = true
			keys = append(keys, planKey(job, u.ID))
		}
	}
	found, err := l.getAll(ctx, keys, TTL)
	if err != nil {
		return err
	}
	var puts []types.WriteRequest
	now := number(millis(time.Now()))
	for _, u := range units {
		if !seen[u.ID] || found[planKey(job, u.ID)] != nil {
			continue
		}
		seen[u.ID] = false // only the first unit with this ID counts
		i := planKey(job, u.ID).item()
		i["updated"] = now
		if len(u.Spec) > 0 {
			i["spec"] = text(string(u.Spec))
		}
		if expires != 0 {
			i[TTL] = number(expires)
		}
		puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}})
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelRequests)
	for requests := range slices.Chunk(puts, putBatch) {
		group.Go(func() error { return l.write(groupCtx, requests) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	extended, err := l.extendExpiry(ctx, found, expires)
	if err != nil || len(extended) == 0 {
		return err
	}
	// States are extended after plans, because a Begin in between copies the plan's new expiry.
	for n, k := range extended {
		extended[n] = stateKey(job, strings.TrimPrefix(k.sk, planPrefix))
	}
	if found, err = l.getAll(ctx, extended, TTL); err != nil {
		return err
	}
	_, err = l.extendExpiry(ctx, found, expires)
	return err
}

// extendExpiry sets the expiry of those items that would expire earlier, and returns their keys.
func (l *Ledger) extendExpiry(ctx context.Context, items map[key]item, expires int64) ([]key, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelRequests)
	var extended []key
	for k, i := range items {
		if old := i.number(TTL); old == 0 || expires != 0 && old >= expires {
			continue
		}
		extended = append(extended, k)
		group.Go(func() error {
			c := newChange()
			c.setExpiry(expires)
			c.condition = "attribute_exists(" + c.name(TTL) + ")"
			if expires != 0 {
				c.condition += " AND " + c.name(TTL) + " < " + c.value(number(expires))
			}
			if _, err := l.update(ctx, k, c); err != nil && !conditionFailed(err) {
				return err
			}
			return nil
		})
	}
	return extended, group.Wait()
}

// Unit returns one unit, or ErrNotFound.
func (l *Ledger) Unit(ctx context.Context, job, id string) (ledger.Unit, error) {
	plan, state, err := l.unit(ctx, job, id)
	if err != nil {
		return ledger.Unit{}, l.fail(ctx, "read "+unitName(job, id), err)
	}
	unit, err := unitFrom(job, id, plan, state)
	return unit, l.fail(ctx, "read "+unitName(job, id), err)
}

// unit returns the unit's two items, or ErrNotFound if it was not planned. The state of a unit that was
// never begun is nil.
func (l *Ledger) unit(ctx context.Context, job, id string) (plan, state item, err error) {
	found, err := l.getAll(ctx, []key{planKey(job, id), stateKey(job, id)})
	if err != nil {
		return nil, nil, err
	}
	if plan = found[planKey(job, id)]; plan == nil {
		return nil, nil, ledger.ErrNotFound
	}
	return plan, found[stateKey(job, id)], nil
}

func unitFrom(job, id string, plan, state item) (ledger.Unit, error) {
	unit := ledger.Unit{
		Job: job, ID: id, State: ledger.Planned, Spec: plan.document("spec"), Updated: plan.millis("updated"),
	}
	if state == nil {
		return unit, nil
	}
	var err error
	unit.State, unit.Attempt, unit.Owner = ledger.UnitState(state.text("state")), int(state.number("attempt")), state.text("owner")
	unit.Lease, unit.Facts, unit.Updated = state.millis("lease"), state.document("facts"), state.millis("updated")
	unit.Used = state.used()
	unit.Failure, err = state.failure()
	return unit, err
}

// Units yields the job's units whose ID begins with prefix, in ascending order of ID. It reads plans and
// states in parallel and holds a page of each.
func (l *Ledger) Units(ctx context.Context, job, prefix string) iter.Seq2[ledger.Unit, error] {
	return func(yield func(ledger.Unit, error) bool) {
		fail := func(err error) { yield(ledger.Unit{}, l.fail(ctx, "list units of job "+job, err)) }
		nextState, stop := iter.Pull2(l.query(ctx, jobKey(job).pk, statePrefix+prefix, false))
		defer stop()
		state, err, more := nextState()
		for plan, planErr := range l.query(ctx, jobKey(job).pk, planPrefix+prefix, false) {
			if planErr != nil {
				fail(planErr)
				return
			}
			id := strings.TrimPrefix(plan.text(SortKey), planPrefix)
			for more && err == nil && strings.TrimPrefix(state.text(SortKey), statePrefix) < id {
				state, err, more = nextState() // skip the state of a unit whose plan is gone
			}
			if err != nil {
				fail(err)
				return
			}
			var own item
			if more && state.text(SortKey) == statePrefix+id {
				own = state
			}
			unit, err := unitFrom(job, id, plan, own)
			if err != nil {
				fail(err)
				return
			}
			if !yield(unit, nil) {
				return
			}
		}
	}
}

// Begin starts an attempt.
func (l *Ledger) Begin(ctx context.Context, job, id, owner string, lease time.Time) (ledger.Unit, error) {
	unit, err := l.begin(ctx, job, id, owner, lease)
	if err != nil {
		return ledger.Unit{}, l.fail(ctx, "begin "+unitName(job, id), err)
	}
	return unit, nil
}

// begin may count an attempt twice, if the SDK retries after a lost response. Attempt numbers may have
// gaps.
func (l *Ledger) begin(ctx context.Context, job, id, owner string, lease time.Time) (ledger.Unit, error) {
	plan, err := l.get(ctx, planKey(job, id))
	if err != nil {
		return ledger.Unit{}, err
	}
	if plan == nil {
		return ledger.Unit{}, ledger.ErrNotFound
	}
	for range changeRounds {
		c := newChange()
		begun := c.name("begun")
		next := "if_not_exists(" + begun + ", " + c.value(number(0)) + ") + " + c.value(number(1))
		c.sets = append(c.sets, begun+" = "+next, c.name("attempt")+" = "+next)
		c.set("state", text(string(ledger.Running)))
		c.set("owner", text(owner))
		c.set("lease", number(millis(lease)))
		c.set("updated", number(millis(time.Now())))
		c.setExpiry(plan.number(TTL))
		c.condition = "attribute_not_exists(" + c.name(PartitionKey) + ") OR " + c.name("state") + " <> " + c.value(text(string(ledger.Done)))
		state, err := l.update(ctx, stateKey(job, id), c)
		if err == nil {
			return unitFrom(job, id, plan, state)
		}
		if !conditionFailed(err) {
			return ledger.Unit{}, err
		}
		if state, err = l.get(ctx, stateKey(job, id)); err != nil {
			return ledger.Unit{}, err
		}
		if state != nil && ledger.UnitState(state.text("state")) == ledger.Done {
			return unitFrom(job, id, plan, state)
		}
	}
	return ledger.Unit{}, errTooBusy
}

// Complete records the result of an attempt.
func (l *Ledger) Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error {
	done := text(string(ledger.Done))
	err := l.change(ctx, job, id, func(c *change, state, plan item) bool {
		if state != nil && ledger.UnitState(state.text("state")) == ledger.Done {
			return false
		}
		c.set("state", done)
		c.set("attempt", number(attempt))
		c.setDocument("facts", facts)
		stillOpen := func() string { return c.name("state") + " <> " + c.value(done) }
		switch begun := int(state.number("begun")); {
		case plan == nil, state != nil && begun >= attempt: // the usual case, mostly without reading the unit
			c.condition = stillOpen() + " AND " + c.name("begun") + " >= " + c.value(number(attempt))
		case state == nil: // the record of the Begin was lost
			c.set("begun", number(attempt))
			c.setExpiry(plan.number(TTL))
			c.condition = "attribute_not_exists(" + c.name(PartitionKey) + ")"
		default:
			c.set("begun", number(attempt))
			c.condition = stillOpen() + " AND " + c.name("begun") + " < " + c.value(number(attempt))
		}
		return true
	})
	return l.fail(ctx, "complete "+unitName(job, id), err)
}

// Fail records that an attempt failed.
func (l *Ledger) Fail(ctx context.Context, job, id string, attempt int, failure ledger.Failure) error {
	var broken error
	err := l.change(ctx, job, id, func(c *change, state, plan item) bool {
		if plan != nil && !isInState(state, ledger.Running, attempt) {
			return false
		}
		c.set("state", text(string(ledger.Failed)))
		broken = c.setFailure(&failure)
		c.condition = stateCondition(c, ledger.Running, attempt)
		return broken == nil
	})
	if broken != nil {
		err = broken
	}
	return l.fail(ctx, "record the failure of "+unitName(job, id), err)
}

// AddUse records what an attempt used: an attribute for each attempt, so that neither a repetition nor another attempt at the same
// time loses anything.
func (l *Ledger) AddUse(ctx context.Context, job, id string, attempt int, use json.RawMessage) error {
	c := newChange()
	c.set(usePrefix+strconv.Itoa(attempt), text(string(use)))
	least := attempt
	if attempt < 1 {
		least = math.MaxInt // no attempt has such a number
	}
	c.condition = c.name("begun") + " >= " + c.value(number(least))
	_, err := l.update(ctx, stateKey(job, id), c)
	if conditionFailed(err) {
		err = ledger.ErrConflict
		if _, _, uerr := l.unit(ctx, job, id); uerr != nil {
			err = uerr
		}
	}
	return l.fail(ctx, "record the use of "+unitName(job, id), err)
}

// Reopen makes a unit that is done by the given attempt planned again.
func (l *Ledger) Reopen(ctx context.Context, job, id string, attempt int) error {
	err := l.change(ctx, job, id, func(c *change, state, plan item) bool {
		if plan != nil && !isInState(state, ledger.Done, attempt) {
			return false
		}
		c.set("state", text(string(ledger.Planned)))
		c.remove("facts")
		c.condition = stateCondition(c, ledger.Done, attempt)
		return true
	})
	return l.fail(ctx, "reopen "+unitName(job, id), err)
}

// isInState reports whether state is the wanted one, of the given attempt.
func isInState(state item, want ledger.UnitState, attempt int) bool {
	return state != nil && ledger.UnitState(state.text("state")) == want && int(state.number("attempt")) == attempt
}

// stateCondition returns isInState as a condition expression.
func stateCondition(c *change, want ledger.UnitState, attempt int) string {
	return c.name("state") + " = " + c.value(text(string(want))) + " AND " + c.name("attempt") + " = " + c.value(number(attempt))
}

// change makes a conditional change of a unit's state. describe fills in the change and its condition.
// It returns false if the unit's state does not allow the change. Its first call has no items (state
// and plan are nil), which saves a read because nearly every change succeeds. If the condition fails,
// change reads the unit and calls describe again.
//
// Each change writes a token of its own. If the SDK sends a change twice because a response was lost,
// the second one fails its condition, and the token shows that the first one succeeded.
func (l *Ledger) change(
	ctx context.Context, job, id string, describe func(c *change, state, plan item) bool,
) error {
	token := rand.Text()
	var plan, state item
	for range changeRounds {
		c := newChange()
		if !describe(c, state, plan) {
			return ledger.ErrConflict
		}
		c.set("updated", number(millis(time.Now())))
		c.set("token", text(token))
		_, err := l.update(ctx, stateKey(job, id), c)
		if !conditionFailed(err) {
			return err
		}
		if plan, state, err = l.unit(ctx, job, id); err != nil {
			return err
		}
		if state.text("token") == token {
			return nil
		}
	}
	return errTooBusy
}

func unitName(job, id string) string { return fmt.Sprintf("unit %s of job %s", id, job) }
