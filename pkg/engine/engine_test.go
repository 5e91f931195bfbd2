package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestPhasesRunInOrderAndTheScratchIsClearedAtTheEnd(t *testing.T) {
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprintf("open %v", open), func(t *testing.T) {
			f := newFixture(t, &letters{names: []string{"1", "2"}, second: []string{"1", "2", "3"}, open: open})
			out, ran := f.drive(t, "one")
			want := []string{"a/1", "a/2", "b/1", "b/2", "b/3", "out/file"}
			if diff := cmp.Diff(want, ran); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
			if got, want := f.published(t), "b/1\nb/2\nb/3\n"; got != want {
				t.Errorf("published %q, want %q", got, want)
			}
			if left := f.scratch(t); len(left) > 0 {
				t.Errorf("scratch still has %v", left)
			}
			if out.Units["a"] != 2 || len(out.Outputs) != 1 || string(out.Outputs[0]) != `"published"` {
				t.Errorf("outcome %+v", out)
			}
			wantWarnings := []string{"the plan's", "of a/1", "of a/2", "of b/1", "of b/2", "of b/3"}
			if diff := cmp.Diff(wantWarnings, out.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if _, ran := f.drive(t, "two"); len(ran) > 0 {
				t.Errorf("a second execution ran %v again", ran)
			}
			if want := map[bool]int{true: 1}[open]; f.planner.extended != want {
				t.Errorf("extended %d times, want %d", f.planner.extended, want)
			}
		})
	}
}

func TestAnExecutionContinuesWhatAnotherLeft(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"1", "2"}, second: []string{"1", "2"}, open: true, needsFirst: true})
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{}`), Execution: "one", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: "a/2"}); err != nil {
		t.Fatal(err)
	}
	_, ran := f.drive(t, "two")
	want := []string{"a/1", "b/1", "b/2", "out/file"}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

func TestAnOpenPlanIsExtendedAlsoWhereTheWorkerDiedBeforeItCould(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}, open: true})
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{}`), Execution: "one", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: "a/1"}); err != nil {
		t.Fatal(err)
	}
	_, ran := f.drive(t, "two") // Analyse of a request finds the first phase done
	if diff := cmp.Diff([]string{"b/1", "out/file"}, ran); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

func TestALostArtifactIsMadeAgainWhereItIsStillNeeded(t *testing.T) {
	for _, c := range []struct {
		name       string
		needsFirst bool
		readBy     string
		lose       string // prefix of the lost artifacts
		want       []string
	}{
		{"of the second phase", false, "", "b/1", []string{"a/1", "a/2", "b/1", "out/file"}},
		{"intermediate, and no later unit is open", false, "", "a/1", []string{"out/file"}},
		{"needed by the outputs", true, "", "a/1", []string{"a/1", "out/file"}},
		{"read by a phase that is done", true, "second", "a/1", []string{"out/file"}},
		{"read by a phase that is open again", true, "second", "b/1", []string{"a/1", "a/2", "b/1", "out/file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, &letters{names: []string{"1", "2"}, second: []string{"1"}, needsFirst: c.needsFirst, readBy: c.readBy})
			f.Keep = true
			f.drive(t, "one")
			if err := os.Remove(filepath.Join(f.folder, "out", "out.txt")); err != nil {
				t.Fatal(err)
			}
			for _, key := range f.scratch(t) {
				if strings.Contains(key, "/"+c.lose) || c.lose == "b/1" && strings.Contains(key, "/a/") {
					if err := f.Scratch.Delete(t.Context(), key); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, ran := f.drive(t, "two")
			if diff := cmp.Diff(c.want, ran); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPublishedFileIsMadeAgainWhereItIsGoneOrChanged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   int // units run
	}{
		{"nothing", func(string) error { return nil }, 0},
		{"copied, with a new time", func(path string) error { return os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)) }, 0},
		{"gone", os.Remove, 4},
		{"another of the same size", func(path string) error { return os.WriteFile(path, []byte("b/2\n"), 0o600) }, 4},
		{"longer", func(path string) error { return os.WriteFile(path, []byte("b/1\nb/2\n"), 0o600) }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, &letters{names: []string{"1", "2"}, second: []string{"1"}})
			f.drive(t, "one")
			if err := c.change(filepath.Join(f.folder, "out", "out.txt")); err != nil {
				t.Fatal(err)
			}
			if _, ran := f.drive(t, "two"); len(ran) != c.want {
				t.Errorf("ran %v, want %d units", ran, c.want)
			}
			if got := f.published(t); got != "b/1\n" {
				t.Errorf("published %q", got)
			}
		})
	}
}

