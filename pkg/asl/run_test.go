package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/fault"
)

func load(t testing.TB, definition string) *asl.Machine {
	t.Helper()
	m, err := asl.Load([]byte(definition))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tasks(work asl.Task) map[string]asl.Task { return map[string]asl.Task{"work": work} }

// hang waits for the end of its context.
func hang(ctx context.Context, _ asl.TaskInput) (json.RawMessage, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("stopped: %w", ctx.Err())
}

func echo(_ context.Context, in asl.TaskInput) (json.RawMessage, error) { return in.Arguments, nil }

func failure(t *testing.T, err error) *asl.Error {
	t.Helper()
	var e *asl.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *asl.Error", err)
	}
	return e
}

const oneTask = `"A": {"Type": "Task", "Resource": "work", "End": true}`

func TestRunKeepsTheTaskErrorReachable(t *testing.T) {
	cause := errors.New("sector 7")
	fail := func(context.Context, asl.TaskInput) (json.RawMessage, error) {
		return nil, fault.WithHint(fault.Wrap(fault.Corrupt, cause, "read film.mkv"), "copy it again")
	}
	for name, definition := range map[string]string{
		"task":     machine(oneTask),
		"map":      machine(`"M": {"Type": "Map", "Items": [1], "ItemProcessor": {"StartAt": "A", "States": {` + oneTask + `}}, "End": true}`),
		"child":    machine(`"M": {"Type": "Map", "Items": [1], "ItemProcessor": {` + distributed + `"StartAt": "A", "States": {` + oneTask + `}}, "End": true}`),
		"parallel": machine(`"M": {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {` + oneTask + `}}], "End": true}`),
		"catcher":  machine(`"A": {"Type": "Task", "Resource": "work", "Catch": [{"ErrorEquals": ["Corrupt"], "Next": "A", "Output": "{% $states.input.none %}"}], "End": true}`),
	} {
		definition = strings.Replace(definition, `"StartAt": "A", "States": {"M"`, `"StartAt": "M", "States": {"M"`, 1)
		_, err := load(t, definition).Run(t.Context(), asl.Execution{Tasks: tasks(fail)})
		if !errors.Is(err, cause) || fault.KindOf(err) != fault.Corrupt || fault.HintOf(err) != "copy it again" {
			t.Errorf("%s: got %v of kind %s, want the task's error, kind and hint", name, err, fault.KindOf(err))
		}
		e := failure(t, err)
		if want := map[string]string{"child": asl.StatesExceedToleratedFailureThreshold, "catcher": asl.StatesQueryEvaluationError}[name]; want != "" && e.Name != want || want == "" && (e.Name != "Corrupt" || e.State != "A") {
			t.Errorf("%s: got %q in state %q", name, e.Name, e.State)
		}
	}
}

func TestErrorsWithoutNameAreTaskFailures(t *testing.T) {
	_, err := load(t, machine(oneTask)).Run(t.Context(), asl.Execution{
		Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) { return nil, io.ErrUnexpectedEOF }),
	})
	if e := failure(t, err); e.Name != asl.StatesTaskFailed || e.Cause != "unexpected EOF" {
		t.Errorf("got %q, %q", e.Name, e.Cause)
	}
}

func TestTaskTimesOutAndIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := load(t, machine(`"A": {"Type": "Task", "Resource": "work", "TimeoutSeconds": "{% $states.input.limit %}",
			"Retry": [{"ErrorEquals": ["States.TaskFailed"]}, {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}], "End": true}`))
		start := time.Now()
		var types []asl.EventType
		_, err := m.Run(t.Context(), asl.Execution{
			Input: json.RawMessage(`{"limit": 60}`), Tasks: tasks(hang), Observe: func(e asl.Event) { types = append(types, e.Type) },
		})
		if e := failure(t, err); e.Name != asl.StatesTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want States.Timeout over the task's own error", err)
		}
		if got := time.Since(start); got != 121*time.Second {
			t.Errorf("took %v, want twice 60 s and 1 s between", got)
		}
		want := []asl.EventType{
			"ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskTimedOut",
			"TaskScheduled", "TaskStarted", "TaskTimedOut", "ExecutionFailed",
		}
		if diff := cmp.Diff(want, types); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestTimeoutMustBeAPositiveInteger(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "work", "TimeoutSeconds": "{% $states.input.limit %}", "End": true}`))
	for _, limit := range []string{`0`, `-1`, `1.5`, `"60"`, `null`, `[60]`} {
		_, err := m.Run(t.Context(), asl.Execution{Input: json.RawMessage(`{"limit": ` + limit + `}`), Tasks: tasks(echo)})
		if e := failure(t, err); e.Name != asl.StatesQueryEvaluationError || !strings.Contains(e.Cause, "/States/A/TimeoutSeconds") {
			t.Errorf("limit %s: got %v", limit, err)
		}
	}
}

func TestMachineTimeoutCannotBeCaught(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := load(t, `{"QueryLanguage": "JSONata", "TimeoutSeconds": 30, "StartAt": "A", "States": {
			"A": {"Type": "Task", "Resource": "work", "Retry": [{"ErrorEquals": ["States.ALL"]}],
				"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}], "End": true}, "B": {"Type": "Succeed"}}}`)
		var last asl.Event
		start := time.Now()
		_, err := m.Run(t.Context(), asl.Execution{Tasks: tasks(hang), Observe: func(e asl.Event) { last = e }})
		if e := failure(t, err); e.Name != asl.StatesTimeout || last.Type != asl.ExecutionTimedOut {
			t.Errorf("got %v and the event %s, want States.Timeout and ExecutionTimedOut", err, last.Type)
		}
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("took %v, want 30 s", got)
		}
	})
}

func TestCancellationStopsPromptlyAndReturnsItsCause(t *testing.T) {
	stop := errors.New("the user pressed Ctrl-C")
	mapOf := func(config, inner string) string {
		return `{"QueryLanguage": "JSONata", "StartAt": "M", "States": {"M": {"Type": "Map", "Items": [1, 2, 3, 4], "MaxConcurrency": 2,
			"Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Z"}],
			"ItemProcessor": {` + config + `"StartAt": "A", "States": {` + inner + `}}, "Next": "Z"}, "Z": {"Type": "Succeed"}}}`
	}
	tests := []struct {
		name, definition string
		events           []asl.EventType
	}{
		{"task", machine(oneTask), []asl.EventType{"TaskStateAborted"}},
		{"wait", machine(`"A": {"Type": "Wait", "Seconds": 1000000, "End": true}`), nil}, // as AWS records a StopExecution
		{"inline map", mapOf("", oneTask), []asl.EventType{
			"TaskStateAborted", "TaskStateAborted", "MapIterationAborted", "MapIterationAborted", "MapStateAborted",
		}},
		{"distributed map", mapOf(distributed, oneTask), []asl.EventType{
			"TaskStateAborted", "TaskStateAborted", "ExecutionAborted", "ExecutionAborted", "MapRunAborted", "MapStateAborted",
		}},
		{"parallel", machine(`"A": {"Type": "Parallel", "Branches": [
			{"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "work", "End": true}}},
			{"StartAt": "C", "States": {"C": {"Type": "Wait", "Seconds": 1000, "End": true}}}], "End": true}`), []asl.EventType{
			"TaskStateAborted", "ParallelStateAborted",
		}},
		{"endless loop", machine(`"A": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "Z"}], "Default": "B"},
			"B": {"Type": "Wait", "Seconds": 1, "Next": "A"}, "Z": {"Type": "Succeed"}`), nil},
		{"retry", machine(`"A": {"Type": "Task", "Resource": "fail", "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100000}], "End": true}`), []asl.EventType{"TaskStateAborted"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				start := time.Now()
				go func() {
					time.Sleep(time.Minute + time.Second/2)
					cancel(stop)
				}()
				var aborted []asl.EventType
				var last asl.Event
				_, err := load(t, test.definition).Run(ctx, asl.Execution{
					Tasks: map[string]asl.Task{"work": hang, "fail": func(context.Context, asl.TaskInput) (json.RawMessage, error) {
						return nil, io.ErrUnexpectedEOF
					}},
					Observe: func(e asl.Event) {
						if last = e; strings.HasSuffix(string(e.Type), "Aborted") {
							aborted = append(aborted, e.Type)
						}
					},
				})
				if !errors.Is(err, stop) {
					t.Errorf("got %v, want the cause of the cancellation", err)
				}
				if took := time.Since(start); took != time.Minute+time.Second/2 {
					t.Errorf("took %v after the start, want the moment of the cancellation", took)
				}
				want := append(test.events, asl.ExecutionAborted)
				slices.Sort(aborted)
				slices.Sort(want)
				if diff := cmp.Diff(want, aborted); diff != "" || last.Type != asl.ExecutionAborted {
					t.Errorf("aborted, the last being %s (-want +got):\n%s", last.Type, diff)
				}
			})
		})
	}
}

