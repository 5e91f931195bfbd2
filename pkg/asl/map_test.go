package asl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/asl"
)

// fan returns a machine that maps the task "work" over an array from a reader, or, inline, over its
// input.
func fan(isDistributed bool, fields string) string {
	config := ""
	if isDistributed {
		config = distributed
		fields += `, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}}`
	}
	return inMap(config, `"B": {"Type": "Task", "Resource": "work", "End": true}`, fields)
}

// numbers is a reader of the JSON array of the integers below n, generated while it is read.
type numbers struct {
	n, next int
	rest    string
	closed  bool
}

func (s *numbers) Read(p []byte) (int, error) {
	if s.rest == "" {
		switch {
		case s.next > s.n:
			return 0, io.EOF
		case s.next == s.n && s.n == 0:
			s.rest = "[]"
		case s.next == s.n:
			s.rest = "]"
		case s.next == 0:
			s.rest = "[0"
		default:
			s.rest = fmt.Sprintf(",\n%d", s.next)
		}
		s.next++
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *numbers) Close() error { s.closed = true; return nil }

func reader(s io.ReadCloser) asl.ItemReader {
	return func(context.Context, asl.ItemSource) (io.ReadCloser, error) { return s, nil }
}

func arrayOf(n int) json.RawMessage {
	text, err := io.ReadAll(&numbers{n: n})
	if err != nil {
		panic(err)
	}
	return json.RawMessage(strings.ReplaceAll(string(text), "\n", ""))
}

func TestMapReturnsResultsInOrderAndObeysItsConcurrency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "items")
		limit := rapid.IntRange(0, 60).Draw(t, "concurrency")
		isDistributed := rapid.Bool().Draw(t, "distributed")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 3), 16, 16).Draw(t, "pauses")
		m, err := asl.Load([]byte(fan(isDistributed, `, "MaxConcurrency": "{% `+fmt.Sprint(limit)+` %}"`)))
		if err != nil {
			t.Fatal(err)
		}
		var running, most atomic.Int64
		source := &numbers{n: n}
		out, err := m.Run(context.Background(), asl.Execution{
			Input: arrayOf(n), Items: reader(source),
			Tasks: tasks(func(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
				now := running.Add(1)
				defer running.Add(-1)
				old := most.Load()
				for now > old && !most.CompareAndSwap(old, now) {
					old = most.Load()
				}
				for range pauses[len(in.Arguments)*7%16] {
					runtime.Gosched()
				}
				return in.Arguments, nil
			}),
		})
		if err != nil || string(out) != string(arrayOf(n)) {
			t.Fatalf("got %s, %v", out, err)
		}
		if isDistributed && !source.closed {
			t.Fatal("the items were not closed")
		}
		bound := limit
		if bound == 0 && !isDistributed {
			bound = 40
		}
		if bound > 0 && most.Load() > int64(bound) {
			t.Fatalf("%d ran at once, want at most %d", most.Load(), bound)
		}
	})
}

func TestMapUsesItsConcurrency(t *testing.T) {
	tests := []struct {
		distributed bool
		limit, want int
	}{{false, 0, 40}, {false, 7, 7}, {false, 1000, 40}, {true, 7, 7}, {true, 300, 300}, {true, 0, 1000}, {true, 10_000, 1000}}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			var running, most atomic.Int64
			_, err := load(t, fan(test.distributed, fmt.Sprintf(`, "MaxConcurrency": %d`, test.limit))).Run(t.Context(), asl.Execution{
				Input: arrayOf(2500), Items: reader(&numbers{n: 2500}),
				Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) {
					if now := running.Add(1); now > most.Load() {
						most.Store(now)
					}
					time.Sleep(time.Second)
					running.Add(-1)
					return nil, nil
				}),
			})
			if err != nil || most.Load() != int64(test.want) {
				t.Errorf("%+v: %d ran at once, %v", test, most.Load(), err)
			}
		})
	}
}

func TestMapReadsNoFurtherAheadThanItsChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &numbers{n: 1_000_000}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := load(t, fan(true, `, "MaxConcurrency": 5`)).Run(ctx, asl.Execution{Items: reader(source), Tasks: tasks(hang)})
			done <- err
		}()
		synctest.Wait()
		// The decoder reads its buffer of some hundred bytes ahead, but no items.
		if source.next > 1000 {
			t.Errorf("%d items were read while 5 children worked", source.next)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if !source.closed {
			t.Error("the items were not closed")
		}
	})
}