// planned plans a job with one unit in its first phase.
func planned(t *testing.T) (*fixture, string) {
	t.Helper()
	f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}})
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{}`), Execution: "one", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return f, next.Job
}

// setKind replaces a kind of the fixture's registry.
func (f *fixture) setKind(k work.Kind) {
	f.Registry.Kinds = append([]work.Kind{k}, f.Registry.Kinds...)
}

func TestAResultMadeWhileTheWorkerIsStoppedIsKept(t *testing.T) {
	f, job := planned(t)
	ctx, stop := context.WithCancel(t.Context())
	f.setKind(writer{name: "a", hook: func(*work.Env) error { return nil }})
	f.Ledger = stopping{Ledger: f.Ledger, onComplete: stop}
	if _, err := f.Run(ctx, RunInput{Job: job, Unit: "a/1"}); err != nil {
		t.Error(err)
	}
	u, err := f.Ledger.Unit(t.Context(), job, "a/1")
	if err != nil || u.State != ledger.Done {
		t.Errorf("the ledger has %+v, %v", u, err)
	}
}

// stopping is a ledger whose worker is stopped during a call.
type stopping struct {
	ledger.Ledger
	onBegin, onComplete func()
}

func (l stopping) Begin(ctx context.Context, job, id, owner string, lease time.Time) (ledger.Unit, error) {
	u, err := l.Ledger.Begin(ctx, job, id, owner, lease)
	if l.onBegin != nil {
		l.onBegin()
	}
	return u, errors.Join(err, ctx.Err())
}

func (l stopping) Complete(ctx context.Context, job, id string, attempt int, facts json.RawMessage) error {
	if l.onComplete != nil {
		l.onComplete()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.Ledger.Complete(ctx, job, id, attempt, facts)
}

func TestAnAttemptThatIsStoppedAsItBeginsIsRecordedAsFailed(t *testing.T) {
	f, job := planned(t)
	ctx, stop := context.WithCancel(t.Context())
	f.Ledger = stopping{Ledger: f.Ledger, onBegin: stop}
	f.setKind(writer{name: "a", hook: func(*work.Env) error { return ctx.Err() }})
	if _, err := f.Run(ctx, RunInput{Job: job, Unit: "a/1"}); fault.KindOf(err) != fault.Transient {
		t.Errorf("it ends with %v, want %s", err, fault.Transient)
	}
	u, err := f.Ledger.Unit(t.Context(), job, "a/1")
	if err != nil || u.State != ledger.Failed || u.Failure == nil || u.Failure.Kind != string(fault.Transient) {
		t.Errorf("the ledger has %+v, %v", u, err)
	}
}

func TestTheArtifactsOfALostRaceAreRemoved(t *testing.T) {
	f, job := planned(t)
	first := true
	f.setKind(writer{name: "a", hook: func(*work.Env) error {
		if first { // a second worker does the whole unit meanwhile
			first = false
			_, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"})
			return err
		}
		return nil
	}})
	if _, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"}); err != nil {
		t.Fatal(err)
	}
	u, err := f.Ledger.Unit(t.Context(), job, "a/1")
	if err != nil || u.Attempt != 2 {
		t.Fatalf("attempt %d won, %v, want 2", u.Attempt, err)
	}
	var artifacts []string
	for _, key := range f.scratch(t) {
		if strings.Contains(key, "/a/") {
			artifacts = append(artifacts, key)
		}
	}
	if want := []string{work.ArtifactKey(job, "a/1", 2, 0, "txt")}; !slices.Equal(artifacts, want) {
		t.Errorf("scratch has %v, want %v", artifacts, want)
	}
}

// crash is an error of a program that a signal ended.
type crash struct{}

func (crash) Error() string          { return "the program was killed by a signal" }
func (crash) Name() string           { return "ffmpeg" }
func (crash) Crashed() bool          { return true }
func (crash) LastLines(int) []string { return []string{"last words"} }

func TestEveryThirdCrashOfAUnitIsFinal(t *testing.T) {
	f, job := planned(t)
	f.setKind(writer{name: "a", hook: func(*work.Env) error { return fault.Wrap(fault.Transient, crash{}, "work") }})
	for n := 1; n <= 6; n++ {
		_, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"})
		want := fault.Transient
		if n%3 == 0 {
			want = fault.Unsupported
		}
		if fault.KindOf(err) != want {
			t.Errorf("attempt %d ends with %v, want %s", n, err, want)
		}
	}
	u, err := f.Ledger.Unit(t.Context(), job, "a/1")
	if err != nil || u.Failure == nil || !strings.HasSuffix(u.Failure.Message, "\nlast words") {
		t.Errorf("the ledger has %+v, %v", u.Failure, err)
	}
}

func TestAFailedExecutionIsRecordedWithTheFirstUnitsReason(t *testing.T) {
	f, job := planned(t)
	f.setKind(writer{name: "a", hook: func(*work.Env) error { return fault.New(fault.Corrupt, "a broken source") }})
	if _, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"}); err == nil {
		t.Fatal("the unit succeeded")
	}
	in := FinishInput{Execution: "one", Status: "FAILED", Error: "States.ItemReaderFailed", Cause: "too many items failed"}
	if _, err := f.Finish(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	record, err := f.Ledger.Job(t.Context(), job)
	if err != nil || record.State != ledger.JobFailed || record.Failure == nil || record.Failure.Kind != string(fault.Corrupt) {
		t.Errorf("the ledger has %+v, %v", record, err)
	}
	if left := f.scratch(t); len(left) == 0 {
		t.Error("the scratch of a failed job was cleared")
	}
}

func TestAnExecutionThatWasReplacedLeavesTheJobToItsSuccessor(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}})
	began := time.Now()
	request := json.RawMessage(`{}`)
	if _, err := f.Analyse(t.Context(), AnalyseInput{Request: request, Execution: "new", Started: began.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: request, Execution: "old", Started: began})
	if err != nil {
		t.Fatalf("an older execution may work along, and got %v", err)
	}
	for _, unit := range []string{"a/1", "b/1", "out/file"} {
		if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: unit}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Finish(t.Context(), FinishInput{Job: next.Job, Execution: "old"}); err != nil {
		t.Fatal(err)
	}
	if record, err := f.Ledger.Job(t.Context(), next.Job); err != nil || record.State != ledger.JobRunning || record.Execution != "new" {
		t.Errorf("the ledger has %+v, %v", record, err)
	}
	if _, err := f.Finish(t.Context(), FinishInput{Job: next.Job, Execution: "new"}); err != nil {
		t.Fatal(err)
	}
	// The old one was given up before the job ended, and comes back now.
	_, err = f.Analyse(t.Context(), AnalyseInput{Request: request, Execution: "old", Started: began})
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("error %v, want one of kind Transient", err)
	}
	if left := f.scratch(t); len(left) > 0 {
		t.Errorf("scratch still has %v", left)
	}
}

func TestRoutesFollowTheQueuesOfTheDeployment(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"1"}, needsFirst: true})
	f.Queues = &Queues{}
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{}`), Execution: "one", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range append(f.list(t, next), next.Outputs...) {
		if i.Route != work.RouteLambda {
			t.Errorf("%s has the route %q without a Batch queue", i.Unit, i.Route)
		}
	}
	for request, want := range map[string]string{
		`{"compute": {"gpu": true}}`:     "this deployment has no GPU queue",
		`{"compute": {"mode": "batch"}}`: "this deployment has no Batch queue",
	} {
		_, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(request), Execution: "one", Started: time.Now()})
		if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", request, err, want)
		}
	}
}

