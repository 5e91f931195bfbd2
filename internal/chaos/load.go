package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/work"
)

// LoadResult holds what a run of the machine over many segments took.
type LoadResult struct {
	Segments     int
	Elapsed      time.Duration
	Memory       int64 // bytes: peak of heap and stacks above the level before the run
	Transitions  int   // state transitions, as AWS bills them, of the execution and its children
	ParentEvents int   // events in the history of the execution itself
}

// The bounds of a LoadResult. AWS bills state transitions, and ends an execution whose history has
// 25,000 events.
const (
	maxTransitionsPerSegment = 4
	maxParentEvents          = 1000
)

// TransitionsPerSegment returns the state transitions per segment.
func (r LoadResult) TransitionsPerSegment() float64 {
	return float64(r.Transitions) / float64(r.Segments)
}

// Check returns an error if the run took more transitions or events than it may.
func (r LoadResult) Check() error {
	if n := r.TransitionsPerSegment(); n > maxTransitionsPerSegment {
		return fmt.Errorf("%d segments took %.2f state transitions each, want at most %d", r.Segments, n, maxTransitionsPerSegment)
	}
	if r.ParentEvents >= maxParentEvents {
		return fmt.Errorf("%d segments left %d events in the parent's history, want fewer than %d", r.Segments, r.ParentEvents, maxParentEvents)
	}
	return nil
}

// Load runs the real definition over a number of segments, with stages that do nothing. The job is of
// the longest form: a split, then the segments, then an output.
func Load(ctx context.Context, segments int) (LoadResult, error) {
	r := LoadResult{Segments: segments}
	machine, err := machine()
	if err != nil {
		return r, err
	}
	const execution = "load"
	item := engine.Item{Job: "load", Route: work.RouteLambdaBatch}
	list := func(name string, count int, last bool) engine.PhaseList {
		return engine.PhaseList{Name: name, Bucket: bucket, Key: name, Count: count, Last: last}
	}
	output := item
	output.Unit, output.Class = "output/out", work.ClassMerge
	next := engine.Next{Job: item.Job, Concurrency: 1000, Phase: list("split", 1, false), Outputs: []engine.Item{output}}

	var planned, done atomic.Int64
	var peak atomic.Int64
	runtime.GC()
	before := memoryInUse()
	invoke := func(_ context.Context, function string, _ json.RawMessage) (json.RawMessage, error) {
		switch function {
		case functionARN(work.ClassAnalyse):
			n := next
			if planned.Add(1) > 1 {
				n.Phase = list("encode", segments, true)
			}
			return json.Marshal(n)
		case functionARN(work.ClassEncode):
			if n := done.Add(1); n%100 == 0 {
				for now := memoryInUse() - before; ; {
					if was := peak.Load(); now <= was || peak.CompareAndSwap(was, now) {
						break
					}
				}
			}
		}
		return json.RawMessage("{}"), nil
	}
	tasks := map[string]asl.Task{
		invokeARN: asl.LambdaInvoke(invoke),
		submitARN: func(context.Context, asl.TaskInput) (json.RawMessage, error) { return json.RawMessage("{}"), nil },
	}
	began := time.Now()
	_, err = machine.Run(ctx, asl.Execution{
		ID: execution, Name: execution, Tasks: tasks,
		Items: func(_ context.Context, source asl.ItemSource) (io.ReadCloser, error) {
			if source.Key == "split" {
				return io.NopCloser(&itemReader{class: work.ClassSplit, total: 1}), nil
			}
			return io.NopCloser(&itemReader{class: work.ClassEncode, total: segments}), nil
		},
		Observe: func(e asl.Event) {
			if e.Execution == execution {
				r.ParentEvents++
			}
			// Entering a state is a transition. To be safe, the start of an execution counts, too.
			if strings.HasSuffix(string(e.Type), "StateEntered") || e.Type == asl.ExecutionStarted {
				r.Transitions++
			}
		},
	})
	r.Elapsed, r.Memory = time.Since(began), peak.Load()
	if err == nil && done.Load() != int64(segments) {
		err = fmt.Errorf("%d segments were encoded of %d", done.Load(), segments)
	}
	return r, err
}

// memoryInUse returns the memory that the program has in use, in bytes.
func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse) //nolint:gosec // far below 2^63
}

// itemReader generates the JSON array of a Map's items, one item at a time.
type itemReader struct {
	class        work.Class
	index, total int
	rest         strings.Reader
	ended        bool
}

func (r *itemReader) Read(p []byte) (int, error) {
	if r.rest.Len() == 0 {
		switch {
		case r.ended:
			return 0, io.EOF
		case r.index == r.total:
			r.ended = true
			r.rest.Reset("]")
		default:
			separator := ","
			if r.index == 0 {
				separator = "["
			}
			item, err := json.Marshal(engine.Item{
				Job: "load", Unit: fmt.Sprintf("unit/%05d", r.index), Class: r.class, Route: work.RouteLambdaBatch,
			})
			if err != nil {
				return 0, err
			}
			r.rest.Reset(separator + string(item))
			r.index++
		}
	}
	return r.rest.Read(p)
}
