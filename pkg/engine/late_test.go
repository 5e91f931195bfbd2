package engine

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/work"
)

// docReader is the kind of the output in these tests. It returns the Doc that it got.
type docReader struct{ doc *string }

func (docReader) Name() string { return "out" }

func (k docReader) Run(_ context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	*k.doc = string(env.Doc)
	return work.Result{}, nil
}

// An Analyse that was given up may record its plan after the next phase was planned. Units of that phase
// still get the Doc that Extend made.
func TestALateAnalyseDoesNotUndoThePlanOfTheNextPhase(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}, open: true})
	var doc string
	f.setKind(docReader{&doc})
	started := time.Now()
	request := json.RawMessage(`{"source": "in"}`)
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: request, Execution: "one", Started: started})
	if err != nil {
		t.Fatal(err)
	}
	late, err := f.plan(t.Context(), next.Job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: "a/1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Analyse(t.Context(), AnalyseInput{Job: next.Job, Execution: "one", Started: started}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: "b/1"}); err != nil {
		t.Fatal(err)
	}
	if err := f.record(t.Context(), late, owner{"one", started}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: "out/file"}); err != nil {
		t.Fatal(err)
	}
	if want := `{"first": 1}`; doc != want {
		t.Errorf("the output got the document %s, want %s", doc, want)
	}
	out, err := f.Finish(t.Context(), FinishInput{Job: next.Job, Execution: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if out.Units["a"] != 1 {
		t.Errorf("units %v, want one of a", out.Units)
	}
	if left := f.scratch(t); len(left) > 0 {
		t.Errorf("scratch still has %v", left)
	}
}

// sharing is a kind whose attempts all write the same object.
type sharing struct {
	hook func() // runs before the object is written
	err  error
}

func (*sharing) Name() string { return "a" }

func (k *sharing) Run(ctx context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	err := k.err
	if k.hook != nil {
		hook := k.hook
		k.hook, k.err = nil, nil
		hook()
	}
	prefix := work.Prefix(env.Job) + "a/shared/"
	info, perr := env.Scratch.Put(ctx, prefix+"object", strings.NewReader("content"))
	return work.Result{Artifacts: []work.Artifact{{Prefix: prefix, Size: info.Size}}}, errors.Join(err, perr)
}

func TestAnAttemptThatOutlivesItsJobRemovesWhatItWrote(t *testing.T) {
	for name, failure := range map[string]error{"done": nil, "failed": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			f, job := planned(t)
			f.setKind(&sharing{err: failure, hook: func() { f.drive(t, "two") }})
			_, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"})
			if !errors.Is(err, failure) {
				t.Errorf("the late attempt ended with %v, want %v", err, failure)
			}
			if left := f.scratch(t); len(left) > 0 {
				t.Errorf("scratch still has %v", left)
			}
		})
	}
}
