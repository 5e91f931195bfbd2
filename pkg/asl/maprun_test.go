package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/asl"
)

const parentID = "arn:aws:states:eu-west-1:123456789012:execution:films:one"

// numbered names map runs and children by their numbers.
func numbered(_ string, run, index int) string {
	if index < 0 {
		return fmt.Sprintf("run%d", run)
	}
	return fmt.Sprintf("child%d-%d", run, index)
}

// TestTenThousandChildrenLeaveTheParentAShortHistory checks that the parent's history does not grow
// with the number of children, that a child's does not either, and that nothing is kept of a child
// that has ended.
func TestTenThousandChildrenLeaveTheParentAShortHistory(t *testing.T) {
	const children = 10_000
	m := load(t, inMap(distributed, `"B": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.pad = '' %}", "Next": "C"}], "Default": "C"},
		"C": {"Type": "Task", "Resource": "work", "Output": {}, "End": true}`,
		`, "MaxConcurrency": 100, "Output": {}, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`))
	pad := strings.Repeat("x", 2000) // 20 MB in all, and as much again in events
	items := io.NopCloser(io.MultiReader(strings.NewReader("["), &repeated{text: `{"pad":"` + pad + `"},`, n: children - 1}, strings.NewReader(`{"pad":""}]`)))
	live := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := live()
	var parent, transitions, ended int
	var calls atomic.Int64
	var run asl.MapRun
	_, err := m.Run(t.Context(), asl.Execution{
		ID: parentID, Items: reader(items), ObserveMapRun: func(r asl.MapRun) { run = r },
		Observe: func(e asl.Event) {
			switch {
			case e.Execution == parentID:
				parent++
			case strings.HasSuffix(string(e.Type), "StateEntered"):
				transitions++
			case e.Type == asl.ExecutionSucceeded:
				if e.ID != 9 {
					t.Errorf("a child has %d events, want 9", e.ID)
				}
				ended++
			}
		},
		Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) {
			if n := calls.Add(1); n == children/2 || n == children-200 {
				if grown := live() - before; grown > 8<<20 {
					t.Errorf("memory grew by %d KiB after %d children, want under 8 MiB", grown>>10, n)
				}
			}
			return nil, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if parent >= 50 || parent != 8 {
		t.Errorf("the parent has %d events, want 8", parent)
	}
	if transitions != 2*children || ended != children {
		t.Errorf("%d transitions in %d children, want 2 in each of %d", transitions, ended, children)
	}
	if c := run.Executions; c.Succeeded != children || c.Total != children || c.Running+c.Pending != 0 {
		t.Errorf("the map run ended with %+v", c)
	}
}

func TestChildrenAreExecutionsOfTheirOwn(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Map", "Label": "Units", "MaxConcurrency": 1, "Items": ["x", "y"],
		"ItemProcessor": {`+distributed+`"StartAt": "B", "States": {"B": {"Type": "Pass", "Output": "{% $states.context %}", "End": true}}},
		"Output": {"children": "{% $states.result %}", "parent": "{% $states.context.Execution.Id %}"}, "End": true}`))
	histories := map[string][]asl.Event{}
	out, err := m.Run(t.Context(), asl.Execution{
		ID: parentID, Name: "one", RoleARN: "arn:role", UniqueName: numbered,
		Now:     func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		Observe: func(e asl.Event) { histories[e.Execution] = append(histories[e.Execution], e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Children []struct {
			Execution    struct{ Id, Name, Input, RoleArn string }
			StateMachine struct{ Id, Name string }
			Map          any
		}
		Parent string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Children) != 2 || got.Parent != parentID {
		t.Fatalf("got %s", out)
	}
	const prefix = "arn:aws:states:eu-west-1:123456789012:"
	for i, c := range got.Children {
		name := fmt.Sprintf("child1-%d", i)
		id := prefix + "execution:films/Units:" + name
		if c.Execution.Id != id || c.Execution.Name != name || c.Execution.Input != string("xy"[i]) || c.Execution.RoleArn != "arn:role" || c.Map != nil {
			t.Errorf("child %d has the execution %+v and the map %v", i, c.Execution, c.Map)
		}
		if c.StateMachine.Id != prefix+"stateMachine:films/Units" || c.StateMachine.Name != "films/Units" {
			t.Errorf("child %d has the state machine %+v", i, c.StateMachine)
		}
		want := []string{"1<-0 ExecutionStarted", "2<-0 PassStateEntered", "3<-2 PassStateExited", "4<-3 ExecutionSucceeded"}
		if diff := cmp.Diff(want, recorded(histories[id])); diff != "" {
			t.Errorf("history of child %d (-want +got):\n%s", i, diff)
		}
		for _, e := range histories[id] {
			if e.MapRun != prefix+"mapRun:films/Units:run1" || e.Map != "A" || e.Index != i {
				t.Errorf("child %d has the event %+v", i, e)
			}
		}
	}
	for _, e := range histories[parentID] {
		if want := strings.HasPrefix(string(e.Type), "MapRun"); (e.MapRun != "") != want {
			t.Errorf("%s has the map run %q", e.Type, e.MapRun)
		}
	}
	if len(histories) != 3 {
		t.Errorf("there are %d histories, want 3", len(histories))
	}
}

func TestNamesAreUniqueByDefault(t *testing.T) {
	ids := map[string]bool{}
	m := load(t, inMap(distributed, succeedB, `, "Items": "{% [1..50] %}"`))
	for range 2 {
		if _, err := m.Run(t.Context(), asl.Execution{ID: "job", Observe: func(e asl.Event) {
			if e.Type == asl.ExecutionStarted && e.MapRun != "" {
				if !strings.HasPrefix(e.MapRun, "mapRun:job/A:") {
					t.Errorf("a map run has the ID %s", e.MapRun)
				}
				if !strings.HasPrefix(e.Execution, "job/A:") || ids[e.Execution] {
					t.Errorf("a child has the ID %s", e.Execution)
				}
				ids[e.Execution] = true
			}
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 100 {
		t.Errorf("there are %d children, want 100", len(ids))
	}
}

func TestMapRunCountsItemsAndExecutions(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Map", "Label": "L", "MaxConcurrency": 1, "Items": [0, 1, 2, 3, 4], "ToleratedFailureCount": 2, "ToleratedFailurePercentage": 50,
		"ItemBatcher": {"MaxItemsPerBatch": 2},
		"ItemProcessor": {`+distributed+`"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "work", "End": true}}}, "End": true}`))
	var runs []asl.MapRun
	out, err := m.Run(t.Context(), asl.Execution{
		ID: parentID, UniqueName: numbered, ObserveMapRun: func(r asl.MapRun) { runs = append(runs, r) },
		Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		Tasks: tasks(func(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
			if strings.Contains(string(in.Arguments), "[2,3]") {
				return nil, &namedError{"Broken", "x"}
			}
			return in.Arguments, nil
		}),
	})
	if err != nil || string(out) != `[{"Items":[0,1]},{"Error":"Broken","Cause":"x"},{"Items":[4]}]` {
		t.Errorf("got %s, %v", out, err)
	}
	var items, executions []asl.Counts
	for _, r := range runs {
		items, executions = append(items, r.Items), append(executions, r.Executions)
	}
	if diff := cmp.Diff([]asl.Counts{
		{Total: 5, Pending: 5},
		{Total: 5, Pending: 3, Running: 2},
		{Total: 5, Pending: 3, Succeeded: 2, ResultsWritten: 2},
		{Total: 5, Pending: 1, Running: 2, Succeeded: 2, ResultsWritten: 2},
		{Total: 5, Pending: 1, Succeeded: 2, Failed: 2, ResultsWritten: 2},
		{Total: 5, Running: 1, Succeeded: 2, Failed: 2, ResultsWritten: 2},
		{Total: 5, Succeeded: 3, Failed: 2, ResultsWritten: 3},
		{Total: 5, Succeeded: 3, Failed: 2, ResultsWritten: 3},
	}, items); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if last := executions[len(executions)-1]; last != (asl.Counts{Total: 3, Succeeded: 2, Failed: 1, ResultsWritten: 2}) {
		t.Errorf("executions are %+v", last)
	}
	last := runs[len(runs)-1]
	last.Items, last.Executions = asl.Counts{}, asl.Counts{}
	want := asl.MapRun{
		ID: "arn:aws:states:eu-west-1:123456789012:mapRun:films/L:run1", Execution: parentID,
		StateMachine: "arn:aws:states:eu-west-1:123456789012:stateMachine:films/L", State: "A", Label: "L", Status: asl.MapRunSuccess,
		Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Stopped: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		MaxConcurrency: 1, ToleratedFailureCount: 2, ToleratedFailurePercentage: 50,
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("map run (-want +got):\n%s", diff)
	}
}

func TestMapRunThatFailsAbortsItsChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last asl.MapRun
		var ends []string
		_, err := load(t, fan(true, `, "MaxConcurrency": 3`)).Run(t.Context(), asl.Execution{
			ID: parentID, Items: reader(&numbers{n: 10}), UniqueName: numbered, ObserveMapRun: func(r asl.MapRun) { last = r },
			Observe: func(e asl.Event) {
				if e.MapRun != "" && (strings.HasPrefix(string(e.Type), "Execution") || strings.HasPrefix(string(e.Type), "MapRun")) && e.Type != asl.ExecutionStarted {
					ends = append(ends, string(e.Type))
				}
			},
			Tasks: tasks(func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
				if string(in.Arguments) == "1" {
					time.Sleep(time.Second)
					return nil, &namedError{"Broken", "x"}
				}
				return hang(ctx, in)
			}),
		})
		if e := failure(t, err); e.Name != asl.StatesExceedToleratedFailureThreshold {
			t.Errorf("got %v", err)
		}
		if last.Status != asl.MapRunFailure || last.Executions != (asl.Counts{Total: 3, Failed: 1, Aborted: 2}) {
			t.Errorf("the map run ended as %+v", last)
		}
		if want := []string{"ExecutionFailed", "ExecutionAborted", "ExecutionAborted", "MapRunStarted", "MapRunFailed"}; !cmp.Equal(sorted(want), sorted(ends)) || ends[len(ends)-1] != "MapRunFailed" {
			t.Errorf("got the events %v, want %v", ends, want)
		}
	})
}

