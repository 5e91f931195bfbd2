package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/history"
)

// The button of a job says what pressing it would: a server does not redrive what it would not start, nor what has ended long ago.
func TestARowTellsWhyItsJobCannotBeRedriven(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	for name, want := range map[string]struct {
		input  string
		status history.Status
		end    time.Time
		reason string
	}{
		"film":  {`{"source":"/films/film.mp4"}`, history.Failed, time.Now(), ""},
		"tools": {`{"tools":[]}`, history.Aborted, time.Now(), "a server runs no tools"},
		"old":   {`{"source":"/films/film.mp4"}`, history.Failed, time.Now().Add(-15 * 24 * time.Hour), "Execution redrive period exceeded"},
	} {
		x, err := s.fake.Start(ctx, name, json.RawMessage(want.input))
		if err != nil {
			t.Fatal(err)
		}
		row, err := s.row(ctx, x)
		if err != nil || row.Final != "" {
			t.Errorf("%s runs: %q, %v", name, row.Final, err)
		}
		if err := s.store.End(ctx, x.ARN, want.status, "Corrupt", "torn", want.end); err != nil {
			t.Fatal(err)
		}
		if x, err = s.store.Execution(ctx, x.ARN); err != nil {
			t.Fatal(err)
		}
		if row, err = s.row(ctx, x); err != nil || row.Final != want.reason {
			t.Errorf("%s: %q, want %q; %v", name, row.Final, want.reason, err)
		}
		status, answer := s.post("/console/redrive", `{"name":"`+name+`"}`)
		if (status == http.StatusOK) != (want.reason == "") || !strings.Contains(answer, want.reason) {
			t.Errorf("%s: redriven with %d %s", name, status, answer)
		}
	}
}
