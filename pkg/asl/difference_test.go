package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/asl"
)

// TestBehaviourRecordedOnAWS covers results in which this package once differed from executions
// recorded on AWS. The differences were found by replaying the recordings of LocalStack's Step
// Functions tests.
func TestBehaviourRecordedOnAWS(t *testing.T) {
	large := func(context.Context, asl.TaskInput) (json.RawMessage, error) {
		return json.RawMessage(`"` + strings.Repeat("x", 256<<10) + `"`), nil
	}
	tests := []struct {
		row, states, input string
		task               asl.Task
		output             string // or, if the execution fails,
		failure            string
	}{
		{
			"D3: States.ALL in Catch covers a task's oversized result",
			`"A": {"Type": "Task", "Resource": "work", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}], "End": true}, "B": {"Type": "Succeed", "Output": "{% $states.input.Error %}"}`,
			`{}`, large, `"States.DataLimitExceeded"`, "",
		},
		{
			"D3: States.TaskFailed in Catch does not",
			`"A": {"Type": "Task", "Resource": "work", "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}], "End": true}, "B": {"Type": "Succeed"}`,
			`{}`, large, "", asl.StatesDataLimitExceeded,
		},
		{
			"D3: States.ALL in Catch does not cover an oversized output",
			`"A": {"Type": "Task", "Resource": "work", "Output": "{% $states.result & $states.result %}", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}], "End": true}, "B": {"Type": "Succeed"}`,
			`"` + strings.Repeat("x", 200<<10) + `"`, echo, "", asl.StatesDataLimitExceeded,
		},
		{
			"D1, inferred: a range of one number is not an array of Items",
			`"A": {"Type": "Map", "Items": "{% $range(5, 6, 4) %}", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`, `{}`, nil, "", asl.StatesQueryEvaluationError,
		},
		{
			"D4: the whole context of a Pass",
			`"A": {"Type": "Pass", "Output": "{% $states.context %}", "End": true}`, `{}`, nil,
			`{"Execution":{"Id":"arn:aws:states:eu-west-1:123456789012:execution:films:one","Input":{},"Name":"one","RedriveCount":0,"RoleArn":"arn:role","StartTime":"2026-01-01T00:00:00.000Z"},` +
				`"State":{"EnteredTime":"2026-01-01T00:00:00.000Z","Name":"A"},"StateMachine":{"Id":"arn:aws:states:eu-west-1:123456789012:stateMachine:films","Name":"films"}}`, "",
		},
		{
			"D4: a Map has a RetryCount",
			`"A": {"Type": "Map", "Items": "{% [$states.context.State.RetryCount] %}", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`, `{}`, nil, `[0]`, "",
		},
		{
			"D4: a Pass has no RetryCount",
			`"A": {"Type": "Pass", "Output": "{% $exists($states.context.State.RetryCount) %}", "End": true}`, `{}`, nil, `false`, "",
		},
		{
			"D5: States.Timeout has no cause",
			`"A": {"Type": "Task", "Resource": "work", "TimeoutSeconds": 1, "Catch": [{"ErrorEquals": ["States.Timeout"], "Output": "{% $states.errorOutput %}", "Next": "B"}], "End": true}, "B": {"Type": "Succeed"}`,
			`{}`, hang, `{"Error":"States.Timeout","Cause":""}`, "",
		},
		{"D6: a Wait of 24,855 days", `"A": {"Type": "Wait", "Timestamp": "2094-01-19T00:00:00Z", "End": true}`, `{}`, nil, `{}`, ""},
		{"D6: a Wait of 24,856 days", `"A": {"Type": "Wait", "Timestamp": "{% $states.input %}", "End": true}`, `"2094-01-20T00:00:00Z"`, nil, "", asl.StatesRuntime},
		{"R1a: an undefined variable", `"A": {"Type": "Pass", "Output": "{% $nope %}", "End": true}`, `{}`, nil, "", asl.StatesQueryEvaluationError},
		{"R1b: an undefined function", `"A": {"Type": "Pass", "Output": "{% $randomSeeded(3) %}", "End": true}`, `{}`, nil, "", asl.StatesQueryEvaluationError},
		{
			"R1c: a branch and the Parallel's own Catch assign v",
			`"A": {"Type": "Parallel", "Branches": [{"StartAt": "P", "States": {"P": {"Type": "Pass", "Assign": {"v": 1}, "Next": "Q"}, "Q": {"Type": "Fail", "Error": "E", "Cause": "{% $string($v) %}"}}}],
				"Catch": [{"ErrorEquals": ["E"], "Assign": {"v": 2}, "Next": "B"}], "End": true}, "B": {"Type": "Succeed", "Output": "{% [$v, $states.input.Cause] %}"}`,
			`{}`, nil, `[2,"1"]`, "",
		},
		{"R2: tolerated failures of an INLINE Map", `"A": {"Type": "Map", "Items": [1], "ToleratedFailureCount": 1, "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`, `{}`, nil, `[1]`, ""},
		{"R3: a name that ends in .$", `"A": {"Type": "Pass", "Output": {"k.$": "$"}, "End": true}`, `{}`, nil, `{"k.$":"$"}`, ""},
		{"R6: empty Retry and Catch", `"A": {"Type": "Task", "Resource": "work", "Retry": [], "Catch": [], "End": true}`, `5`, echo, `5`, ""},
		{
			"R6: MaxItems 0 means all",
			`"A": {"Type": "Map", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON", "MaxItems": 0}},
				"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`, `{}`, nil, `[0,1,2]`, "",
		},
	}
	for _, test := range tests {
		t.Run(test.row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out, err := load(t, machine(test.states)).Run(t.Context(), asl.Execution{
					Name: "one", ID: "arn:aws:states:eu-west-1:123456789012:execution:films:one", RoleARN: "arn:role",
					Input: json.RawMessage(test.input), Tasks: tasks(test.task), Items: reader(&numbers{n: 3}),
					Now:   func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
					Sleep: func(context.Context, time.Duration) error { return nil },
				})
				switch {
				case test.failure != "":
					if e := failure(t, err); e.Name != test.failure {
						t.Errorf("got %v, want %s", err, test.failure)
					}
				case err != nil || string(out) != test.output:
					t.Errorf("got %s, %v\nwant %s", out, err, test.output)
				}
			})
		})
	}
}

