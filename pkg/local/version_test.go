package local_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
)

// record5 is what a version with records of format 5 left in the ledger when it was killed.
type record5 struct {
	ID    string
	Doc   json.RawMessage
	Units []struct {
		ID          string
		State       ledger.UnitState
		Attempt     int
		Spec, Facts json.RawMessage
	}
}

// restore writes the records and the artifacts of testdata/format5.json to a scratch folder.
func (r *record5) restore(t *testing.T, scratch, source, destination string) {
	t.Helper()
	text, err := os.ReadFile("testdata/format5.json")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer("$SOURCE", source, "$DESTINATION", destination).Replace(string(text)))
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	l, err := sqlite.Open(t.Context(), filepath.Join(scratch, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	expires := time.Now().Add(time.Hour)
	var units []ledger.Unit
	for _, u := range r.Units {
		units = append(units, ledger.Unit{Job: r.ID, ID: u.ID, Spec: u.Spec})
	}
	err = l.PutJob(t.Context(), ledger.Job{
		ID: r.ID, State: ledger.JobRunning, Execution: "local-999999999-1", Started: time.Now().Add(-time.Minute), Doc: r.Doc, Expires: expires,
	})
	if err == nil {
		err = l.Plan(t.Context(), r.ID, slices.Values(units), expires)
	}
	for _, u := range r.Units {
		if err != nil || u.State == ledger.Planned {
			continue
		}
		if _, err = l.Begin(t.Context(), r.ID, u.ID, "local-999999999-1", expires); err != nil || u.State != ledger.Done {
			continue
		}
		if err = l.Complete(t.Context(), r.ID, u.ID, u.Attempt, u.Facts); err != nil {
			continue
		}
		path := filepath.Join(scratch, "pieces", r.ID, u.ID+".1.0.mp4")
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, []byte("an artifact of another format"), 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnUnfinishedJobOfTheLastVersionIsDoneAnew(t *testing.T) {
	t.Parallel()
	source, out, scratch := makeFilm(t, "in.mp4"), t.TempDir(), t.TempDir()
	var old record5
	old.restore(t, scratch, source, out)

	list := func(want ...string) {
		t.Helper()
		jobs, err := local.Jobs(t.Context(), scratch)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, j := range jobs {
			got = append(got, j.State)
			if j.Job == old.ID && !strings.Contains(j.Error, "another version") {
				t.Errorf("the old job is listed as %+v", j)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("states of the jobs (-want +got):\n%s", diff)
		}
	}
	list("interrupted")

	req := request(source, out, "mp4")
	req.Outputs[0].Audio = &film.Audio{Codec: film.AAC}
	report, err := run(t.Context(), req, scratch, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Job == old.ID || report.Ran["video"] != report.Units["video"] || report.Ran["audio"] != 1 {
		t.Errorf("job %s did %v of %v units, want a new job that does all", report.Job, report.Ran, report.Units)
	}
	if want := undisturbed(t, req); !bytes.Equal(published(t, req), want) {
		t.Error("the output differs from that of a run without old records")
	}
	list("done", "interrupted")
	for _, u := range old.Units {
		now := unitOf(t, scratch, old.ID, u.ID)
		if now.State != u.State || now.Attempt != u.Attempt {
			t.Errorf("the old %s was %s in attempt %d, now it is %s in attempt %d", u.ID, u.State, u.Attempt, now.State, now.Attempt)
		}
	}
	assertEmpty(t, filepath.Join(scratch, "pieces", report.Job))
	if kept, err := filepath.Glob(filepath.Join(scratch, "pieces", old.ID, "*", "*")); err != nil || len(kept) != 3 {
		t.Errorf("of the old artifacts %q are left, want all 3 until their retention is over (%v)", kept, err)
	}
}
