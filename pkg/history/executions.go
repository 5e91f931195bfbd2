package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/database"
)

const executionColumns = "seq, arn, name, machine, map_run, status, owner, input, output, error, cause, " +
	"started, stopped, redrives, redriven, last_event, options"

type scanner interface{ Scan(into ...any) error }

func scanExecution(row scanner) (x Execution, err error) {
	var input, options string
	var output sql.NullString
	var started, stopped, redriven int64
	err = row.Scan(&x.Sequence, &x.ARN, &x.Name, &x.Machine, &x.MapRun, &x.Status, &x.Owner, &input, &output, &x.Error, &x.Cause,
		&started, &stopped, &x.Redrives, &redriven, &x.LastEvent, &options)
	if err == nil {
		err = json.Unmarshal([]byte(options), &x.Options)
	}
	x.Input = json.RawMessage(input)
	if output.Valid {
		x.Output = json.RawMessage(output.String)
	}
	x.Started, x.Stopped, x.Redriven = database.FromMillis(started), database.FromMillis(stopped), database.FromMillis(redriven)
	return x, err
}

// Create records an execution that a user started, with its first event. It returns the execution as it is recorded; with
// ErrExists, the one that has the ARN already.
func (s *Store) Create(ctx context.Context, x Execution) (Execution, error) {
	x.Status, x.LastEvent = Running, 1
	x.Started = x.Started.Truncate(time.Millisecond).UTC()
	err := s.file.Tx(ctx, func(tx *sql.Tx) error {
		n, err := insertExecution(ctx, tx, &x)
		if err == nil && n == 0 {
			err = ErrExists
		}
		if err != nil {
			return err
		}
		return insertEvent(ctx, tx, x.ARN, Event{ID: 1, Time: x.Started, Type: "ExecutionStarted", Details: startedDetails(x.Input)})
	})
	if errors.Is(err, ErrExists) {
		existing, rerr := s.Execution(ctx, x.ARN)
		return existing, errors.Join(s.fail(ctx, "start execution "+x.Name, err), rerr)
	}
	return x, s.fail(ctx, "start execution "+x.Name, err)
}

// insertExecution inserts an execution unless its ARN is taken, and returns how many rows that made.
func insertExecution(ctx context.Context, tx *sql.Tx, x *Execution) (int64, error) {
	options, err := json.Marshal(x.Options)
	if err != nil {
		return 0, err
	}
	done, err := tx.ExecContext(ctx, `INSERT INTO executions
		(arn, name, machine, map_run, status, owner, input, error, cause, started, stopped, redrives, redriven, last_event, options)
		VALUES (?, ?, ?, ?, ?, ?, ?, '', '', ?, 0, 0, 0, ?, ?) ON CONFLICT (arn) DO NOTHING`,
		x.ARN, x.Name, x.Machine, x.MapRun, x.Status, x.Owner, string(x.Input), database.Millis(x.Started), x.LastEvent, string(options))
	if err != nil {
		return 0, err
	}
	n, err := done.RowsAffected()
	if err == nil && n > 0 {
		x.Sequence, err = done.LastInsertId()
	}
	return n, err
}

// Execution returns an execution, or ErrNotFound.
func (s *Store) Execution(ctx context.Context, arn string) (Execution, error) {
	x, err := scanExecution(s.byARN.QueryRowContext(ctx, arn))
	return x, s.fail(ctx, "read execution "+arn, err)
}

// Filter selects executions.
type Filter struct {
	MapRun   string // ARN; "": those that users started
	Status   Status // "": all
	Redriven *bool  // whether they were redriven; nil: all
	Before   int64  // sequence number; 0: from the newest
	Limit    int
}