func sorted(list []string) []string { list = slices.Clone(list); slices.Sort(list); return list }

func TestMapRunIsAbortedWithItsExecution(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var last asl.MapRun
	_, err := load(t, fan(true, `, "MaxConcurrency": 2`)).Run(ctx, asl.Execution{
		Items: reader(&numbers{n: 10}), ObserveMapRun: func(r asl.MapRun) { last = r },
		Tasks: tasks(func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
			cancel(&asl.Error{Name: "Stopped"})
			return hang(ctx, in)
		}),
	})
	if err == nil || last.Status != asl.MapRunStopped || last.Executions.Aborted == 0 || last.Executions.Aborted != last.Executions.Total || last.Stopped.IsZero() {
		t.Errorf("got %v and %+v", err, last)
	}
}

func TestEveryMapRunOfAnExecutionHasANumber(t *testing.T) {
	var runs []string
	out, err := load(t, machine(`"A": {"Type": "Map", "Label": "L", "Items": "{% $states.input %}", "ItemProcessor": {`+distributed+`"StartAt": "B", "States": {
			"B": {"Type": "Map", "Label": "N", "Items": [1], "ItemProcessor": {`+distributed+`"StartAt": "C", "States": {"C": {"Type": "Pass", "Output": "{% $states.context.Execution.Id %}", "End": true}}}, "End": true}}}, "Next": "D"},
		"D": {"Type": "Choice", "Choices": [{"Condition": "{% $count($states.input) = 1 %}", "Output": [1, 2], "Next": "A"}], "Default": "E"}, "E": {"Type": "Succeed"}`)).Run(t.Context(), asl.Execution{
		ID: parentID, Input: json.RawMessage(`[1]`), UniqueName: numbered,
		Observe: func(e asl.Event) {
			if e.Type == asl.MapRunStarted && e.Execution == parentID {
				runs = append(runs, e.MapRun)
			}
		},
	})
	const prefix = "arn:aws:states:eu-west-1:123456789012:"
	if diff := cmp.Diff([]string{prefix + "mapRun:films/L:run1", prefix + "mapRun:films/L:run2"}, runs); diff != "" || err != nil {
		t.Errorf("map runs (-want +got):\n%s, %v", diff, err)
	}
	if want := `[["` + prefix + `execution:films/L/N:child1-0"],["` + prefix + `execution:films/L/N:child1-0"]]`; string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
}

