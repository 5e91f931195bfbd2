package statemachine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
)

// throttled is an account that runs at most so many functions at once, and refuses the others.
type throttled struct {
	mu      sync.Mutex
	free    int
	refused int
	done    map[string]int // calls that were answered, by function
}

// errThrottled is the error that Lambda answers with.
type errThrottled struct{}

func (errThrottled) Error() string     { return "Rate Exceeded." }
func (errThrottled) ErrorName() string { return "Lambda.TooManyRequestsException" }

// invoke runs a function for a minute if there is room.
func (a *throttled) invoke(ctx context.Context, name string, next string) (json.RawMessage, error) {
	a.mu.Lock()
	if a.free == 0 {
		a.refused++
		a.mu.Unlock()
		return nil, errThrottled{}
	}
	a.free--
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.free++
		a.done[name[strings.LastIndex(name, ":")+1:]]++
		a.mu.Unlock()
	}()
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if strings.HasSuffix(name, ":analyse") {
		return json.RawMessage(next), nil
	}
	return json.RawMessage(`{}`), nil
}

// mostEvents is the length at which Step Functions fails an execution (Developer Guide, "Quotas").
const mostEvents = 25_000

// A new account runs 10 functions at once. All units of a long film start at once all the same, and each but ten is refused.
func TestALongJobFinishesInAnAccountThatRunsTenFunctions(t *testing.T) {
	const segments, audioParts = 720, 24
	var items []string
	for i := range audioParts + segments {
		class, unit := "audio", fmt.Sprintf("audio/%05d", i)
		if i >= audioParts {
			class, unit = "encode", fmt.Sprintf("video/%05d", i-audioParts)
		}
		items = append(items, fmt.Sprintf(`{"job":"j","unit":%q,"class":%q,"route":"lambda-batch","gpu":false}`, unit, class))
	}
	const next = `{"job":"j","concurrency":1000,"phase":{"name":"encode","bucket":"b","key":"k","count":744,"last":true,"tolerated":0},
		"outputs":[{"job":"j","unit":"output/film","class":"merge","route":"lambda-batch","gpu":false}]}`
	body, err := Substitute(resources())
	if err != nil {
		t.Fatal(err)
	}
	machine, err := asl.Load(body)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		account := &throttled{free: 10, done: map[string]int{}}
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // jitter
		var mu sync.Mutex
		events := map[string]int64{} // by execution
		began := time.Now()
		_, err := machine.Run(t.Context(), asl.Execution{
			ID: "arn:aws:states:eu-west-1:123456789012:execution:mapreel:one",
			Tasks: map[string]asl.Task{
				"arn:aws:states:::lambda:invoke": asl.LambdaInvoke(func(ctx context.Context, name string, _ json.RawMessage) (json.RawMessage, error) {
					return account.invoke(ctx, name, next)
				}),
				"arn:aws:states:::batch:submitJob.sync": func(context.Context, asl.TaskInput) (json.RawMessage, error) {
					t.Error("a throttled unit went to Batch")
					return json.RawMessage(`{}`), nil
				},
			},
			Items: func(context.Context, asl.ItemSource) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewBufferString("[" + strings.Join(items, ",") + "]")), nil
			},
			Observe: func(e asl.Event) { events[e.Execution] = max(events[e.Execution], e.ID) },
			Rand: func() float64 {
				mu.Lock()
				defer mu.Unlock()
				return random.Float64()
			},
		})
		took := time.Since(began)
		if err != nil {
			t.Errorf("the execution fails after %v: %v", took, err)
		}
		if account.done["encode"] != segments || account.done["audio"] != audioParts || account.done["merge"] != 1 {
			t.Errorf("calls that were answered: %v", account.done)
		}
		// 744 minutes of ten functions at once are 74.4 minutes.
		if took > 3*time.Hour {
			t.Errorf("it takes %v, far more than ten functions need", took)
		}
		for execution, n := range events {
			if n > mostEvents {
				t.Errorf("%s has %d events, more than Step Functions keeps", execution, n)
			}
		}
		t.Logf("%v, %d calls refused", took, account.refused)
	})
}

// The longest wait that the retries allow exceeds the machine's time limit, so that no unit gives up while the job may go on,
// and their events stay below the limit of an execution.
func TestThrottledUnitsWaitAsLongAsTheMachineMayRun(t *testing.T) {
	var machine struct {
		TimeoutSeconds float64
		States         map[string]struct {
			ItemProcessor struct {
				States map[string]struct{ Retry []retrier }
			}
			Retry []retrier
		}
	}
	if err := json.Unmarshal(Definition(), &machine); err != nil {
		t.Fatal(err)
	}
	found := 0
	check := func(state string, list []retrier, whole float64) {
		for _, r := range list {
			if len(r.ErrorEquals) != 1 || r.ErrorEquals[0] != "Lambda.TooManyRequestsException" {
				continue
			}
			found++
			mean := r.MaxDelaySeconds / 2 * r.MaxAttempts // of full jitter; the first delays are shorter
			if mean < whole {
				t.Errorf("%s waits for %.0f s on average, less than %.0f", state, mean, whole)
			}
			const eventsPerAttempt = 5 // scheduled, started, submitted, failed, and the next state's
			if r.MaxAttempts*eventsPerAttempt > mostEvents {
				t.Errorf("%s makes %.0f events", state, r.MaxAttempts*eventsPerAttempt)
			}
		}
	}
	for name, s := range machine.States {
		check(name, s.Retry, machine.TimeoutSeconds/2)
		for inner, s := range s.ItemProcessor.States {
			check(inner, s.Retry, machine.TimeoutSeconds)
		}
	}
	if found != 7 {
		t.Errorf("checked %d states, want 7", found)
	}
}

type retrier struct {
	ErrorEquals                  []string
	MaxDelaySeconds, MaxAttempts float64
}