// List returns executions, the newest first.
func (s *Store) List(ctx context.Context, f Filter) ([]Execution, error) {
	where, args := []string{"map_run = ?"}, []any{f.MapRun}
	and := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Status != "" {
		and("status = ?", f.Status)
	}
	if f.Redriven != nil {
		and("(redrives > 0) = ?", *f.Redriven)
	}
	if f.Before > 0 {
		and("seq < ?", f.Before)
	}
	list, err := collect(ctx, s.file.Read, scanExecution,
		"SELECT "+executionColumns+" FROM executions WHERE "+strings.Join(where, " AND ")+" ORDER BY seq DESC LIMIT ?",
		append(args, f.Limit)...)
	return list, s.fail(ctx, "list executions", err)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, db *sql.DB, scan func(scanner) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// Unfinished returns the ARNs of the executions that users started and that have not ended, in the order in which they were
// started or last redriven. owner selects those of one process; "" those of the server.
func (s *Store) Unfinished(ctx context.Context, owner string) ([]string, error) {
	list, err := collect(ctx, s.file.Read, func(row scanner) (arn string, err error) { return arn, row.Scan(&arn) },
		"SELECT arn FROM executions WHERE map_run = '' AND status = ? AND owner = ? ORDER BY max(started, redriven), seq", Running, owner)
	return list, s.fail(ctx, "list executions", err)
}

// Owners returns the processes other than the server that executions which have not ended belong to.
func (s *Store) Owners(ctx context.Context) ([]string, error) {
	list, err := collect(ctx, s.file.Read, func(row scanner) (owner string, err error) { return owner, row.Scan(&owner) },
		"SELECT DISTINCT owner FROM executions WHERE map_run = '' AND status = ? AND owner <> ''", Running)
	return list, s.fail(ctx, "list executions", err)
}

// Redrive makes an execution that did not succeed run again, under the server. Its history goes on with the event
// ExecutionRedriven. An execution that runs or has succeeded gives ErrConflict.
func (s *Store) Redrive(ctx context.Context, arn string, at time.Time) (Execution, error) {
	return s.runAgain(ctx, arn, at, func(x Execution) bool { return x.Ended() && x.Status != Succeeded })
}

// Resume makes an execution run again whose process ended in the middle of it, as Redrive does. What its children had begun
// is over. An execution that has ended gives ErrConflict. One that was not begun stays as it is.
func (s *Store) Resume(ctx context.Context, arn string, at time.Time) (Execution, error) {
	x, err := s.Execution(ctx, arn)
	if err != nil {
		return x, err
	}
	var last string
	err = s.file.Read.QueryRowContext(ctx, "SELECT type FROM events WHERE execution = ? AND id = ?", x.Sequence, x.LastEvent).Scan(&last)
	if err != nil {
		return x, s.fail(ctx, "read the history of "+arn, err)
	}
	if !x.Ended() && (last == "ExecutionStarted" || last == "ExecutionRedriven") {
		return x, nil
	}
	return s.runAgain(ctx, arn, at, func(x Execution) bool { return !x.Ended() })
}

func (s *Store) runAgain(ctx context.Context, arn string, at time.Time, allowed func(Execution) bool) (x Execution, err error) {
	if err := s.Flush(ctx); err != nil {
		return x, err
	}
	at = at.Truncate(time.Millisecond).UTC()
	err = s.file.Tx(ctx, func(tx *sql.Tx) error {
		x, err = scanExecution(tx.QueryRowContext(ctx, "SELECT "+executionColumns+" FROM executions WHERE arn = ? AND map_run = ''", arn))
		if err != nil {
			return err
		}
		if !allowed(x) {
			return ErrConflict
		}
		if err := abandon(ctx, tx, x, at); err != nil {
			return err
		}
		previous := x.LastEvent
		x.Status, x.Owner, x.Redrives, x.Redriven, x.Stopped = Running, "", x.Redrives+1, at, time.Time{}
		x.Output, x.Error, x.Cause = nil, "", ""
		x.LastEvent++
		_, err := tx.ExecContext(ctx, `UPDATE executions SET status = ?, owner = '', output = NULL, error = '', cause = '',
			stopped = 0, redrives = ?, redriven = ?, last_event = ? WHERE seq = ?`, x.Status, x.Redrives, database.Millis(at), x.LastEvent, x.Sequence)
		if err != nil {
			return err
		}
		return insertEvent(ctx, tx, arn, Event{
			ID: x.LastEvent, Previous: previous, Time: at, Type: "ExecutionRedriven", Details: redrivenDetails(x.Redrives),
		})
	})
	return x, s.fail(ctx, "redrive execution "+arn, err)
}

// abandoned is the cause of the end of children whose process ended.
const abandoned = "the process that ran this execution ended"

// abandon ends the map runs and child executions of x that have not ended.
func abandon(ctx context.Context, tx *sql.Tx, x Execution, at time.Time) error {
	rows, err := tx.QueryContext(ctx, "SELECT doc FROM map_runs WHERE execution = ?", x.ARN)
	if err != nil {
		return err
	}
	defer rows.Close()
	var open []MapRun
	for rows.Next() {
		m, err := scanMapRun(rows)
		if err != nil {
			return err
		}
		if m.Status == mapRunRunning {
			open = append(open, m)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, m := range open {
		m.Status, m.Stopped = mapRunAborted, at
		for _, c := range []*Counts{&m.Items, &m.Executions} {
			c.Aborted, c.Running, c.Pending = c.Aborted+c.Running+c.Pending, 0, 0
		}
		if err := putMapRun(ctx, tx, m); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO events SELECT seq, last_event + 1, 0, ?, 'ExecutionAborted', ? FROM executions
			WHERE map_run = ? AND status = ?`, database.Millis(at), string(abortedDetails("", abandoned)), m.ARN, Running); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE executions SET status = ?, cause = ?, stopped = ?, last_event = last_event + 1
			WHERE map_run = ? AND status = ?`, Aborted, abandoned, database.Millis(at), m.ARN, Running); err != nil {
			return err
		}
	}
	return nil
}

// End ends an execution that no interpreter ends: one that was not begun, or whose process is gone. One that has ended stays as
// it is and gives ErrConflict.
func (s *Store) End(ctx context.Context, arn string, status Status, name, cause string, at time.Time) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	err := s.file.Tx(ctx, func(tx *sql.Tx) error {
		x, err := scanExecution(tx.QueryRowContext(ctx, "SELECT "+executionColumns+" FROM executions WHERE arn = ?", arn))
		if err != nil {
			return err
		}
		if x.Ended() {
			return ErrConflict
		}
		if err := abandon(ctx, tx, x, at); err != nil {
			return err
		}
		e := Event{ID: x.LastEvent + 1, Previous: x.LastEvent, Time: at, Type: "ExecutionFailed", Details: failedDetails(name, cause)}
		if status == Aborted {
			e.Previous, e.Type, e.Details = 0, "ExecutionAborted", abortedDetails(name, cause)
		}
		if err := insertEvent(ctx, tx, arn, e); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE executions SET last_event = ? WHERE seq = ?", e.ID, x.Sequence); err != nil {
			return err
		}
		return endExecution(ctx, tx, ending{arn, status, nil, name, cause, at})
	})
	return s.fail(ctx, "end execution "+arn, err)
}

