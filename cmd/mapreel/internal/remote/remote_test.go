package remote

import (
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

func group(name string, units, done, running int) client.Group {
	return client.Group{Name: name, Noun: "segments", Units: units, Done: done, Running: running}
}

func outputGroup(running int) client.Group {
	g := group("output/film", 1, 0, running)
	g.Noun = "outputs"
	return g
}

func TestBarsOfAJobElsewhereShowItsGroups(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := &view{}
	if got := v.lines(began, 80); len(got) != 1 || got[0] != "asking" {
		t.Errorf("before the first answer: %q", got)
	}
	job := client.Job{Name: "film", Status: client.Running, Started: began}
	v.set(job, began)
	if got := v.lines(began.Add(12*time.Second), 80); got[0] != "waiting, or reading the source  0:12" {
		t.Errorf("before the plan: %q", got)
	}
	cost := price.Cost{Total: price.Dollar / 4}
	video := group("video", 40, 10, 4)
	video.Total, video.Amount = work.Amount{Media: 400e6}, work.Amount{Media: 100e6}
	job.Progress = &client.Progress{Groups: []client.Group{video, outputGroup(0)}, Cost: &cost}
	v.set(job, began.Add(10*time.Second))
	later := video
	later.Done, later.Amount.Media = 20, 200e6
	job.Progress = &client.Progress{Groups: []client.Group{later, outputGroup(0)}, Cost: &cost, Retries: 2, Failures: 1, Throttled: 1}
	now := began.Add(20 * time.Second)
	v.set(job, now)
	got := v.lines(now, 120)
	if len(got) != 1 || !strings.HasPrefix(got[0], "video [") || !strings.HasSuffix(got[0], "]  50%  20/40 segments  0:20 left  10.0x  4 at work  2 retried  1 failed  throttled by Lambda  0.25 USD") {
		t.Errorf("at half: %q", got)
	}
	for _, width := range []int{0, 1, 20, 40, 80} {
		for _, line := range v.lines(now, width) {
			if len(line) > width {
				t.Errorf("%d columns: %q", width, line)
			}
		}
	}
	later.Done, later.Running = 40, 0
	job.Progress = &client.Progress{Groups: []client.Group{later, outputGroup(1)}}
	v.set(job, now)
	if got := v.lines(now, 80); got[0] != "merging  0:20" {
		t.Errorf("at the end: %q", got)
	}
}

func TestEveryLineOfAnErrorIsShown(t *testing.T) {
	j := client.Job{Name: "x", Status: "FAILED", Error: &ledger.Failure{Kind: "Invalid", Message: "/a: is wrong\n/b: is missing"}}
	lines := formatJob(j, time.Now())
	if got := strings.Join(lines[len(lines)-2:], "\n"); got != "error       Invalid: /a: is wrong\n            /b: is missing" {
		t.Errorf("shown:\n%s", got)
	}
}

func TestWhatAServerSaysCannotControlATerminal(t *testing.T) {
	const hostile = "a\x1b]0;owned\x07\nforged  DONE\u202e\u009b31m"
	j := client.Job{
		Name: hostile, Status: hostile, Source: hostile, Destination: hostile, Warnings: []string{hostile}, Error: &ledger.Failure{Kind: hostile, Message: hostile},
		Progress: &client.Progress{Groups: []client.Group{{Name: hostile, Noun: hostile, Units: 1}}},
	}
	now := time.Now()
	for _, lines := range [][]string{formatJob(j, now), formatList([]client.Job{j}, now)} {
		for _, line := range lines {
			if strings.ContainsAny(line, "\x1b\x07\n\u202e\u009b") {
				t.Errorf("shown: %q", line)
			}
		}
	}
}

func TestTheOutcomeOfAJobIsAnErrorUnlessItIsDone(t *testing.T) {
	for _, test := range []struct {
		job  client.Job
		want string
	}{
		{client.Job{Status: client.Running}, ""},
		{client.Job{Status: client.Succeeded}, ""},
		{client.Job{Name: "x", Status: "FAILED", Error: &ledger.Failure{Kind: "Corrupt", Message: "it broke"}}, "job x failed: Corrupt: it broke"},
		{client.Job{Name: "x", Status: "FAILED", Error: &ledger.Failure{Kind: "OverBudget", Message: "stopped at the budget"}}, "job x: stopped at the budget"},
		{client.Job{Name: "x", Status: "ABORTED", Error: &ledger.Failure{}}, "job x was stopped: no reason is given"},
		{client.Job{Name: "x", Status: "TIMED_OUT", Error: &ledger.Failure{Kind: "States.Timeout"}}, "job x took too long: States.Timeout"},
	} {
		got := ""
		if err := outcome(test.job); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.job.Status, got, test.want)
		}
	}
}

func TestTheEndOfAJobShowsItsCostByService(t *testing.T) {
	var s price.Sum
	s.Add(price.Use{Place: price.OnLambda, Millis: 600_000, Memory: 3008, Requests: 1, Transitions: 3, Writes: 6})
	cost := price.Default().Bill(s)
	cost.Unrecorded = 2
	e := price.Default().MediaConvert([]price.Video{{Codec: "h265", Width: 1920, Height: 1080, Millis: 3_600_000}})
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	job := client.Job{Name: "film", Status: client.Succeeded, Started: began, Stopped: began.Add(time.Minute), Progress: &client.Progress{Cost: &cost, Elsewhere: &e}}
	got := strings.Join(formatJob(job, began), "\n")
	// 3008/1024 × 600 × 0.0000166667 = 0.029375 and a request; 3 × 0.000025; 6 × 0.000000625
	for _, want := range []string{
		"cost        0.029 USD altogether, by list prices of 2026-09-20 in us-east-1", "0.029 USD for Lambda", "0.000075 USD for Step Functions", "0.000004 USD for DynamoDB",
		"without 2 attempts that left no record", "(MediaConvert, On-Demand, Basic tier, list prices of 2026-09-20: at least 0.90 USD for the same 120.0 normalised minutes)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