// TestRetriesExcludeOversizedResults limits D3 to Catch, for which it was recorded.
func TestRetriesExcludeOversizedResults(t *testing.T) {
	var calls atomic.Int64
	_, err := load(t, machine(`"A": {"Type": "Task", "Resource": "work", "Retry": [{"ErrorEquals": ["States.ALL"]}], "End": true}`)).Run(t.Context(), asl.Execution{
		Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) {
			calls.Add(1)
			return json.RawMessage(`"` + strings.Repeat("x", 256<<10) + `"`), nil
		}),
	})
	if e := failure(t, err); e.Name != asl.StatesDataLimitExceeded || calls.Load() != 1 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

func TestContextShowsRedrives(t *testing.T) { // D4
	out, err := load(t, machine(`"A": {"Type": "Pass", "Output": "{% [$states.context.Execution.RedriveCount, $states.context.Execution.RedriveTime] %}", "End": true}`)).
		Run(t.Context(), asl.Execution{Redrives: 2, Redriven: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err != nil || string(out) != `[2,"2026-01-02T03:04:05.000Z"]` {
		t.Errorf("got %s, %v", out, err)
	}
}

// recorded describes events as "ID<-Previous Type".
func recorded(events []asl.Event) []string {
	var lines []string
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%d<-%d %s", e.ID, e.Previous, e.Type))
	}
	return lines
}

// TestHistoriesRecordedOnAWS compares events and their links with histories recorded on AWS, whose
// names and dates are those of LocalStack's tests.
func TestHistoriesRecordedOnAWS(t *testing.T) {
	failing := func(context.Context, asl.TaskInput) (json.RawMessage, error) { return nil, &namedError{"Broken", "x"} }
	distributedMap := func(fields string) string {
		return `"A": {"Type": "Map"` + fields + `, "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`
	}
	itemReader := `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`
	tests := []struct {
		name, states, input string
		task                asl.Task
		items               string
		want                []string
	}{
		{
			name: "test_map_state_config_inline_parameters, 2024-02-08", input: `[1, 2]`,
			states: `"A": {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}}, "Next": "C"}, "C": {"Type": "Succeed"}`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-2 MapStateStarted", "4<-3 MapIterationStarted", "5<-4 PassStateEntered", "6<-5 PassStateExited",
				"7<-6 MapIterationSucceeded", "8<-6 MapIterationStarted", "9<-8 PassStateEntered", "10<-9 PassStateExited", "11<-10 MapIterationSucceeded",
				"12<-11 MapStateSucceeded", "13<-11 MapStateExited", "14<-13 SucceedStateEntered", "15<-14 SucceedStateExited", "16<-15 ExecutionSucceeded",
			},
		},
		{
			name: "test_map_state_retry, 2023-07-18", input: `[1]`,
			states: `"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Fail"}}}, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}], "End": true}`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-2 MapStateStarted", "4<-3 MapIterationStarted", "5<-4 FailStateEntered", "6<-5 MapIterationFailed",
				"7<-5 MapStateStarted", "8<-7 MapIterationStarted", "9<-8 FailStateEntered", "10<-9 MapIterationFailed", "11<-9 MapStateFailed", "12<-11 ExecutionFailed",
			},
		},
		{
			name: "test_map_state_catch, 2023-07-18", input: `[1]`,
			states: `"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Fail"}}}, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "End": true}, "C": {"Type": "Pass", "End": true}`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-2 MapStateStarted", "4<-3 MapIterationStarted", "5<-4 FailStateEntered", "6<-5 MapIterationFailed",
				"7<-5 MapStateFailed", "8<-7 MapStateExited", "9<-8 PassStateEntered", "10<-9 PassStateExited", "11<-10 ExecutionSucceeded",
			},
		},
		{
			name: "test_map_state_items_input_array[empty]", input: `[]`,
			states: `"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`,
			want:   []string{"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-2 MapStateStarted", "4<-3 MapStateSucceeded", "5<-3 MapStateExited", "6<-5 ExecutionSucceeded"},
		},
		{
			name: "test_map_state_items_input_types[number], 2024-11-19", input: `1`,
			states: `"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`,
			want:   []string{"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-0 EvaluationFailed", "4<-3 MapStateFailed", "5<-4 ExecutionFailed"},
		},
		{
			name: "test_map_state_items_eval_jsonata_fail[number], 2024-11-19", input: `{}`,
			states: `"A": {"Type": "Map", "Items": "{% 1 %}", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`,
			want:   []string{"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-0 EvaluationFailed", "4<-3 MapStateFailed", "5<-4 ExecutionFailed"},
		},
		{
			name: "test_map_item_reader_json_no_json_list_object, 2023-09-21", input: `{}`, states: distributedMap(itemReader), items: `{}`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-2 MapStateStarted", "4<-3 MapRunStarted", "5<-4 MapRunFailed", "6<-5 MapStateFailed", "7<-6 ExecutionFailed",
			},
		},
		{
			name: "test_map_item_batching_base_json_max_per_batch_jsonata, 2024-11-13", input: `{}`, states: distributedMap(itemReader + `, "ItemBatcher": {"MaxItemsPerBatch": 2}`), items: `[1, 2]`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 MapStateEntered", "3<-2 MapStateStarted", "4<-3 MapRunStarted", "5<-4 MapRunSucceeded", "6<-5 MapStateSucceeded",
				"7<-4 MapStateExited", "8<-7 ExecutionSucceeded",
			},
		},
		{
			name: "test_undefined_reference[BASE_UNDEFINED_OUTPUT_MULTIPLE_STATES], 2024-11-21", input: `{}`,
			states: `"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Output": "{% $nope %}", "End": true}`,
			want:   []string{"1<-0 ExecutionStarted", "2<-0 PassStateEntered", "3<-2 PassStateExited", "4<-3 PassStateEntered", "5<-3 EvaluationFailed", "6<-5 ExecutionFailed"},
		},
		{
			name: "test_wait_timestamp_jsonata[NO_T], 2024-12-27", input: `{}`,
			states: `"A": {"Type": "Wait", "Timestamp": "{% 'x' %}", "End": true}`,
			want:   []string{"1<-0 ExecutionStarted", "2<-0 WaitStateEntered", "3<-2 EvaluationFailed", "4<-3 ExecutionFailed"},
		},
		{
			name: "test_parallel_state_catch, 2023-12-16", input: `{}`,
			states: `"A": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Fail"}}}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "End": true}, "C": {"Type": "Pass", "End": true}`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 ParallelStateEntered", "3<-2 ParallelStateStarted", "4<-3 FailStateEntered", "5<-4 ParallelStateFailed", "6<-5 ParallelStateExited",
				"7<-6 PassStateEntered", "8<-7 PassStateExited", "9<-8 ExecutionSucceeded",
			},
		},
		{
			name: "test_parallel_catch_error[PARALLEL_CATCH_ERROR_OUTPUT_WITH_RETRY], 2024-11-13, shortened", input: `{}`, task: failing,
			states: `"A": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "work", "End": true}}}], "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}],
				"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "End": true}, "C": {"Type": "Pass", "End": true}`,
			want: []string{
				"1<-0 ExecutionStarted", "2<-0 ParallelStateEntered", "3<-2 ParallelStateStarted", "4<-3 TaskStateEntered", "5<-4 TaskScheduled", "6<-5 TaskStarted", "7<-6 TaskFailed",
				"8<-7 TaskStateAborted", "9<-7 ParallelStateStarted", "10<-9 TaskStateEntered", "11<-10 TaskScheduled", "12<-11 TaskStarted", "13<-12 TaskFailed", "14<-13 TaskStateAborted",
				"15<-13 ParallelStateFailed", "16<-15 ParallelStateExited", "17<-16 PassStateEntered", "18<-17 PassStateExited", "19<-18 ExecutionSucceeded",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := asl.Execution{
				ID: "x", Input: json.RawMessage(test.input), Tasks: tasks(test.task),
				Items: reader(io.NopCloser(strings.NewReader(test.items))), Sleep: func(context.Context, time.Duration) error { return nil },
			}
			var events []asl.Event
			x.Observe = func(e asl.Event) {
				if e.Execution == x.ID {
					events = append(events, e)
				}
			}
			_, _ = load(t, machine(test.states)).Run(t.Context(), x) // the last event shows whether it failed
			if diff := cmp.Diff(test.want, recorded(events)); diff != "" {
				t.Errorf("events (-AWS +got):\n%s", diff)
			}
		})
	}
}