// ending is how an execution ended.
type ending struct {
	arn         string
	status      Status
	output      json.RawMessage
	name, cause string
	at          time.Time
}

func endExecution(ctx context.Context, tx *sql.Tx, e ending) error {
	_, err := tx.ExecContext(ctx, "UPDATE executions SET status = ?, output = ?, error = ?, cause = ?, stopped = ? WHERE arn = ?",
		e.status, sql.NullString{String: string(e.output), Valid: e.output != nil}, e.name, e.cause, database.Millis(e.at), e.arn)
	return err
}

// Remove deletes an execution that has ended, with its children. One that runs gives ErrConflict.
func (s *Store) Remove(ctx context.Context, arn string) error {
	err := s.file.Tx(ctx, func(tx *sql.Tx) error {
		x, err := scanExecution(tx.QueryRowContext(ctx, "SELECT "+executionColumns+" FROM executions WHERE arn = ? AND map_run = ''", arn))
		if err == nil && !x.Ended() {
			err = ErrConflict
		}
		if err != nil {
			return err
		}
		return removeExecution(ctx, tx, arn)
	})
	return s.fail(ctx, "remove execution "+arn, err)
}

func removeExecution(ctx context.Context, tx *sql.Tx, arn string) error {
	const family = "(SELECT seq FROM executions WHERE arn = ?1 OR map_run IN (SELECT arn FROM map_runs WHERE execution = ?1))"
	for _, statement := range []string{
		"DELETE FROM events WHERE execution IN " + family,
		"DELETE FROM executions WHERE seq IN " + family,
		"DELETE FROM map_runs WHERE execution = ?1",
	} {
		if _, err := tx.ExecContext(ctx, statement, arn); err != nil {
			return err
		}
	}
	return nil
}

// Expire removes the executions that ended before a time, one by one.
func (s *Store) Expire(ctx context.Context, before time.Time) error {
	list, err := collect(ctx, s.file.Read, func(row scanner) (arn string, err error) { return arn, row.Scan(&arn) },
		"SELECT arn FROM executions WHERE map_run = '' AND stopped > 0 AND stopped < ?", database.Millis(before))
	if err != nil {
		return s.fail(ctx, "list executions", err)
	}
	for _, arn := range list {
		if err := s.Remove(ctx, arn); err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// ChildrenOfUnit returns the children of an execution's map runs whose input has a field unit of a value, the newest first.
func (s *Store) ChildrenOfUnit(ctx context.Context, execution, unit string, limit int) ([]Execution, error) {
	list, err := collect(ctx, s.file.Read, scanExecution, "SELECT "+executionColumns+` FROM executions
		WHERE map_run IN (SELECT arn FROM map_runs WHERE execution = ?) AND json_extract(input, '$.unit') = ? ORDER BY seq DESC LIMIT ?`,
		execution, unit, limit)
	return list, s.fail(ctx, "list the children of "+execution, err)
}
