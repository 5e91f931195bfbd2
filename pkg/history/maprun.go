package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"

	"github.com/mapreel/mapreel/pkg/database"
)

// MapRun is a map run as it is stored: the last report of the interpreter.
type MapRun struct {
	ARN       string `json:"arn"`
	Execution string `json:"execution"` // ARN
	Machine   string `json:"machine"`   // ARN of the children's state machine
	State     string `json:"state"`
	Status    string `json:"status"`

	Started time.Time `json:"started"`
	Stopped time.Time `json:"stopped,omitzero"`

	MaxConcurrency             int     `json:"maxConcurrency"`
	ToleratedFailureCount      int     `json:"toleratedFailureCount"`
	ToleratedFailurePercentage float64 `json:"toleratedFailurePercentage"`

	Items      Counts `json:"items"`
	Executions Counts `json:"executions"`
}

// Counts are the items or children of a map run by status.
type Counts = asl.Counts

const (
	mapRunRunning = string(asl.MapRunRunning)
	mapRunAborted = string(asl.MapRunStopped)
)

func mapRunOf(m asl.MapRun) MapRun {
	return MapRun{
		ARN: m.ID, Execution: m.Execution, Machine: m.StateMachine, State: m.State, Status: string(m.Status),
		Started: m.Started, Stopped: m.Stopped, MaxConcurrency: m.MaxConcurrency,
		ToleratedFailureCount: m.ToleratedFailureCount, ToleratedFailurePercentage: m.ToleratedFailurePercentage,
		Items: m.Items, Executions: m.Executions,
	}
}

func scanMapRun(row scanner) (m MapRun, err error) {
	var doc string
	if err := row.Scan(&doc); err != nil {
		return m, err
	}
	return m, json.Unmarshal([]byte(doc), &m)
}

func putMapRun(ctx context.Context, tx *sql.Tx, m MapRun) error {
	doc, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO map_runs (arn, execution, started, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (arn) DO UPDATE SET doc = excluded.doc`, m.ARN, m.Execution, database.Millis(m.Started), string(doc))
	return err
}

// MapRun returns a map run, or ErrNotFound.
func (s *Store) MapRun(ctx context.Context, arn string) (MapRun, error) {
	m, err := scanMapRun(s.file.Read.QueryRowContext(ctx, "SELECT doc FROM map_runs WHERE arn = ?", arn))
	return m, s.fail(ctx, "read map run "+arn, err)
}

// MapRuns returns the map runs of an execution, the newest first, from the offset.
func (s *Store) MapRuns(ctx context.Context, execution string, offset, limit int) ([]MapRun, error) {
	list, err := collect(ctx, s.file.Read, scanMapRun,
		"SELECT doc FROM map_runs WHERE execution = ? ORDER BY started DESC, arn LIMIT ? OFFSET ?", execution, limit, offset)
	return list, s.fail(ctx, "list the map runs of "+execution, err)
}
