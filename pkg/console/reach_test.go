package console

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/player/playertest"
	"github.com/mapreel/mapreel/pkg/work"
)

var reach = flag.Bool("reach", false, "measure the page with 50 jobs and 10,000 units in a browser")

const (
	reachJobs    = 50
	reachUnits   = 10_000
	reachRunning = 10
	maxFrame     = 100 // milliseconds, while updates arrive
	maxFirstView = 1000
	maxTask      = 50 // of processor time: a page that keeps this keeps maxFrame with another process at work
)

// TestReach measures how the page of a busy server feels. It takes half a minute and needs a machine that does nothing else:
//
//	go test ./pkg/console -run TestReach -reach -v
func TestReach(t *testing.T) {
	if !*reach {
		t.Skip("not asked for: -reach")
	}
	modules, chromium := playertest.Browser(t)
	s := newSite(t)
	name := s.fill()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	arguments, err := json.Marshal(map[string]any{
		"chromium": chromium, "modules": modules, "profile": filepath.Join(t.TempDir(), "profile"), "address": s.url, "job": name, "jobs": reachJobs, "units": reachUnits,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "reach.mjs"), string(arguments))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var views []struct {
		View          string
		First         float64 // milliseconds from the beginning of the navigation until the view is drawn
		All           float64 // likewise, until it has all units
		Frames        int
		Median, Worst float64 // milliseconds between frames
		Longest       float64 // milliseconds of the longest task that was over 50
		Busy          float64 // milliseconds of processor time of the task that took most of it
	}
	if err := json.Unmarshal(out, &views); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	for _, v := range views {
		t.Logf("%s: first view %.0f ms, complete %.0f ms; %d frames, median %.0f ms, worst %.0f ms, longest task %.0f ms, %.0f ms of processor time",
			v.View, v.First, v.All, v.Frames, v.Median, v.Worst, v.Longest, v.Busy)
		if v.First > maxFirstView || v.Worst > maxFrame {
			t.Errorf("%s: over %d ms for the first view, or %d ms for a frame", v.View, maxFirstView, maxFrame)
		}
		if v.Busy > maxTask {
			t.Errorf("%s: a task takes over %d ms of processor time", v.View, maxTask)
		}
	}
}

// fill makes jobs, of which some run, and keeps them running until the test ends. It returns the name of one with many units.
func (s *site) fill() string {
	t := s.t
	ctx := t.Context()
	statuses := []history.Status{history.Failed, history.Aborted, history.Failed}
	var observers []func(local.Event)
	for i := range reachJobs {
		name := fmt.Sprintf("film-%02d", i)
		x, err := s.fake.Start(ctx, name, json.RawMessage(fmt.Sprintf(`{"source":"/films/%s.mkv","destination":"/films/out","outputs":[{"name":"film","container":"hls"}]}`, name)))
		if err != nil {
			t.Fatal(err)
		}
		if i < reachJobs-reachRunning {
			if err := s.store.End(ctx, x.ARN, statuses[i%len(statuses)], "Corrupt", "the source ends in the middle of a frame", time.Now()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		s.fake.mu.Lock()
		s.fake.runs[x.ARN] = true
		s.fake.mu.Unlock()
		observers = append(observers, s.Observe(x))
	}
	name := fmt.Sprintf("film-%02d", reachJobs-reachRunning)
	arn := history.ExecutionARN(name)
	units := make([]ledger.Unit, reachUnits)
	for i := range units {
		units[i] = ledger.Unit{ID: fmt.Sprintf("video/%05d", i), Spec: json.RawMessage(`{"phase":"encode","needs":{"class":"encode","route":"lambda"}}`)}
	}
	if err := s.opts.Ledger.PutJob(ctx, ledger.Job{ID: "job", State: ledger.JobRunning, Execution: arn, Started: time.Now(), Doc: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := s.opts.Ledger.Plan(ctx, "job", slices.Values(units), time.Time{}); err != nil {
		t.Fatal(err)
	}
	x, err := s.store.Execution(ctx, arn)
	if err != nil {
		t.Fatal(err)
	}
	recorder := s.store.Recorder(x, nil)
	for i := range int64(500) {
		recorder.Event(asl.Event{Type: "TaskStateEntered", Execution: arn, ID: i + 2, Time: time.Now(), State: "Analyse the source", Input: json.RawMessage("{}")})
	}
	ended, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(ended); <-done })
	go func() {
		defer close(done)
		keepWorking(observers, recorder, arn, ended)
	}()
	return name
}

// keepWorking has runs report as if each had units at work, until ended is closed.
func keepWorking(observers []func(local.Event), recorder *history.Recorder, arn string, ended <-chan struct{}) {
	const slots = 16
	total := work.Amount{Media: media.Ticks(reachUnits * 10e6), Count: reachUnits * 250}
	tell := func(run int, kind engine.EventType, unit int, amount work.Amount) {
		observers[run](local.Event{Event: engine.Event{Type: kind, Unit: fmt.Sprintf("video/%05d", unit), Attempt: 1, Amount: amount}, Time: time.Now()})
	}
	for run := range observers {
		observers[run](local.Event{
			Event: engine.Event{Type: engine.Planned, Groups: []engine.GroupProgress{{Group: work.Group{Name: "video", Units: reachUnits, Total: total}}}}, Time: time.Now(),
		})
		for unit := range reachUnits / 2 {
			tell(run, engine.Started, unit, work.Amount{})
			tell(run, engine.Done, unit, work.Amount{Media: 10e6, Count: 250, Bytes: 1e6})
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for step := 0; ; step++ {
		first := reachUnits/2 + step/10*slots
		for run := range observers {
			for slot := range slots {
				unit := (first + slot) % reachUnits
				switch step % 10 {
				case 0:
					tell(run, engine.Started, unit, work.Amount{})
				case 9:
					tell(run, engine.Done, unit, work.Amount{Media: 10e6, Count: 250, Bytes: 1e6})
				default:
					tell(run, engine.Progress, unit, work.Amount{Media: media.Ticks(step % 10 * 1e6), Count: int64(step % 10 * 25)})
				}
			}
		}
		done := min(first, reachUnits)
		recorder.MapRun(asl.MapRun{
			ID: arn + ":run", Execution: arn, State: "Do every unit of the phase", Status: asl.MapRunRunning, Started: time.Now(),
			Items: asl.Counts{Total: reachUnits, Succeeded: done, Running: slots, Pending: reachUnits - done},
		})
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}