// TestIterationsThatTimeOutTogether follows test_service_lambda_map_timeout, 2024-03-10: what a
// failed iteration stops is linked to that iteration's last event.
func TestIterationsThatTimeOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []asl.Event
		_, err := load(t, machine(`"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "work", "TimeoutSeconds": 5, "HeartbeatSeconds": 3,
			"Credentials": {"RoleArn": "{% 'arn:' & 'role' %}"}, "End": true}}}, "End": true}`)).Run(t.Context(), asl.Execution{
			Input: json.RawMessage(`[0, 1]`), Observe: func(e asl.Event) { events = append(events, e) },
			Tasks: tasks(func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
				if in.RoleARN != "arn:role" {
					t.Errorf("the task got the role %q", in.RoleARN)
				}
				if string(in.Arguments) == "1" {
					<-ctx.Done() // after the other's time-out, whichever comes first
					time.Sleep(time.Second)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}),
		})
		if e := failure(t, err); e.Name != asl.StatesTimeout || e.Cause != "" {
			t.Errorf("got %v", err)
		}
		var failed int64
		for _, e := range events {
			switch e.Type {
			case asl.TaskScheduled:
				if e.Timeout != 5 || e.Heartbeat != 3 || e.RoleARN != "arn:role" {
					t.Errorf("TaskScheduled has time-out %d, heartbeat %d and role %q", e.Timeout, e.Heartbeat, e.RoleARN)
				}
			case asl.TaskTimedOut:
				if e.Index == 0 {
					failed = e.ID
				}
				if e.Cause != "" || e.Error != asl.StatesTimeout {
					t.Errorf("TaskTimedOut has error %q and cause %q", e.Error, e.Cause)
				}
			case asl.MapIterationFailed, asl.MapIterationAborted, asl.TaskStateAborted, asl.MapStateFailed:
				if e.Previous != failed {
					t.Errorf("%s of item %d follows %d, want %d", e.Type, e.Index, e.Previous, failed)
				}
			}
		}
		var ends []string
		for _, e := range events[len(events)-6:] {
			ends = append(ends, fmt.Sprintf("%s %d", e.Type, e.Index))
		}
		want := []string{"MapIterationFailed 0", "TaskStateAborted 0", "MapIterationAborted 1", "TaskStateAborted 1", "MapStateFailed -1", "ExecutionFailed -1"}
		if diff := cmp.Diff(want, ends); diff != "" {
			t.Errorf("last events (-AWS +got):\n%s", diff)
		}
	})
}

