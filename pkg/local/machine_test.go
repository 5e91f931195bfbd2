package local

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/work"
)

// Step Functions bills state transitions, and ends an execution whose history has 25,000 events. So a unit may take few
// transitions, and the history of the execution itself must not grow with the number of units.
func TestTenThousandUnitsTakeFewTransitionsAndFewEvents(t *testing.T) {
	t.Parallel()
	const units = 10_000
	source, out := filepath.Join(t.TempDir(), "tone.wav"), t.TempDir()
	head := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 16, 0)
	if err := os.WriteFile(source, append(head, make([]byte, 2*units-len(head))...), 0o600); err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(map[string]any{
		"source": source, "destination": out, "checksums": map[string]any{"seconds": 1}, // a second is two bytes
		"compute": map[string]any{"concurrency": 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	home, err := makeScratch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := open(t.Context(), request, Options{Scratch: home.Path(), Registry: toy.Add(work.Registry{}), Jobs: 8}, home, files{source: source, places: origin.New(origin.Settings{})})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.destination = out
	machine, tasks, err := r.machine()
	if err != nil {
		t.Fatal(err)
	}
	events, entered := map[string]int{}, map[string]int{} // by execution
	var run asl.MapRun
	output, err := machine.Run(t.Context(), asl.Execution{
		ID: r.name, Name: r.name, Input: request, Tasks: tasks, Items: r.items,
		Observe: func(e asl.Event) {
			events[e.Execution]++
			if strings.HasSuffix(string(e.Type), "StateEntered") {
				entered[e.Execution]++
			}
		},
		ObserveMapRun: func(m asl.MapRun) { run = m },
	})
	if err != nil {
		t.Fatal(err)
	}
	var outcome engine.Outcome
	if err := json.Unmarshal(output, &outcome); err != nil || outcome.Units["checksum"] != units {
		t.Fatalf("outcome %s, %v; want %d units", output, err, units)
	}
	if run.Executions.Succeeded != units || run.Executions.Total != units || len(events) != units+1 {
		t.Errorf("the Map ran %+v in %d executions, want %d children", run.Executions, len(events), units)
	}
	transitions := 0
	for execution, n := range entered {
		transitions += n
		if execution != r.name && n > 4 {
			t.Errorf("the child %s made %d transitions, want at most 4", execution, n)
		}
	}
	if transitions > 4*units {
		t.Errorf("%d transitions for %d units, want at most 4 a unit", transitions, units)
	}
	most := 0
	for execution, n := range maps.All(events) {
		if execution != r.name {
			most = max(most, n)
		}
	}
	t.Logf("%d transitions, %d of them in the execution itself; %d events in its history, at most %d in a child's",
		transitions, entered[r.name], events[r.name], most)
	if events[r.name] >= 1000 {
		t.Errorf("the execution's history has %d events, want fewer than 1,000", events[r.name])
	}
	if text, err := os.ReadFile(filepath.Join(out, "tone.wav.sha256")); err != nil || strings.Count(string(text), "\n") != units {
		t.Errorf("the output has %d lines, %v", strings.Count(string(text), "\n"), err)
	}
}
