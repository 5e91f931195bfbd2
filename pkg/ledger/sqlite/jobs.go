package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/database"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

const jobColumns = "id, state, execution, started, doc, failure, created, updated, expires"

// PutJob creates the job, or sets everything but Created of the existing one.
func (l *Ledger) PutJob(ctx context.Context, job ledger.Job) error {
	failure, err := failureText(job.Failure)
	if err != nil {
		return err
	}
	now := database.Millis(time.Now())
	put, err := l.write.ExecContext(ctx, `
		INSERT INTO jobs (`+jobColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, execution = excluded.execution, started = excluded.started,
			doc = excluded.doc, failure = excluded.failure, updated = excluded.updated, expires = excluded.expires
			WHERE started <= excluded.started AND NOT (execution = excluded.execution AND
				(state = 'done' OR state = 'failed' AND started = excluded.started))`,
		job.ID, job.State, job.Execution, database.Millis(job.Started), text(job.Doc), failure, now, now, expiry(job.Expires))
	if err == nil {
		var n int64
		if n, err = put.RowsAffected(); err == nil && n == 0 {
			err = ledger.ErrConflict
		}
	}
	return l.fail(ctx, "record job "+job.ID, err)
}

// Job returns the job, or ErrNotFound.
func (l *Ledger) Job(ctx context.Context, id string) (ledger.Job, error) {
	job, err := scanJob(l.read.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = ?", id))
	return job, l.fail(ctx, "read job "+id, err)
}

// JobOf returns the job whose newest execution is the given one, or ErrNotFound.
func (l *Ledger) JobOf(ctx context.Context, execution string) (ledger.Job, error) {
	job, err := scanJob(l.read.QueryRowContext(ctx, `
		SELECT `+jobColumns+` FROM jobs WHERE execution = ? ORDER BY updated DESC, id LIMIT 1`, execution))
	return job, l.fail(ctx, "read the job of execution "+execution, err)
}

// EndJob moves the job to state done or failed on behalf of execution.
func (l *Ledger) EndJob(
	ctx context.Context, id, execution string, state ledger.JobState, failure *ledger.Failure, expires time.Time,
) error {
	document, err := failureText(failure)
	if err != nil {
		return err
	}
	err = l.Tx(ctx, func(tx *sql.Tx) error {
		changed, err := tx.ExecContext(ctx, `
			UPDATE jobs SET state = ?, failure = ?, expires = ?, updated = ?
			WHERE id = ? AND execution = ? AND (state <> 'done' OR ? = 'done')`,
			state, document, expiry(expires), database.Millis(time.Now()), id, execution, state)
		if err != nil {
			return err
		}
		return requireOneRow(ctx, tx, changed, "SELECT count(*) FROM jobs WHERE id = ?", id)
	})
	return l.fail(ctx, fmt.Sprintf("end job %s as %s", id, state), err)
}

// Jobs yields every job, newest first.
func (l *Ledger) Jobs(ctx context.Context) iter.Seq2[ledger.Job, error] {
	return func(yield func(ledger.Job, error) bool) {
		created, id := int64(math.MaxInt64), ""
		for {
			jobs, err := collect(ctx, l.read, scanJob, `
				SELECT `+jobColumns+` FROM jobs WHERE (created, id) < (?, ?) ORDER BY created DESC, id DESC LIMIT ?`,
				created, id, page)
			if err != nil {
				yield(ledger.Job{}, l.fail(ctx, "list jobs", err))
				return
			}
			for _, job := range jobs {
				if !yield(job, nil) {
					return
				}
				created, id = database.Millis(job.Created), job.ID
			}
			if len(jobs) < page {
				return
			}
		}
	}
}

// Renew keeps the records of the job and of all its units at least until expires.
func (l *Ledger) Renew(ctx context.Context, job string, expires time.Time) error {
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE units SET expires = max(expires, ?) WHERE job = ?", expiry(expires), job); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE jobs SET expires = max(expires, ?) WHERE id = ?", expiry(expires), job)
		return err
	})
	return l.fail(ctx, "renew job "+job, err)
}

// Delete removes the job and its units.
func (l *Ledger) Delete(ctx context.Context, job string) error {
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM units WHERE job = ?", job); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = ?", job)
		return err
	})
	return l.fail(ctx, "delete job "+job, err)
}

// Expire removes the jobs whose Expires is before now, with their units. It returns their IDs, so that
// the caller can remove their other data. Jobs for which keep returns true stay; a nil keep keeps none.
// Units without a job are removed after their own expiry.
func (l *Ledger) Expire(ctx context.Context, now time.Time, keep func(ledger.Job) bool) ([]string, error) {
	var ids []string
	err := l.Tx(ctx, func(tx *sql.Tx) error {
		seconds := now.Unix()
		expired, err := collect(ctx, tx, scanJob, "SELECT "+jobColumns+" FROM jobs WHERE expires < ?", seconds)
		if err != nil {
			return err
		}
		for _, job := range expired {
			if keep != nil && keep(job) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = ?", job.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM units WHERE job = ?", job.ID); err != nil {
				return err
			}
			ids = append(ids, job.ID)
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM units WHERE expires < ? AND job NOT IN (SELECT id FROM jobs)", seconds)
		return err
	})
	if err != nil {
		return nil, l.fail(ctx, "remove expired jobs", err)
	}
	return ids, nil
}

// scanner is an sql.Row or sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// scanJob reads a row of jobColumns.
func scanJob(row scanner) (ledger.Job, error) {
	var (
		job                                ledger.Job
		doc, failure                       sql.NullString
		started, created, updated, expires int64
	)
	err := row.Scan(&job.ID, &job.State, &job.Execution, &started, &doc, &failure, &created, &updated, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Job{}, ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Job{}, err
	}
	job.Doc, job.Started = fromText(doc), database.FromMillis(started)
	job.Created, job.Updated, job.Expires = database.FromMillis(created), database.FromMillis(updated), fromExpiry(expires)
	job.Failure, err = parseFailure(failure)
	return job, err
}

// failureText returns the stored form of a failure.
func failureText(f *ledger.Failure) (sql.NullString, error) {
	if f == nil {
		return sql.NullString{}, nil
	}
	b, err := json.Marshal(f)
	return text(b), fault.Wrap(fault.Internal, err, "write a failure as JSON")
}

func parseFailure(s sql.NullString) (*ledger.Failure, error) {
	if !s.Valid {
		return nil, nil //nolint:nilnil // no failure is recorded
	}
	var f ledger.Failure
	if err := json.Unmarshal([]byte(s.String), &f); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "read a failure as JSON")
	}
	return &f, nil
}

// querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// collect returns all rows of a query that is limited to a page.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// requireOneRow returns nil if a conditional change found its row, ErrConflict if the row exists but did
// not meet the condition, and ErrNotFound if it does not exist. The query exists counts it.
func requireOneRow(ctx context.Context, tx *sql.Tx, changed sql.Result, exists string, args ...any) error {
	if n, err := changed.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var n int
	if err := tx.QueryRowContext(ctx, exists, args...).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return ledger.ErrNotFound
	}
	return ledger.ErrConflict
}
