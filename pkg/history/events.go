package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/database"
)

// Event is an entry of an execution's history.
type Event struct {
	ID       int64 // from 1, without gaps
	Previous int64 // the event that led to this one; 0 is none
	Time     time.Time
	Type     string
	Details  json.RawMessage // an object: the details field of the type, such as stateEnteredEventDetails, if it has one
}

func insertEvent(ctx context.Context, tx *sql.Tx, arn string, e Event) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO events SELECT seq, ?, ?, ?, ?, ? FROM executions WHERE arn = ?
		ON CONFLICT DO NOTHING`, e.ID, e.Previous, database.Millis(e.Time), e.Type, string(e.Details), arn)
	return err
}

func scanEvent(row scanner) (e Event, err error) {
	var at int64
	var details string
	err = row.Scan(&e.ID, &e.Previous, &at, &e.Type, &details)
	e.Time, e.Details = database.FromMillis(at), json.RawMessage(details)
	return e, err
}

// Events returns up to limit events of an execution that follow the one of ID after, in order; with reverse, those that precede
// it, the newest first. after 0 is the beginning, or with reverse the end.
func (s *Store) Events(ctx context.Context, x Execution, after int64, reverse bool, limit int) ([]Event, error) {
	order, compare := "", ">"
	if reverse {
		order, compare = "DESC", "<"
		if after == 0 {
			after = 1<<63 - 1
		}
	}
	list, err := collect(ctx, s.file.Read, scanEvent, fmt.Sprintf(
		"SELECT id, previous, time, type, details FROM events WHERE execution = ? AND id %s ? ORDER BY id %s LIMIT ?", compare, order),
		x.Sequence, after, limit)
	return list, s.fail(ctx, "read the history of "+x.ARN, err)
}