func TestBatches(t *testing.T) { // R5
	tests := []struct{ batcher, items, want string }{
		{`{"MaxItemsPerBatch": 2}`, `[1,2,3]`, `[{"Items":[1,2]},{"Items":[3]}]`},
		{`{"MaxItemsPerBatch": "{% $states.input.n %}"}`, `[1,2,3]`, `[{"Items":[1,2,3]}]`},
		{`{"MaxItemsPerBatch": 2, "BatchInput": {"job": "{% $states.input.job %}", "at": "{% $states.context.State.Name %}"}}`, `[1]`, `[{"BatchInput":{"job":"j","at":"A"},"Items":[1]}]`},
		{`{"MaxInputBytesPerBatch": 17}`, `[11,22,33,44]`, `[{"Items":[11,22]},{"Items":[33,44]}]`}, // {"Items":[11,22]}
		{`{"MaxInputBytesPerBatch": 16}`, `[11,22,33]`, `[{"Items":[11]},{"Items":[22]},{"Items":[33]}]`},
		{`{"MaxInputBytesPerBatch": 262144, "MaxItemsPerBatch": 1}`, `[11,22]`, `[{"Items":[11]},{"Items":[22]}]`},
		{`{"MaxItemsPerBatch": 5}`, `[]`, `[]`},
	}
	for _, test := range tests {
		for _, selector := range []string{"", `, "ItemSelector": "{% $states.context.Map.Item.Value * 1 %}"`} {
			m := load(t, inMap(distributed, succeedB, `, "MaxConcurrency": 1, "ItemBatcher": `+test.batcher+selector+`,
				"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`))
			out, err := m.Run(t.Context(), asl.Execution{
				Input: json.RawMessage(`{"n": 3, "job": "j"}`), Items: reader(io.NopCloser(strings.NewReader(test.items))),
			})
			if err != nil || string(out) != test.want {
				t.Errorf("%s of %s: got %s, %v\nwant %s", test.batcher, test.items, out, err, test.want)
			}
		}
	}
	_, err := load(t, inMap(distributed, succeedB, `, "Items": [1, 222222], "ItemBatcher": {"MaxInputBytesPerBatch": 15}`)).Run(t.Context(), asl.Execution{})
	if e := failure(t, err); e.Name != asl.StatesDataLimitExceeded {
		t.Errorf("an item that no batch can hold: got %v", err)
	}
}

func TestABatchStaysWithinThePayloadLimit(t *testing.T) {
	item := `"` + strings.Repeat("x", 100<<10) + `"`
	out, err := load(t, inMap(distributed, `"B": {"Type": "Succeed", "Output": "{% $count($states.input.Items) %}"}`, `, "MaxConcurrency": 1, "ItemBatcher": {"MaxItemsPerBatch": 1000},
		"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`)).Run(t.Context(), asl.Execution{
		Items: reader(io.NopCloser(strings.NewReader("[" + item + strings.Repeat(","+item, 4) + "]"))),
	})
	if err != nil || string(out) != "[2,2,1]" {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestArgumentsOfTasksMayBeLookedUp covers the pattern of a definition that selects a function,
// queue or job definition by an item's class. Resource itself must be constant, in Step Functions
// too.
func TestArgumentsOfTasksMayBeLookedUp(t *testing.T) {
	const table = `$lookup({'tool:captions': 'c', 'encode-1': 'e', 'gpu': 'g'}, $states.input.class)`
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "work", "End": true, "Arguments": {
		"FunctionName": "{% `+table+` %}", "JobQueue": "{% $states.input.gpu ? 'gpu' : `+table+` %}", "JobDefinition": "{% 'arn:' & `+table+` & ':1' %}"}}`))
	for input, want := range map[string]string{
		`{"class": "tool:captions", "gpu": false}`: `{"FunctionName":"c","JobQueue":"c","JobDefinition":"arn:c:1"}`,
		`{"class": "encode-1", "gpu": true}`:       `{"FunctionName":"e","JobQueue":"gpu","JobDefinition":"arn:e:1"}`,
	} {
		if out, err := m.Run(t.Context(), asl.Execution{Input: json.RawMessage(input), Tasks: tasks(echo)}); err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v\nwant %s", input, out, err, want)
		}
	}
	_, err := m.Run(t.Context(), asl.Execution{Input: json.RawMessage(`{"class": "none", "gpu": false}`), Tasks: tasks(echo)})
	if e := failure(t, err); e.Name != asl.StatesQueryEvaluationError || !strings.Contains(e.Cause, "FunctionName") {
		t.Errorf("an unknown class: got %v", err)
	}
}