func TestMapOfManyItemsIsFast(t *testing.T) {
	const items = 1000
	limit := time.Second
	if raceEnabled {
		limit *= 10 // the race detector slows everything down
	}
	for _, isDistributed := range []bool{false, true} {
		m := load(t, fan(isDistributed, ""))
		took := time.Duration(math.MaxInt64)
		for range 3 { // the best of three, as the machine may have other work
			start := time.Now()
			out, err := m.Run(t.Context(), asl.Execution{
				Input: arrayOf(items), Items: reader(&numbers{n: items}), Tasks: tasks(echo), Observe: func(asl.Event) {},
			})
			took = min(took, time.Since(start))
			if err != nil || string(out) != string(arrayOf(items)) {
				t.Fatalf("distributed=%v: got %.60s…, %v", isDistributed, out, err)
			}
		}
		if took > limit {
			t.Errorf("distributed=%v: %d items took %v, want less than %v", isDistributed, items, took, limit)
		}
	}
}

func TestMapOfTenThousandItemsKeepsMemoryBounded(t *testing.T) {
	const items = 10_000
	// Items of 2 KB: 20 MB if they were all held. Live memory is measured in the middle and near
	// the end.
	pad := strings.Repeat("x", 2000)
	source := io.NopCloser(io.MultiReader(strings.NewReader("["), &repeated{text: `{"pad":"` + pad + `"},`, n: items - 1}, strings.NewReader(`{"pad":""}]`)))
	var calls atomic.Int64
	var mu sync.Mutex
	var live []uint64
	measure := func() {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		mu.Lock()
		live = append(live, s.HeapAlloc)
		mu.Unlock()
	}
	measure()
	out, err := load(t, fan(true, `, "MaxConcurrency": 50`)).Run(t.Context(), asl.Execution{
		Items: reader(source),
		Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) {
			if n := calls.Add(1); n == items/2 || n == items-100 {
				measure()
			}
			return json.RawMessage("1"), nil
		}),
	})
	if err != nil || calls.Load() != items || len(out) != 2*items+1 {
		t.Fatalf("%d calls, %d bytes, %v", calls.Load(), len(out), err)
	}
	for _, bytes := range live[1:] {
		if grown := int64(bytes) - int64(live[0]); grown > 8<<20 {
			t.Errorf("memory grew by %d KiB, want under 8 MiB", grown>>10)
		}
	}
}

