package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/database"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

const unitColumns = "job, id, state, attempt, owner, lease, spec, facts, failure, updated, used"

// Plan records units, a page per transaction.
func (l *Ledger) Plan(ctx context.Context, job string, units iter.Seq[ledger.Unit], expires time.Time) error {
	batch := make([]ledger.Unit, 0, page)
	for unit := range units {
		if batch = append(batch, unit); len(batch) == page {
			if err := l.planPage(ctx, job, batch, expires); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return l.planPage(ctx, job, batch, expires)
}

func (l *Ledger) planPage(ctx context.Context, job string, units []ledger.Unit, expires time.Time) error {
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `
			INSERT INTO units (job, id, state, attempt, begun, owner, lease, spec, updated, expires)
			VALUES (?, ?, 'planned', 0, 0, '', 0, ?, ?, ?)
			ON CONFLICT (job, id) DO UPDATE SET expires = max(expires, excluded.expires)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		now := database.Millis(time.Now())
		for _, unit := range units {
			if _, err := insert.ExecContext(ctx, job, unit.ID, text(unit.Spec), now, expiry(expires)); err != nil {
				return err
			}
		}
		return nil
	})
	return l.fail(ctx, "plan units of job "+job, err)
}

// Unit returns one unit, or ErrNotFound.
func (l *Ledger) Unit(ctx context.Context, job, id string) (ledger.Unit, error) {
	unit, err := readUnit(ctx, l.read, job, id)
	return unit, l.fail(ctx, "read "+unitName(job, id), err)
}

// Units yields the job's units whose ID begins with prefix, in ascending order of ID. No read is open
// while the caller handles a unit, so a slow caller does not block others.
func (l *Ledger) Units(ctx context.Context, job, prefix string) iter.Seq2[ledger.Unit, error] {
	return func(yield func(ledger.Unit, error) bool) {
		from, operator := prefix, ">="
		for {
			units, err := collect(ctx, l.read, scanUnit, `
				SELECT `+unitColumns+` FROM units WHERE job = ? AND id `+operator+` ? ORDER BY id LIMIT ?`, job, from, page)
			if err != nil {
				yield(ledger.Unit{}, l.fail(ctx, "list units of job "+job, err))
				return
			}
			for _, unit := range units {
				if !strings.HasPrefix(unit.ID, prefix) || !yield(unit, nil) {
					return
				}
			}
			if len(units) < page {
				return
			}
			from, operator = units[len(units)-1].ID, ">"
		}
	}
}

// Begin starts an attempt.
func (l *Ledger) Begin(ctx context.Context, job, id, owner string, lease time.Time) (ledger.Unit, error) {
	var unit ledger.Unit
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `
			UPDATE units SET state = 'running', attempt = begun + 1, begun = begun + 1, owner = ?, lease = ?, updated = ?
			WHERE job = ? AND id = ? AND state <> 'done'`, owner, database.Millis(lease), database.Millis(time.Now()), job, id); err != nil {
			return err
		}
		var err error
		unit, err = readUnit(ctx, tx, job, id)
		return err
	})
	if err != nil {
		return ledger.Unit{}, l.fail(ctx, "begin "+unitName(job, id), err)
	}
	return unit, nil
}

// Complete records the result of an attempt.
func (l *Ledger) Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error {
	return l.change(ctx, "complete", job, id,
		"state = 'done', attempt = ?, begun = max(begun, ?), facts = ?", []any{attempt, attempt, text(facts)},
		"state <> 'done'", nil)
}

// Fail records that an attempt failed.
func (l *Ledger) Fail(ctx context.Context, job, id string, attempt int, failure ledger.Failure) error {
	document, err := failureText(&failure)
	if err != nil {
		return err
	}
	return l.change(ctx, "record the failure of", job, id,
		"state = 'failed', failure = ?", []any{document},
		"state = 'running' AND attempt = ?", []any{attempt})
}

// AddUse records what an attempt used.
func (l *Ledger) AddUse(ctx context.Context, job, id string, attempt int, use json.RawMessage) error {
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		changed, err := tx.ExecContext(ctx, `
			UPDATE units SET used = json_set(coalesce(used, '{}'), '$."' || ? || '"', json(?))
			WHERE job = ? AND id = ? AND ? BETWEEN 1 AND begun`, strconv.Itoa(attempt), text(use), job, id, attempt)
		if err != nil {
			return err
		}
		return requireOneRow(ctx, tx, changed, "SELECT count(*) FROM units WHERE job = ? AND id = ?", job, id)
	})
	return l.fail(ctx, "record the use of "+unitName(job, id), err)
}

// Reopen makes a unit that is done by the given attempt planned again.
func (l *Ledger) Reopen(ctx context.Context, job, id string, attempt int) error {
	return l.change(ctx, "reopen", job, id,
		"state = 'planned', facts = NULL", nil,
		"state = 'done' AND attempt = ?", []any{attempt})
}

// change sets columns of a unit if it meets the condition.
func (l *Ledger) change(
	ctx context.Context, attempted, job, id, set string, values []any, condition string, conditions []any,
) error {
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		args := append(values, database.Millis(time.Now()), job, id)
		changed, err := tx.ExecContext(ctx,
			"UPDATE units SET "+set+", updated = ? WHERE job = ? AND id = ? AND "+condition, append(args, conditions...)...)
		if err != nil {
			return err
		}
		return requireOneRow(ctx, tx, changed, "SELECT count(*) FROM units WHERE job = ? AND id = ?", job, id)
	})
	return l.fail(ctx, attempted+" "+unitName(job, id), err)
}

func readUnit(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, job, id string,
) (ledger.Unit, error) {
	return scanUnit(q.QueryRowContext(ctx, "SELECT "+unitColumns+" FROM units WHERE job = ? AND id = ?", job, id))
}

// scanUnit reads a row of unitColumns.
func scanUnit(row scanner) (ledger.Unit, error) {
	var (
		unit                       ledger.Unit
		spec, facts, failure, used sql.NullString
		lease, updated             int64
	)
	err := row.Scan(&unit.Job, &unit.ID, &unit.State, &unit.Attempt, &unit.Owner, &lease, &spec, &facts, &failure, &updated, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Unit{}, ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Unit{}, err
	}
	unit.Spec, unit.Facts = fromText(spec), fromText(facts)
	unit.Lease, unit.Updated = database.FromMillis(lease), database.FromMillis(updated)
	if unit.Failure, err = parseFailure(failure); err == nil && used.Valid {
		err = fault.Wrap(fault.Corrupt, json.Unmarshal([]byte(used.String), &unit.Used), "read what attempts used")
	}
	return unit, err
}