func TestStopExecutionGivesTheAbortedEventItsErrorAndCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&asl.Error{Name: "Stopped", Cause: "by the user"})
	var last asl.Event
	_, err := load(t, machine(oneTask)).Run(ctx, asl.Execution{Tasks: tasks(hang), Observe: func(e asl.Event) { last = e }})
	if err == nil || last.Type != asl.ExecutionAborted || last.Error != "Stopped" || last.Cause != "by the user" || last.Previous != 0 {
		t.Errorf("got %v and %+v", err, last)
	}
}

func TestExitedEventsShowAssignedVariables(t *testing.T) {
	var got []map[string]json.RawMessage
	_, err := load(t, machine(`"A": {"Type": "Pass", "Assign": {"a": "{% [1, 2] %}", "b": null}, "Next": "B"}, "B": {"Type": "Succeed"}`)).Run(t.Context(), asl.Execution{
		Observe: func(e asl.Event) {
			if strings.HasSuffix(string(e.Type), "StateExited") {
				got = append(got, e.Variables)
			}
		},
	})
	want := []map[string]json.RawMessage{{"a": json.RawMessage("[1,2]"), "b": json.RawMessage("null")}, nil}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("variables (-want +got):\n%s, %v", diff, err)
	}
}

func TestEvaluationFailedNamesTheField(t *testing.T) {
	tests := []struct{ states, location string }{
		{`"A": {"Type": "Pass", "Assign": {"x": "{% $nope %}"}, "End": true}`, "Assign/x"},
		{`"A": {"Type": "Task", "Resource": "work", "Arguments": {"F": "{% $nope %}"}, "End": true}`, "Arguments/F"},
		{`"A": {"Type": "Map", "Items": "{% 1 %}", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`, "Items"},
		{`"A": {"Type": "Map", "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, "End": true}`, ""},
		{`"A": {"Type": "Wait", "Timestamp": "{% 'x' %}", "End": true}`, "Timestamp"},
	}
	for _, test := range tests {
		var got *asl.Event
		_, err := load(t, machine(test.states)).Run(t.Context(), asl.Execution{Tasks: tasks(echo), Observe: func(e asl.Event) {
			if e.Type == asl.EvaluationFailed {
				got = &e
			}
		}})
		if got == nil || got.Location != test.location || got.State != "A" {
			t.Errorf("%s: got the event %+v", test.states, got)
			continue
		}
		const introduction = "An error occurred while executing the state 'A' (entered at the event id #2). "
		if e := failure(t, err); !strings.HasPrefix(e.Cause, introduction) || got.Cause != e.Cause {
			t.Errorf("%s: got the cause %q", test.states, e.Cause)
		}
	}
}
