package progress

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestUnitsOfToolsAreCountedByTheirGroups(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var p Tracker
	add := func(seconds int, e engine.Event) {
		p.Add(local.Event{Event: e, Time: began.Add(time.Duration(seconds) * time.Second)})
	}
	groups := func(captions, words, outputs int) []engine.GroupProgress {
		return []engine.GroupProgress{
			{Group: work.Group{Name: "tool/captions", Noun: "pieces of captions", Units: 10}, Done: captions},
			{Group: work.Group{Name: "tool/words", Noun: "pieces of words", Units: 10}, Done: words},
			{Group: work.Group{Name: "tooljoin/captions", Noun: "outputs", Units: 1}, Done: outputs},
		}
	}
	type count struct {
		Done      int
		Remaining time.Duration
	}
	check := func(seconds int, merging bool, want ...count) {
		t.Helper()
		s := p.Snapshot(began.Add(time.Duration(seconds) * time.Second))
		var got []count
		for _, g := range s.Groups {
			got = append(got, count{g.Done, g.Remaining})
		}
		if diff := cmp.Diff(want, got); diff != "" || s.Merging() != merging {
			t.Errorf("after %d s (-want +got), merging %v:\n%s", seconds, s.Merging(), diff)
		}
		if done, all, noun := s.Finished(); done != want[0].Done+want[1].Done || all != 20 || noun != "piece" {
			t.Errorf("after %d s %d of %d %s are finished", seconds, done, all, noun)
		}
	}
	add(0, engine.Event{Type: engine.Planned, Groups: groups(7, 0, 0)})
	check(0, false, count{7, -1}, count{0, -1}, count{0, -1})
	add(1, engine.Event{Type: engine.Started, Unit: "tool/captions/00007"})
	add(2, engine.Event{Type: engine.Started, Unit: "tool/captions/00008"})
	add(3, engine.Event{Type: engine.Failed, Unit: "tool/captions/00008"})
	add(3, engine.Event{Type: engine.Skipped, Unit: "tool/captions/00009"})
	add(3, engine.Event{Type: engine.Started, Unit: "tool/captions/00008"})
	add(5, engine.Event{Type: engine.Done, Unit: "tool/captions/00007"})
	check(5, false, count{9, 4 * time.Second}, count{0, -1}, count{0, -1})
	add(6, engine.Event{Type: engine.Done, Unit: "tool/captions/00008"})
	add(6, engine.Event{Type: engine.Planned, Groups: groups(10, 0, 0)}) // of the next phase
	check(6, false, count{10, 0}, count{0, -1}, count{0, -1})
	add(7, engine.Event{Type: engine.Planned, Groups: groups(10, 10, 0)})
	check(7, true, count{10, 0}, count{10, -1}, count{0, -1})
}

// A piece of a tool that reports its progress counts by its share, until it is done or begins again.
func TestReportedProgressOfToolsCounts(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var p Tracker
	add := func(seconds int, e engine.Event) {
		p.Add(local.Event{Event: e, Time: began.Add(time.Duration(seconds) * time.Second)})
	}
	check := func(seconds int, fraction float64, remaining time.Duration) {
		t.Helper()
		g := p.Snapshot(began.Add(time.Duration(seconds) * time.Second)).Groups[0]
		if g.Fraction() != fraction || g.Remaining != remaining {
			t.Errorf("after %d s %v is done and %v left, want %v and %v", seconds, g.Fraction(), g.Remaining, fraction, remaining)
		}
	}
	const first, second = "tool/captions/00000", "tool/captions/00001"
	add(0, engine.Event{Type: engine.Planned, Groups: []engine.GroupProgress{
		{Group: work.Group{Name: "tool/captions", Noun: "pieces of captions", Units: 2, Total: work.Amount{Media: 120e6}}},
	}})
	add(0, engine.Event{Type: engine.Started, Unit: first})
	add(0, engine.Event{Type: engine.Started, Unit: second})
	check(1, 0, -1)
	add(2, engine.Event{Type: engine.Progress, Unit: first, Amount: work.Amount{Media: 30e6}})
	add(2, engine.Event{Type: engine.Progress, Unit: second, Amount: work.Amount{Media: 15e6}})
	check(3, 0.375, 5*time.Second)
	add(4, engine.Event{Type: engine.Failed, Unit: second})
	add(4, engine.Event{Type: engine.Done, Unit: first})
	check(4, 0.5, 4*time.Second)
}
