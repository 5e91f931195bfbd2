package faults

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
	"github.com/mapreel/mapreel/pkg/film"
)

// Loaded is what it took to run the machine over many segments.
type Loaded struct {
	Elapsed time.Duration
	Memory  int64 // bytes of heap and stacks above what there was before, at the highest
}

// Load runs the real definition over a number of segments with stages that do nothing.
func Load(ctx context.Context, segments int) (Loaded, error) {
	machine, err := machine()
	if err != nil {
		return Loaded{}, err
	}
	brief, err := json.Marshal(film.Brief{
		Job: "load", Route: film.Lambda, Concurrency: 1000, Audio: []film.AudioItem{}, Outputs: []film.MergeItem{},
		Segments: film.Items{Bucket: bucket, Key: "items", Count: segments},
	})
	if err != nil {
		return Loaded{}, err
	}
	var encoded atomic.Int64
	tasks := map[string]asl.Task{batchARN: nothing}
	for _, name := range []string{"split", "audio", "merge", "finish"} {
		tasks[arn(name)] = nothing
	}
	tasks[arn("analyse")] = func(context.Context, asl.TaskInput) (json.RawMessage, error) { return brief, nil }
	var peak atomic.Int64
	runtime.GC()
	before := used()
	tasks[arn("encode")] = func(context.Context, asl.TaskInput) (json.RawMessage, error) {
		if n := encoded.Add(1); n%100 == 0 {
			for now := used() - before; ; {
				if was := peak.Load(); now <= was || peak.CompareAndSwap(was, now) {
					break
				}
			}
		}
		return json.RawMessage("{}"), nil
	}
	began := time.Now()
	_, err = machine.Run(ctx, asl.Execution{
		Input: json.RawMessage("{}"), Tasks: tasks, Items: func(context.Context, asl.ItemSource) (io.ReadCloser, error) {
			return io.NopCloser(&itemReader{left: segments}), nil
		},
	})
	if err == nil && encoded.Load() != int64(segments) {
		err = fmt.Errorf("%d segments were encoded of %d", encoded.Load(), segments)
	}
	return Loaded{Elapsed: time.Since(began), Memory: peak.Load()}, err
}

func nothing(context.Context, asl.TaskInput) (json.RawMessage, error) {
	return json.RawMessage("{}"), nil
}

// used is how much memory the program has in use.
func used() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse) //nolint:gosec // far below 2^63
}

// itemReader gives the array of a Map's items, piece by piece.
type itemReader struct {
	index, left int
	rest        strings.Reader
	ended       bool
}

func (r *itemReader) Read(p []byte) (int, error) {
	if r.rest.Len() == 0 {
		switch {
		case r.ended:
			return 0, io.EOF
		case r.index == r.left:
			r.ended = true
			r.rest.Reset("]")
		default:
			separator := ","
			if r.index == 0 {
				separator = "["
			}
			r.rest.Reset(fmt.Sprintf(`%s{"job":"load","segment":%d}`, separator, r.index))
			r.index++
		}
	}
	return r.rest.Read(p)
}
