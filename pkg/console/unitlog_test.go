package console

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
)

func TestAUnitIsShownWithTheLogsOfItsAttempts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	x, err := s.fake.Start(t.Context(), "film", json.RawMessage(`{"source":"/films/film.mkv"}`))
	if err != nil {
		t.Fatal(err)
	}
	l := s.opts.Ledger
	if err := l.PutJob(t.Context(), ledger.Job{ID: "job", State: ledger.JobRunning, Execution: x.ARN, Started: time.Now(), Doc: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	planned := slices.Values([]ledger.Unit{{ID: "video/00000", Spec: json.RawMessage("{}")}})
	if err := l.Plan(t.Context(), "job", planned, time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.opts.UnitLogs = func(job, unit string) ([]local.AttemptLog, error) {
		return []local.AttemptLog{{Attempt: 2, Text: job + " " + unit}}, nil
	}
	if status, text, _ := s.get("/console/unit?name=film&unit=video/00000"); status != 200 || !strings.Contains(text, `"logs":[{"attempt":2,"text":"job video/00000"}]`) {
		t.Errorf("%d %s", status, text)
	}
	s.opts.UnitLogs = func(string, string) ([]local.AttemptLog, error) { return nil, errors.New("the disk is broken") }
	if status, text, _ := s.get("/console/unit?name=film&unit=video/00000"); status != 200 || !strings.Contains(text, `"unit":`) {
		t.Errorf("without logs: %d %s", status, text)
	}
}