// routed notes the route that its units have.
type routed struct {
	writer
	route *work.Route
}

func (k routed) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	*k.route = u.Needs.Route
	return k.writer.Run(ctx, env, u)
}

// A kind may give up early where Batch takes over, so it must know whether Batch does.
func TestAKindKnowsWhetherBatchTakesOver(t *testing.T) {
	for want, queues := range map[work.Route]*Queues{work.RouteLambda: {}, work.RouteLambdaBatch: {CPU: true}} {
		f := newFixture(t, &letters{names: []string{"1"}})
		var got work.Route
		f.Queues, f.Registry.Kinds[0] = queues, routed{writer{name: "a"}, &got}
		next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{}`), Execution: "one", Started: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Run(t.Context(), RunInput{Job: next.Job, Unit: "a/1"}); err != nil || got != want {
			t.Errorf("with the queues %+v the route is %q, want %q; error %v", *queues, got, want, err)
		}
	}
}

func TestOnlyTransientEndsABatchJobWithTryAgain(t *testing.T) {
	seen := map[int]fault.Kind{0: "success", 1: "an exit that is not ours", 2: "a panic that is not ours"}
	for _, kind := range fault.Kinds() {
		code := ExitCode(kind)
		if other, taken := seen[code]; taken || code > 125 {
			t.Errorf("%s ends with %d, as does %s", kind, code, other)
		}
		if (code == TryAgain) != (kind == fault.Transient) {
			t.Errorf("%s ends with %d", kind, code)
		}
		seen[code] = kind
	}
}
