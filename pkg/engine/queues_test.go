package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestNoMoreUnitsStartAtOnceThanFunctionsRun(t *testing.T) {
	onBatch := []Item{{Route: work.RouteBatch}, {Route: work.RouteBatch}}
	mixed := append([]Item{{Route: work.RouteLambdaBatch}}, onBatch...)
	for _, c := range []struct {
		limit, asked int
		items        []Item
		want         int
	}{
		{0, 1000, mixed, 1000}, {10, 1000, mixed, 10}, {10, 4, mixed, 4}, {10, 1000, onBatch, 1000}, {10, 1000, nil, 1000},
	} {
		e := &Engine{Concurrency: c.limit}
		if got := e.concurrency(work.Plan{Concurrency: c.asked}, c.items); got != c.want {
			t.Errorf("a limit of %d and a request for %d give %d for %v, want %d", c.limit, c.asked, got, c.items, c.want)
		}
	}
	f := newFixture(t, &letters{second: []string{"b"}, wide: 50})
	f.Concurrency = 3
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{"source": "in"}`), Execution: "e", Started: time.Now()})
	if err != nil || next.Concurrency != 3 {
		t.Errorf("the Map is told to run %d at once, %v; want 3", next.Concurrency, err)
	}
}

func TestUnitsRunOnlyWhereThereAreQueues(t *testing.T) {
	cpu, both := Queues{CPU: true}, Queues{CPU: true, GPU: true}
	for name, test := range map[string]struct {
		queues  Queues
		compute string
		want    fault.Kind
		route   work.Route // of a unit of an admitted request, planned for lambda-batch
	}{
		"default without queues":     {Queues{}, `{}`, "", work.RouteLambda},
		"default with a queue":       {cpu, `{}`, "", work.RouteLambdaBatch},
		"lambda without queues":      {Queues{}, `{"mode": "lambda"}`, "", work.RouteLambda},
		"batch without queues":       {Queues{}, `{"mode": "batch"}`, fault.Unsupported, ""},
		"batch with a queue":         {cpu, `{"mode": "batch"}`, "", work.RouteLambdaBatch},
		"GPU without its queue":      {cpu, `{"gpu": true}`, fault.Unsupported, ""},
		"GPU in batch without queue": {cpu, `{"gpu": true, "mode": "batch"}`, fault.Unsupported, ""},
		"GPU with its queue":         {both, `{"gpu": true}`, "", work.RouteLambdaBatch},
	} {
		t.Run(name, func(t *testing.T) {
			request := json.RawMessage(`{"source": "s3://b/in/f.mp4", "destination": "s3://b/out/", "compute": ` + test.compute + `}`)
			err := test.queues.admit(request)
			if fault.KindOf(err) != test.want {
				t.Fatalf("the request is answered with %v, want kind %q", err, test.want)
			}
			if err != nil {
				return
			}
			e := &Engine{Queues: &test.queues}
			needs := work.Needs{Class: work.ClassEncode, Route: work.RouteLambdaBatch}
			got := e.item(work.Plan{ID: "j"}, openUnit{"video/00000", needs})
			if want := (Item{Job: "j", Unit: "video/00000", Class: work.ClassEncode, Route: test.route}); got != want {
				t.Errorf("the unit becomes %+v, want %+v", got, want)
			}
			if every := (*Queues)(nil); every.admit(request) != nil || every.reroute(needs) != needs.Route {
				t.Error("an engine without Queues refuses the request or changes the route")
			}
		})
	}
}
