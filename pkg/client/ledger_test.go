package client

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/intake/intaketest"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestProgressOfAStackIsThatOfItsLedger(t *testing.T) {
	ctx := t.Context()
	states := intaketest.Start(t)
	l, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of the test
	c := &Client{sfn: states.Client, machine: intaketest.MachineARN, cloud: &cloud{ledger: l, prices: price.Default()}}
	job, started, err := c.Submit(ctx, "film-1", json.RawMessage(`{"source":"s3://b/in/film.mov","destination":"s3://b/out/"}`))
	if err != nil || !started || job.Source != "s3://b/in/film.mov" || job.Progress != nil {
		t.Fatal(job, started, err)
	}
	if job, err = c.Status(ctx, "film-1"); err != nil || job.Progress != nil {
		t.Errorf("before the plan: %+v, %v", job, err)
	}
	doc, err := json.Marshal(work.Plan{ID: "0a1b", Groups: []work.Group{
		{Name: "video", Noun: "segments", Units: 3, Total: work.Amount{Media: 30e6}}, {Name: "output/film", Noun: "outputs", Units: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := l.PutJob(ctx, ledger.Job{ID: "0a1b", State: ledger.JobRunning, Execution: job.ARN, Started: now, Doc: doc}); err != nil {
		t.Fatal(err)
	}
	spec := json.RawMessage(`{"phase":"encode","needs":{"class":"encode"}}`)
	var units []ledger.Unit
	for _, id := range []string{"video/00000", "video/00001", "video/00002", "output/film"} {
		units = append(units, ledger.Unit{ID: id, Spec: spec})
	}
	if err := l.Plan(ctx, "0a1b", slices.Values(units), time.Time{}); err != nil {
		t.Fatal(err)
	}
	begin := func(id string) int {
		t.Helper()
		u, err := l.Begin(ctx, "0a1b", id, "lambda", now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return u.Attempt
	}
	if err := l.Complete(ctx, "0a1b", "video/00000", begin("video/00000"), json.RawMessage(`{"done":{"media":10000000,"count":250,"bytes":99},"elapsed":20000,"reason":"OutOfTime"}`)); err != nil {
		t.Fatal(err)
	}
	// 12,000 GB-s × 0.0000166667 = 0.2000004
	if err := l.AddUse(ctx, "0a1b", "video/00000", 1, json.RawMessage(`{"on":"lambda","ms":12000000,"mb":1024}`)); err != nil {
		t.Fatal(err)
	}
	begin("video/00001")
	begin("video/00001") // a retry
	if err := l.Fail(ctx, "0a1b", "video/00002", begin("video/00002"), ledger.Failure{Kind: "Corrupt", Message: "video/00002: it broke"}); err != nil {
		t.Fatal(err)
	}
	job, err = c.Status(ctx, "film-1")
	if err != nil || job.Progress == nil {
		t.Fatal(job, err)
	}
	p := *job.Progress
	if g := p.Groups[0]; g.Name != "video" || g.Units != 3 || g.Done != 1 || g.Running != 1 || g.Amount.Media != 10e6 || g.Total.Media != 30e6 {
		t.Errorf("video %+v", g)
	}
	if p.Moved["OutOfTime"] != 1 || p.Retries != 1 || p.Failures != 1 || p.Cost == nil || p.Cost.Total != 200_000_400 || p.Cost.Unrecorded != 3 {
		t.Errorf("progress %+v, cost %v; want one retry, one failure and 0.2 USD", p, p.Cost)
	}
	// Of a Map the service says only that units failed; the ledger says why.
	states.End("film-1", "FAILED", map[string]any{"error": "States.ExceedToleratedFailureThreshold", "cause": "too many"})
	job, err = c.Follow(ctx, "film-1", func(Job) {})
	if err != nil || job.Error == nil || job.Error.Kind != "Corrupt" || job.Error.Message != "video/00002: it broke" {
		t.Errorf("failed: %+v, %v", job.Error, err)
	}
}

func TestMediaConvertWouldChargeForWhatWasPublished(t *testing.T) {
	facts := json.RawMessage(`{"frames": 90000, "video": [
		{"codec": "h264", "width": 1920, "height": 1080, "frameRate": {"num": 25, "den": 1}},
		{"codec": "h264", "width": 640, "height": 360, "frameRate": {"num": 25, "den": 1}}]}`)
	// An hour of HD counts 120 minutes and one of SD 60: 180 × 0.0075
	if e := elsewhere([]json.RawMessage{facts, []byte(`"no film"`)}, price.Default()); e == nil || e.Cost != 1_350_000_000 || e.AtLeast {
		t.Errorf("%+v, want 1.35 USD", e)
	}
	if e := elsewhere([]json.RawMessage{[]byte(`{"frames": 0}`)}, price.Default()); e != nil {
		t.Errorf("sound alone: %+v", e)
	}
}
