package console

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
)

func TestAJobTellsWhatItUsedSoFar(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	x, err := s.fake.Start(t.Context(), "film", json.RawMessage(`{"source":"/films/film.mp4"}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, text, _ := s.get("/console/used?name=film"); status != 200 || text != `{"attempts":0,"cpu":0}` {
		t.Errorf("before it is planned: %d %s", status, text)
	}
	l := s.opts.Ledger
	if err := l.PutJob(t.Context(), ledger.Job{ID: "job", State: ledger.JobRunning, Execution: x.ARN, Started: time.Now(), Doc: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Plan(t.Context(), "job", slices.Values([]ledger.Unit{{ID: "video/00000"}}), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ { // the first attempt failed, and took its time all the same
		if _, err := l.Begin(t.Context(), "job", "video/00000", "w", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := l.AddUse(t.Context(), "job", "video/00000", n, json.RawMessage(`{"on":"local","ms":900,"cpu":1500}`)); err != nil {
			t.Fatal(err)
		}
	}
	if status, text, _ := s.get("/console/used?name=film"); status != 200 || text != `{"attempts":2,"cpu":3000}` {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := s.get("/console/used?name=none"); status != 404 {
		t.Errorf("a job that there is not: %d", status)
	}
}
