package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestAFailedUnitOfAnIndependentPhaseCostsNoOther(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, second: []string{"1"}, apart: true})
	ill := true
	f.setKind(writer{name: "a", hook: func(env *work.Env) error {
		if ill && env.Unit == "a/2" {
			return fault.New(fault.Unsupported, "unwell")
		}
		return nil
	}})
	run := func(next Next) (failed []string) {
		for _, i := range f.list(t, next) {
			if _, err := f.Run(t.Context(), RunInput{Job: i.Job, Unit: i.Unit}); err != nil {
				failed = append(failed, i.Unit)
			}
		}
		return failed
	}
	began := time.Now()
	first := AnalyseInput{Request: json.RawMessage(`{"source": "in"}`), Execution: "one", Started: began}
	next, err := f.Analyse(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if next.Phase.Count != 10 || next.Phase.Tolerated != 100 || next.Phase.Last {
		t.Errorf("the first phase is %+v; its Map must tolerate failures, and another state must follow", next.Phase)
	}
	if failed := run(next); len(failed) != 1 {
		t.Fatalf("%v failed", failed)
	}
	_, err = f.Analyse(t.Context(), AnalyseInput{Job: next.Job, Phase: next.Phase.Name, Execution: "one", Started: began})
	if err == nil || err.Error() != "a/2: unwell" || fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "does the rest") {
		t.Fatalf("the phase ends with %v", err)
	}

	ill, first.Execution, first.Started = false, "two", began.Add(time.Second)
	if next, err = f.Analyse(t.Context(), first); err != nil || next.Phase.Count != 1 {
		t.Fatalf("the same request has %d units left, %v", next.Phase.Count, err)
	}
	if failed := run(next); len(failed) > 0 {
		t.Fatalf("%v failed", failed)
	}
	next, err = f.Analyse(t.Context(), AnalyseInput{Job: next.Job, Phase: next.Phase.Name, Execution: "two", Started: first.Started})
	if err != nil || next.Phase.Name != "second" || !next.Phase.Last || next.Phase.Tolerated != 0 {
		t.Errorf("then follows %+v, %v", next.Phase, err)
	}
}

func TestTheLastLinesOfAProgramAreRecordedOnce(t *testing.T) {
	exit := &process.ExitError{Program: "notes", Code: 3, Line: "no such file", Tail: "reading\nno such file\n"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("no program"), "no program"},
		{fmt.Errorf("a/1: %w", exit), "a/1: no such file (notes exited with code 3)\nreading"},
		{&process.ExitError{Program: "notes", Code: 3, Tail: "notes\ncode 3\n"}, "notes exited with code 3\nnotes\ncode 3"},
	} {
		if got := message(c.err); got != c.want {
			t.Errorf("recorded %q, want %q", got, c.want)
		}
	}
}
