package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
)

// execution does what the state machine does with a request, and returns the units that it ran and the error that it ended with.
func (f *fixture) execution(t *testing.T, name, request string) (ran []string, err error) {
	t.Helper()
	time.Sleep(2 * time.Millisecond) // see drive
	started := time.Now()
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(request), Execution: name, Started: started})
	run := func(items []Item) {
		for _, i := range items {
			if _, err := f.Run(t.Context(), RunInput{Job: i.Job, Unit: i.Unit}); err != nil {
				t.Fatal(err)
			}
			ran = append(ran, i.Unit)
		}
	}
	for err == nil && next.Phase.Count > 0 {
		run(f.list(t, next))
		next, err = f.Analyse(t.Context(), AnalyseInput{Job: next.Job, Phase: next.Phase.Name, Execution: name, Started: started})
	}
	if err != nil {
		_, ferr := f.Finish(t.Context(), FinishInput{Execution: name, Status: "FAILED", Error: string(fault.KindOf(err)), Cause: err.Error()})
		if ferr != nil {
			t.Fatal(ferr)
		}
		return ran, err
	}
	run(next.Outputs)
	_, err = f.Finish(t.Context(), FinishInput{Job: next.Job, Execution: name})
	return ran, err
}

// hundred returns the names of a hundred units.
func hundred() (names []string) {
	for n := range 100 {
		names = append(names, fmt.Sprintf("%05d", n))
	}
	return names
}

func TestAJobStopsBeforeItExceedsItsBudgetAndContinuesWithAHigherOne(t *testing.T) {
	f := newFixture(t, &letters{names: hundred(), second: []string{"1"}, wide: 10, needsFirst: true})
	f.Meter = meterOf // each unit costs 0.0000168667: a GB-second and an invocation
	ran, err := f.execution(t, "x1", `{"source": "in", "compute": {"budget": 0.001}}`)
	if fault.KindOf(err) != fault.OverBudget || len(ran) != sampleUnits {
		t.Fatalf("it ran %d units and ended with %v, want %d and OverBudget", len(ran), err, sampleUnits)
	}
	// 8 × 0.0000168667 = 0.0001349; 92 more of them 0.0015517, which take ten rounds of ten at a second each.
	for _, want := range []string{"0.0010 USD", "0.000135 USD are spent on 8 of 102 units", "0.0016 USD more and about 10s", "2 units whose cost is not known"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if record, err := f.Ledger.Job(t.Context(), "0123456789abcdef0123"); err != nil || record.Failure == nil || record.Failure.Kind != "OverBudget" {
		t.Errorf("recorded: %+v, %v", record.Failure, err)
	}
	if again, err := f.execution(t, "x2", `{"source": "in", "compute": {"budget": 0.001}}`); fault.KindOf(err) != fault.OverBudget || len(again) != 0 {
		t.Errorf("the same again ran %v and ended with %v, want nothing and OverBudget", again, err)
	}
	rest, err := f.execution(t, "x3", `{"source": "in", "compute": {"budget": 0.01}}`)
	if err != nil || len(rest) != 102-sampleUnits {
		t.Fatalf("with a higher budget it ran %d units and ended with %v, want %d", len(rest), err, 102-sampleUnits)
	}
	for _, unit := range ran {
		if slices.Contains(rest, unit) {
			t.Errorf("%s ran again", unit)
		}
	}
	if got := f.published(t); got != "b/1\n" {
		t.Errorf("published %q", got)
	}
}

func TestATightBudgetIsSpentInRounds(t *testing.T) {
	f := newFixture(t, &letters{names: hundred(), second: []string{"1"}, wide: 100})
	f.Meter = meterOf
	ran, err := f.execution(t, "x", `{"source": "in", "compute": {"budget": 0.0018}}`)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 0
	for _, e := range f.events {
		if e.Type == Planned {
			rounds++
		}
	}
	// 100 units cost 0.00169. Rounds of 8, then of at least half of what is left: 92, 46, 23, 12, 6.
	if len(ran) != 102 || rounds < 4 || rounds > 9 {
		t.Errorf("%d units in %d rounds", len(ran), rounds)
	}
}

func TestAJobWithoutABudgetRunsAPhaseAsAWhole(t *testing.T) {
	f := newFixture(t, &letters{names: hundred(), second: []string{"1"}})
	next, err := f.Analyse(t.Context(), AnalyseInput{Request: json.RawMessage(`{"source": "in"}`), Execution: "x", Started: time.Now()})
	if err != nil || next.Phase.Count != 100 {
		t.Errorf("%d units, %v; want all", next.Phase.Count, err)
	}
}

// paid is units of a kind that cost a dollar and take a minute each.
func paid(done, open int) tally {
	return tally{kind: "video", done: done, open: open, spent: price.Dollar * price.Money(done), millis: 60_000 * int64(done)}
}

func TestARoundIsWhatTheBudgetPaysForIfUnitsCostTwiceTheMean(t *testing.T) {
	var items []Item
	for n := range 90 {
		items = append(items, Item{Unit: fmt.Sprintf("video/%05d", n)})
	}
	for _, test := range []struct {
		name     string
		budget   price.Money
		done     int
		want     int
		exceeded bool
	}{
		{"nothing is known", 5 * price.Dollar, 0, sampleUnits, false},
		{"too few are known", 5 * price.Dollar, 3, sampleUnits - 3, false},
		{"twice the rest is there", 190 * price.Dollar, 10, 90, false},
		{"just enough", 100 * price.Dollar, 10, 45, false},
		{"half as much again", 145 * price.Dollar, 10, 67, false},
		{"a dollar is missing", 99 * price.Dollar, 10, 0, true},
		{"it is spent", 10 * price.Dollar, 10, 0, true},
	} {
		list := []tally{paid(test.done, 90)}
		o := foresee(test.budget, list, 30)
		if o.exceeded() != test.exceeded {
			t.Errorf("%s: exceeded is %t: %+v", test.name, o.exceeded(), o)
		}
		if got := o.round(items, list); !test.exceeded && len(got) != test.want {
			t.Errorf("%s: %d units are next, want %d", test.name, len(got), test.want)
		}
		if test.done == 10 && o.time != 3*time.Minute {
			t.Errorf("%s: the rest takes %v, want three rounds of a minute", test.name, o.time)
		}
	}
}

func TestTheFirstUnitsAreSpreadOverThePhase(t *testing.T) {
	var items []Item
	for n := range 5 {
		items = append(items, Item{Unit: fmt.Sprintf("audio/%d", n)})
	}
	for n := range 80 {
		items = append(items, Item{Unit: fmt.Sprintf("video/%05d", n)})
	}
	var got []string
	for _, i := range foresee(price.Dollar, nil, 1).round(items, []tally{{kind: "audio", open: 5}, {kind: "video", open: 80}}) {
		got = append(got, i.Unit)
	}
	want := strings.Fields("audio/0 audio/1 audio/2 audio/3 audio/4 video/00009 video/00019 video/00029 video/00039 video/00049 video/00059 video/00069 video/00079")
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAJobWithNothingLeftIsNotStopped(t *testing.T) {
	if o := foresee(1, []tally{paid(10, 0)}, 1); o.exceeded() {
		t.Errorf("%+v", o)
	}
}
