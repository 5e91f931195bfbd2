package engine

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
)

// Each execution runs until its time limit, fails, and is redriven at the last moment. Records that expire meanwhile are removed
// at once, whereas DynamoDB takes its time.
func TestNoRecordExpiresThatAnExecutionMayStillNeed(t *testing.T) {
	const run, redrive = 48 * time.Hour, 14 * 24 * time.Hour
	for name, c := range map[string]struct {
		redrives int
		reported bool // whether Finish hears of the failures
		open     bool // whether the second phase is planned after the first
	}{
		"redriven three times":                  {3, true, false},
		"redriven, of a plan that was extended": {2, true, true},
		"redriven, without the failure events":  {2, false, false}, // a unit at the end of a run renews the records
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, &letters{names: []string{"a"}, second: []string{"x", "y"}, needsFirst: true, open: c.open})
				f.Lifetime = Lifetime{Run: run, Redrive: redrive}
				records := f.Ledger.(*sqlite.Ledger)
				defer records.Close()
				units, err := sql.Open("sqlite", filepath.Join(f.folder, "ledger.db"))
				if err != nil {
					t.Fatal(err)
				}
				defer units.Close()
				pass := func(d time.Duration) {
					t.Helper()
					time.Sleep(d)
					expired, err := records.Expire(t.Context(), time.Now(), nil)
					if err != nil {
						t.Fatal(err)
					}
					if len(expired) > 0 {
						t.Fatalf("the records of the job expire after %v", d)
					}
					var first int64 // that package sqlite keeps while there is the job, and DynamoDB removes
					if err := units.QueryRowContext(t.Context(), "SELECT min(expires) FROM units").Scan(&first); err != nil {
						t.Fatal(err)
					}
					if time.Unix(first, 0).Before(time.Now()) {
						t.Fatalf("the record of a unit expires after %v", d)
					}
				}
				do := func(job, unit string) {
					t.Helper()
					if _, err := f.Run(t.Context(), RunInput{Job: job, Unit: unit}); err != nil {
						t.Fatal(err)
					}
				}
				const moment = time.Minute
				next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{"source": "in"}`), Execution: "e", Started: time.Now()})
				if err != nil {
					t.Fatal(err)
				}
				do(next.Job, "a/a")
				if c.open {
					pass(run / 2)
					if _, err := f.Analyse(t.Context(), AnalyseInput{Job: next.Job, Execution: "e", Started: time.Now()}); err != nil {
						t.Fatal(err)
					}
					pass(run/2 - moment)
				} else {
					pass(run - moment)
				}
				for range c.redrives {
					if c.reported {
						if _, err := f.Finish(t.Context(), FinishInput{Execution: "e", Status: "TIMED_OUT"}); err != nil {
							t.Fatal(err)
						}
					}
					pass(redrive - moment)
					do(next.Job, "b/x") // again, where it is done already
					if c.reported {
						pass(run - moment)
						continue
					}
					pass(run - 2*moment)
					do(next.Job, "b/x")
					pass(moment)
				}
				do(next.Job, "b/y")
				do(next.Job, "out/file")
				if _, err := f.Finish(t.Context(), FinishInput{Job: next.Job, Execution: "e"}); err != nil {
					t.Fatal(err)
				}
				if record, err := f.Ledger.Job(t.Context(), next.Job); err != nil || record.State != ledger.JobDone {
					t.Errorf("the job is %s, %v", record.State, err)
				}
			})
		})
	}
}