// repeated is a reader of n copies of text.
type repeated struct {
	text string
	n    int
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestMapFailsWhenItsItemsCannotBeRead(t *testing.T) {
	broken := errors.New("the disk is gone")
	tests := []struct {
		name, text, want string
	}{
		{"ends too soon", `[1, 2,`, "unexpected EOF"},
		{"ends within an item", `[1, {"a":`, "unexpected EOF"},
		{"is empty", ``, "EOF"},
		{"is no array", `{"a": 1}`, "not a JSON array"},
		{"is no JSON", `[1 2]`, "expected comma"},
		{"has more after it", `[1] [2]`, "there is text after the JSON array"},
		{"has a huge item", `["` + strings.Repeat("x", 9<<20) + `"]`, "longer than"},
	}
	for _, test := range tests {
		_, err := load(t, fan(true, "")).Run(t.Context(), asl.Execution{Items: reader(io.NopCloser(strings.NewReader(test.text))), Tasks: tasks(echo)})
		if e := failure(t, err); e.Name != asl.StatesItemReaderFailed || !strings.Contains(e.Cause, test.want) || e.State != "A" {
			t.Errorf("items that %s: got %v, want States.ItemReaderFailed with %q", test.name, err, test.want)
		}
	}
	_, err := load(t, fan(true, "")).Run(t.Context(), asl.Execution{Tasks: tasks(echo), Items: func(context.Context, asl.ItemSource) (io.ReadCloser, error) {
		return nil, broken
	}})
	if e := failure(t, err); e.Name != asl.StatesItemReaderFailed || !errors.Is(err, broken) {
		t.Errorf("got %v, want States.ItemReaderFailed over the reader's error", err)
	}
}

func TestReaderArgumentsMustBeABucketAndAKey(t *testing.T) {
	definition := strings.Replace(fan(true, ""), `{"Bucket": "b", "Key": "k"}`, `"{% $states.input %}"`, 1)
	var got asl.ItemSource
	open := func(_ context.Context, s asl.ItemSource) (io.ReadCloser, error) {
		got = s
		return &numbers{n: 1}, nil
	}
	for _, input := range []string{`{}`, `{"Bucket": "b"}`, `{"Bucket": "b", "Key": 1}`, `{"Bucket": "b", "Key": "k", "VersionId": "1"}`, `[]`, `null`} {
		_, err := load(t, definition).Run(t.Context(), asl.Execution{Input: json.RawMessage(input), Items: open, Tasks: tasks(echo)})
		if e := failure(t, err); e.Name != asl.StatesQueryEvaluationError {
			t.Errorf("%s: got %v", input, err)
		}
	}
	if _, err := load(t, definition).Run(t.Context(), asl.Execution{
		Input: json.RawMessage(`{"Bucket": "b", "Key": "a/k.json"}`), Items: open, Tasks: tasks(echo),
	}); err != nil || got != (asl.ItemSource{Resource: "arn:aws:states:::s3:getObject", Bucket: "b", Key: "a/k.json"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMaxItemsLimitsTheItems(t *testing.T) {
	definition := strings.Replace(fan(true, ""), `"InputType": "JSON"`, `"InputType": "JSON", "MaxItems": 3`, 1)
	out, err := load(t, definition).Run(t.Context(), asl.Execution{Items: reader(&numbers{n: 10}), Tasks: tasks(echo)})
	if err != nil || string(out) != "[0,1,2]" {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestMapThatFailsDoesNotWaitForItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		_, err := load(t, fan(true, "")).Run(t.Context(), asl.Execution{
			Items: func(ctx context.Context, _ asl.ItemSource) (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(strings.NewReader("[1, "), blocking{ctx.Done()})), nil
			},
			Tasks: tasks(func(context.Context, asl.TaskInput) (json.RawMessage, error) { return nil, broken }),
		})
		if !errors.Is(err, broken) {
			t.Errorf("got %v, want the child's error", err)
		}
	})
}

// blocking is a reader that blocks until done.
type blocking struct{ done <-chan struct{} }

func (b blocking) Read([]byte) (int, error) {
	<-b.done
	return 0, errors.New("interrupted")
}

func TestToleratedFailuresDoNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fails := rapid.SliceOfN(rapid.Bool(), 0, 40).Draw(t, "fails")
		percentage := rapid.IntRange(0, 100).Draw(t, "percentage")
		failed := 0
		for _, f := range fails {
			if f {
				failed++
			}
		}
		m, err := asl.Load([]byte(fan(true, fmt.Sprintf(`, "MaxConcurrency": 8, "ToleratedFailurePercentage": %d`, percentage))))
		if err != nil {
			t.Fatal(err)
		}
		out, err := m.Run(context.Background(), asl.Execution{
			Items: reader(&numbers{n: len(fails)}),
			Tasks: tasks(func(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
				var i int
				if err := json.Unmarshal(in.Arguments, &i); err != nil {
					return nil, err
				}
				if fails[i] {
					return nil, &namedError{"Broken", fmt.Sprint(i)}
				}
				return in.Arguments, nil
			}),
		})
		if tooMany := failed*100 > percentage*len(fails); tooMany != (err != nil) {
			t.Fatalf("%d of %d failed, %d %% tolerated: got %v", failed, len(fails), percentage, err)
		}
		if err != nil {
			var e *asl.Error
			if !errors.As(err, &e) || e.Name != asl.StatesExceedToleratedFailureThreshold {
				t.Fatalf("got %v", err)
			}
			return
		}
		var results []json.RawMessage
		if err := json.Unmarshal(out, &results); err != nil || len(results) != len(fails) {
			t.Fatalf("got %s, %v", out, err)
		}
		for i, r := range results {
			want := fmt.Sprint(i)
			if fails[i] {
				want = fmt.Sprintf(`{"Error":"Broken","Cause":"%d"}`, i)
			}
			if string(r) != want {
				t.Fatalf("result %d is %s, want %s", i, r, want)
			}
		}
	})
}

func BenchmarkMap(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("items=%d", n), func(b *testing.B) {
			m := load(b, fan(true, ""))
			for b.Loop() {
				if _, err := m.Run(b.Context(), asl.Execution{Items: reader(&numbers{n: n}), Tasks: tasks(echo)}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/item")
		})
	}
}
