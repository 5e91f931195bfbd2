package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestWhatCannotFinishIsRefusedWithTheFigureAndAWayOut(t *testing.T) {
	limits := Limits{
		Lambda: WorkerLimits{Disk: 10_737_418_240, Seconds: 900}, Batch: WorkerLimits{Disk: 75_000_000_000, Seconds: 21600},
	}
	onFiles := limits
	onFiles.Through = true
	none, cpu := &Queues{}, &Queues{CPU: true}
	for name, c := range map[string]struct {
		limits Limits
		queues *Queues
		route  work.Route
		load   work.Load
		want   work.Route // "": refused
		text   string
	}{
		"small": {limits, none, work.RouteLambdaBatch, work.Load{Disk: 10e9, Read: 60e9}, work.RouteLambda, ""},
		"too much disk, no Batch": {
			limits, none, work.RouteLambdaBatch,
			work.Load{Disk: 23e9, Hint: "request .mp4"},
			"",
			"output/film cannot be done by a function: it needs about 23.0 GB of disk, and there are 10.7 GB; request .mp4, or deploy with -c batch=true",
		},
		"too much disk, but on Lambda": {limits, cpu, work.RouteLambda, work.Load{Disk: 23e9}, "", "by a function"},
		"too much disk for Lambda":     {limits, cpu, work.RouteLambdaBatch, work.Load{Disk: 23e9}, work.RouteBatch, ""},
		"too much disk for Batch":      {limits, cpu, work.RouteLambdaBatch, work.Load{Disk: 80e9, Hint: "request .mp4"}, "", "by a Batch job: it needs about 80.0 GB of disk, and there are 75.0 GB; request .mp4"},
		"too long to read":             {limits, none, work.RouteLambda, work.Load{Read: 120e9, Hint: "remux"}, "", "to read about 120.0 GB in one go, and there is time for 60.3 GB; remux"},
		"too long to read on Lambda":   {limits, cpu, work.RouteLambdaBatch, work.Load{Read: 120e9}, work.RouteBatch, ""},
		"too long to read on Batch":    {limits, cpu, work.RouteBatch, work.Load{Read: 2e12}, "", "by a Batch job: it needs to read about 2000.0 GB"},
		"joined by the store":          {limits, none, work.RouteLambda, work.Load{Joined: 120e9}, work.RouteLambda, ""},
		"joined by the worker":         {onFiles, none, work.RouteLambda, work.Load{Joined: 120e9}, "", "to read about 120.0 GB"},
		"on one machine":               {Limits{}, nil, work.RouteLambdaBatch, work.Load{Disk: 1e15, Read: 1e15, Joined: 1e15}, work.RouteLambdaBatch, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Engine{Limits: c.limits, Queues: c.queues}
			needs := work.Needs{Class: work.ClassMerge, Route: c.route, Load: c.load}
			err := e.admit(work.Plan{OutputPhase: work.Phase{Units: slices.Values([]work.Unit{{Name: "output/film", Needs: needs}})}})
			if c.want == "" {
				text := ""
				if err != nil {
					text = err.Error() + "; " + fault.HintOf(err)
				}
				if fault.KindOf(err) != fault.Unsupported || !strings.Contains(text, c.text) {
					t.Errorf("the plan is answered with %q, want %q", text, c.text)
				}
				return
			}
			if err != nil {
				t.Errorf("the plan is refused: %v", err)
			}
			if got := e.item(work.Plan{}, openUnit{"output/film", needs}).Route; got != c.want {
				t.Errorf("the unit has the route %s, want %s", got, c.want)
			}
		})
	}
}

// heavy plans an output that needs more disk than there is.
type heavy struct{ *letters }

func (h heavy) Plan(ctx context.Context, env *work.PlanEnv, request json.RawMessage) (work.Plan, error) {
	p, err := h.letters.Plan(ctx, env, request)
	p.OutputPhase.Units = slices.Values([]work.Unit{{Name: "out/file", Needs: work.Needs{Route: work.RouteLambda, Load: work.Load{Disk: 2}}}})
	return p, err
}

func TestAUnitThatNeedsAGPUIsRefusedWithoutAQueue(t *testing.T) {
	units := slices.Values([]work.Unit{{Name: "frames/000000", Needs: work.Needs{Class: work.ClassRender, Route: work.RouteBatch, GPU: true}}})
	p := work.Plan{Phases: []work.Phase{{Name: "render", Units: units}}}
	if hint := fault.HintOf((&Engine{Queues: &Queues{CPU: true}}).admit(p)); !strings.Contains(hint, "-c gpu=true") || !strings.Contains(hint, "-c blenderUrl") {
		t.Errorf("the hint %q does not name both settings that a GPU needs", hint)
	}
	for queues, want := range map[*Queues]fault.Kind{nil: "", {CPU: true}: fault.Unsupported, {CPU: true, GPU: true}: ""} {
		err := (&Engine{Queues: queues}).admit(p)
		if fault.KindOf(err) != want || err != nil && !strings.Contains(err.Error(), "frames/000000 needs a GPU") {
			t.Errorf("%+v: got %v, want kind %q", queues, err, want)
		}
	}
}

func TestARefusedJobLeavesNothing(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"a"}})
	f.Registry.Planners[0] = heavy{f.planner}
	f.Limits.Lambda.Disk = 1
	_, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{"source": "in"}`), Execution: "e", Started: time.Now()})
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("the request is answered with %v", err)
	}
	if _, err := f.Ledger.Job(t.Context(), "0123456789abcdef0123"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the job has a record: %v", err)
	}
	if left := f.scratch(t); len(left) > 0 {
		t.Errorf("scratch has %q", left)
	}
}