func TestFirstFailureStopsTheOthersAndWaitsForThem(t *testing.T) {
	broken := errors.New("broken")
	for name, definition := range map[string]string{
		"parallel": machine(`"A": {"Type": "Parallel", "Branches": [
			{"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "fail", "End": true}}},
			{"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "work", "End": true}}}], "End": true}`),
		"inline map": machine(`"A": {"Type": "Map", "Items": [true, false], "ItemProcessor": {"StartAt": "B", "States": {
			"B": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input %}", "Next": "C"}], "Default": "D"},
			"C": {"Type": "Task", "Resource": "fail", "End": true}, "D": {"Type": "Task", "Resource": "work", "End": true}}}, "End": true}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var left atomic.Bool
				_, err := load(t, definition).Run(t.Context(), asl.Execution{Tasks: map[string]asl.Task{
					"fail": func(context.Context, asl.TaskInput) (json.RawMessage, error) {
						time.Sleep(time.Second)
						return nil, broken
					},
					"work": func(ctx context.Context, _ asl.TaskInput) (json.RawMessage, error) {
						<-ctx.Done()
						time.Sleep(time.Second) // cleanup
						left.Store(true)
						return nil, ctx.Err()
					},
				}})
				if !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want the first failure and not that of the one it stopped", err)
				}
				if !left.Load() {
					t.Error("Run returned before the other task")
				}
			})
		})
	}
}

func TestPayloadsAreLimited(t *testing.T) {
	const limit = 256 << 10
	text := func(size int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", size-2) + `"`) }
	// The input is 100 bytes short of the limit, and LONG adds to it what reaches or passes the
	// limit.
	inner := func(field, rest string) string {
		return `{"StartAt": "B", "States": {"B": {"Type": "Succeed", "Output": ` + field + `}}}` + rest
	}
	tests := []struct{ name, definition string }{
		{"arguments", machine(`"A": {"Type": "Task", "Resource": "work", "Arguments": "{% LONG(0) %}", "Output": 1, "End": true}`)},
		{"result", machine(`"A": {"Type": "Task", "Resource": "long", "Output": 1, "End": true}`)},
		{"output", machine(`"A": {"Type": "Pass", "Output": "{% LONG(0) %}", "End": true}`)},
		{"output of a rule", machine(`"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "B", "Output": "{% LONG(0) %}"}]}, "B": {"Type": "Succeed"}`)},
		{"output of a catcher", machine(`"A": {"Type": "Task", "Resource": "fail", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B", "Output": "{% LONG(0) %}"}], "End": true}, "B": {"Type": "Succeed"}`)},
		{"variables of a state", machine(`"A": {"Type": "Pass", "Assign": {"a": "{% LONG(4) %}", "b": "{% 'ab' %}"}, "Output": 1, "End": true}`)},
		{"items of a map", machine(`"A": {"Type": "Map", "Items": ["{% LONG(2) %}"], "ItemProcessor": ` + inner("1", "") + `, "End": true}`)},
		{"input of an item", machine(`"A": {"Type": "Map", "Items": [1], "ItemSelector": "{% LONG(0) %}", "ItemProcessor": ` + inner("1", "") + `, "End": true}`)},
		{"results of a map", machine(`"A": {"Type": "Map", "Items": ["{% $states.input %}", 1], "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 1 %}", "Next": "C"}], "Default": "D"},
			"C": {"Type": "Succeed"}, "D": {"Type": "Succeed", "Output": "{% LONG(4) %}"}}}, "Output": 1, "End": true}`)},
		{"results of branches", machine(`"A": {"Type": "Parallel", "Branches": [` + inner(`"{% LONG(4) %}"`, "") + `, {"StartAt": "C", "States": {"C": {"Type": "Succeed", "Output": 1}}}], "Output": 1, "End": true}`)},
	}
	long := regexp.MustCompile(`LONG\((\d)\)`)
	for _, test := range tests {
		for over := range 2 {
			definition := long.ReplaceAllStringFunc(test.definition, func(s string) string {
				return fmt.Sprintf("($states.input & $pad('', %d, 'x'))", 100+over-int(s[5]-'0'))
			})
			_, err := load(t, definition).Run(t.Context(), asl.Execution{Input: text(limit - 100), Tasks: map[string]asl.Task{
				"work": echo,
				"long": func(context.Context, asl.TaskInput) (json.RawMessage, error) { return text(limit + over), nil },
				"fail": func(context.Context, asl.TaskInput) (json.RawMessage, error) { return nil, io.ErrUnexpectedEOF },
			}})
			if over == 0 && err != nil {
				t.Errorf("%s at the limit: %v", test.name, err)
			}
			if over > 0 && (err == nil || failure(t, err).Name != asl.StatesDataLimitExceeded) {
				t.Errorf("%s over the limit: got %v, want States.DataLimitExceeded", test.name, err)
			}
		}
	}
	for over := range 2 {
		_, err := load(t, machine(`"A": {"Type": "Succeed"}`)).Run(t.Context(), asl.Execution{Input: text(limit + over)})
		if (err != nil) != (over > 0) {
			t.Errorf("input of %d bytes: got %v", limit+over, err)
		}
	}
}

func TestVariablesOfAnExecutionAreLimited(t *testing.T) {
	// 40 times 256 KiB are 10 MiB, the limit. Each state assigns one more variable of that size, by
	// a name of its own.
	var states strings.Builder
	for i := range 41 {
		fmt.Fprintf(&states, `"S%d": {"Type": "Pass", "Assign": {"v%d": "{%% $states.input %%}"}, "Next": "S%d"},`, i, i, i+1)
	}
	definition := `{"QueryLanguage": "JSONata", "StartAt": "S0", "States": {` + states.String() + `"S41": {"Type": "Succeed"}}}`
	var last string
	_, err := load(t, definition).Run(t.Context(), asl.Execution{
		Input: json.RawMessage(`"` + strings.Repeat("x", 256<<10-2) + `"`),
		Observe: func(e asl.Event) {
			if e.Type == "PassStateExited" {
				last = e.State
			}
		},
	})
	if e := failure(t, err); e.Name != asl.StatesDataLimitExceeded || e.State != "S40" || last != "S39" {
		t.Errorf("got %v after %s, want the 41st variable refused", err, last)
	}
}

func TestRunRefusesAnIncompleteExecutionBeforeItStarts(t *testing.T) {
	reads := inMap(distributed, succeedB, `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
		"Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`)
	for name, test := range map[string]struct {
		definition string
		x          asl.Execution
		want       string
	}{
		"task":   {machine(oneTask), asl.Execution{}, "no task for its resource work"},
		"reader": {reads, asl.Execution{}, "ItemReader"},
		"input":  {machine(oneTask), asl.Execution{Tasks: tasks(echo), Input: json.RawMessage("{")}, "not JSON"},
	} {
		test.x.Observe = func(e asl.Event) { t.Errorf("%s: event %s", name, e.Type) }
		_, err := load(t, test.definition).Run(t.Context(), test.x)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestResultsThatAreNotJSONFailTheTask(t *testing.T) {
	_, err := load(t, machine(oneTask)).Run(t.Context(), asl.Execution{
		Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) { return json.RawMessage("{"), nil }),
	})
	if e := failure(t, err); e.Name != asl.StatesTaskFailed || !strings.Contains(e.Cause, "not JSON") {
		t.Errorf("got %v", err)
	}
}

func TestContextShowsExecutionAndState(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "work", "Retry": [{"ErrorEquals": ["X"]}], "Arguments": "{% $states.context %}", "End": true}`))
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))
	tries := 0
	out, err := m.Run(t.Context(), asl.Execution{
		Name: "film", ID: "arn:film", RoleARN: "arn:role", StateMachine: "arn:machine:films", Input: json.RawMessage(`{"a": null}`),
		Now: func() time.Time { return now }, Sleep: func(context.Context, time.Duration) error { return nil },
		Tasks: tasks(func(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
			if in.Attempt != tries || in.State != "A" || in.Resource != "work" {
				t.Errorf("attempt %d got %+v", tries, in)
			}
			if tries++; tries == 1 {
				return nil, &namedError{"X", "first"}
			}
			return in.Arguments, nil
		}),
	})
	const want = `{"Execution":{"Id":"arn:film","Input":{"a":null},"Name":"film","RedriveCount":0,"RoleArn":"arn:role","StartTime":"2026-01-02T02:04:05.006Z"},` +
		`"State":{"EnteredTime":"2026-01-02T02:04:05.006Z","Name":"A","RetryCount":1},"StateMachine":{"Id":"arn:machine:films","Name":"films"}}`
	if err != nil || string(out) != want {
		t.Errorf("got %s, %v\nwant %s", out, err, want)
	}
}

func TestEventsFormATreeWithoutGaps(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Parallel", "Branches": [
		{"StartAt": "B", "States": {"B": {"Type": "Map", "Items": "{% [1..50] %}", "ItemProcessor": {"StartAt": "B1", "States": {"B1": {"Type": "Task", "Resource": "work", "End": true}}}, "End": true}}},
		{"StartAt": "C", "States": {"C": {"Type": "Pass", "End": true}}}], "End": true}`))
	var events []asl.Event // Observe is called one at a time, so no lock; the race detector would tell
	if _, err := m.Run(t.Context(), asl.Execution{Tasks: tasks(echo), Observe: func(e asl.Event) { events = append(events, e) }}); err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if e.ID != int64(i+1) || e.Previous >= e.ID || (e.Previous == 0) != (i < 2) { // the first StateEntered has no previous event either
			t.Fatalf("event %d has ID %d and previous %d", i, e.ID, e.Previous)
		}
		if e.Time.IsZero() {
			t.Errorf("event %d has no time", e.ID)
		}
		if before := events[max(e.Previous, 1)-1]; e.Type == asl.TaskScheduled && (before.Type != "TaskStateEntered" || before.Index != e.Index || e.Map != "B") {
			t.Errorf("event %+v follows %+v", e, before)
		}
	}
}

func TestMachineRunsManyExecutionsAtOnce(t *testing.T) {
	m := load(t, machine(`"A": {"Type": "Task", "Resource": "work", "Arguments": {"n": "{% $states.input.n * 2 %}"}, "Assign": {"v": "{% $states.result %}"}, "Next": "B"},
		"B": {"Type": "Map", "Items": "{% [1..5] %}", "ItemProcessor": {"StartAt": "C", "States": {"C": {"Type": "Succeed", "Output": "{% $v.n + $states.input + $count($partition([1..4], 2)) %}"}}}, "End": true}`))
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			out, err := m.Run(t.Context(), asl.Execution{Input: json.RawMessage(fmt.Sprintf(`{"n": %d}`, i)), Tasks: tasks(echo)})
			n := 2*i + 2
			if want := fmt.Sprintf("[%d,%d,%d,%d,%d]", n+1, n+2, n+3, n+4, n+5); err != nil || string(out) != want {
				t.Errorf("execution %d returned %s, %v; want %s", i, out, err, want)
			}
		})
	}
	wait.Wait()
}
