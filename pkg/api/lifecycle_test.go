package api_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
)

// hold lets units wait until they are told to stop, except for those that free names, and returns a channel that gets a value
// for each unit that waits.
func hold(g *gate, free string) <-chan string {
	waits := make(chan string, 100)
	g.set(func(ctx context.Context, unit string) error {
		if unit == free {
			return nil
		}
		waits <- unit
		<-ctx.Done()
		return context.Cause(ctx)
	})
	return waits
}

func TestStartIsIdempotentByNameAndInput(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := t.Context()
	<-holdAfter(t, s, "film")
	start := func(input *string) (*sfn.StartExecutionOutput, error) {
		return s.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: aws.String(history.MachineARN), Name: aws.String("film"), Input: input})
	}
	first, err := start(s.request("out"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := start(s.request("out"))
	if err != nil || *again.ExecutionArn != *first.ExecutionArn || !again.StartDate.Equal(*first.StartDate) {
		t.Errorf("the same again: %+v, %v; want %+v", again, err, first)
	}
	if _, err := start(s.request("elsewhere")); code(err) != "ExecutionAlreadyExists" || !strings.Contains(err.Error(), *first.ExecutionArn) {
		t.Errorf("with another input: %v", err)
	}
	if _, err := s.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: first.ExecutionArn}); err != nil {
		t.Fatal(err)
	}
	if _, err := start(s.request("out")); code(err) != "ExecutionAlreadyExists" {
		t.Errorf("after its end: %v", err)
	}
}

// holdAfter starts an execution whose units wait, and returns a channel that gets a value when one does.
func holdAfter(t *testing.T, s *service, name string) <-chan string {
	t.Helper()
	waits := hold(s.gate, "")
	s.begin(name, s.request("out"))
	return waits
}

func TestAStoppedExecutionIsRedriven(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := t.Context()
	waits := hold(s.gate, "checksum/00000")
	arn := s.begin("film", s.request("out"))
	for range 2 { // both slots wait, so the first unit is done or about to be
		<-waits
	}
	stopped, err := s.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: arn, Error: aws.String("Enough"), Cause: aws.String("of this film")})
	if err != nil || stopped.StopDate == nil {
		t.Fatal(stopped, err)
	}
	x := s.await(arn, types.ExecutionStatusAborted)
	if aws.ToString(x.Error) != "Enough" || aws.ToString(x.Cause) != "of this film" || x.RedriveStatus != types.ExecutionRedriveStatusRedrivable {
		t.Errorf("stopped: %+v", x)
	}
	before := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})
	end := before[len(before)-1]
	if end.Type != types.HistoryEventTypeExecutionAborted || *end.ExecutionAbortedEventDetails.Error != "Enough" {
		t.Errorf("the history ends with %+v", end)
	}
	var ran atomic.Int32
	s.gate.set(func(_ context.Context, unit string) error {
		if unit == "checksum/00000" {
			t.Error("the unit that was done ran again")
		}
		ran.Add(1)
		return nil
	})
	redriven, err := s.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	x = s.await(arn, types.ExecutionStatusSucceeded)
	if aws.ToInt32(x.RedriveCount) != 1 || !x.RedriveDate.Equal(*redriven.RedriveDate) || x.Error != nil || ran.Load() != seconds+1 {
		t.Errorf("redriven: %+v, %d units ran", x, ran.Load())
	}
	after := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})
	next := after[len(before):]
	if next[0].Type != types.HistoryEventTypeExecutionRedriven || *next[0].ExecutionRedrivenEventDetails.RedriveCount != 1 ||
		next[0].Id != end.Id+1 || next[1].Type != types.HistoryEventTypeTaskStateEntered || next[1].PreviousEventId != next[0].Id {
		t.Errorf("after the redrive the history goes on\n%s", outline(next[:3]))
	}
	for i, e := range after {
		if e.Id != int64(i+1) || e.PreviousEventId >= e.Id {
			t.Errorf("event %d has ID %d and follows %d", i+1, e.Id, e.PreviousEventId)
		}
	}
	if _, err := s.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: arn}); code(err) != "ExecutionNotRedrivable" {
		t.Errorf("a redrive of one that succeeded: %v", err)
	}
}

func TestAFailureIsDescribed(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.gate.set(func(_ context.Context, unit string) error {
		if unit == "checksum/00001" {
			return fault.New(fault.Corrupt, "the sound is torn")
		}
		return nil
	})
	arn := s.begin("film", s.request("out"))
	x := s.await(arn, types.ExecutionStatusFailed)
	if aws.ToString(x.Error) != "States.ExceedToleratedFailureThreshold" || !strings.Contains(aws.ToString(x.Cause), "the sound is torn") {
		t.Errorf("failed with %s: %s", aws.ToString(x.Error), aws.ToString(x.Cause))
	}
	runs, err := s.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: arn})
	if err != nil || len(runs.MapRuns) != 1 {
		t.Fatal(runs, err)
	}
	children, err := s.ListExecutions(t.Context(), &sfn.ListExecutionsInput{
		MapRunArn: runs.MapRuns[0].MapRunArn, StatusFilter: types.ExecutionStatusFailed,
	})
	if err != nil || len(children.Executions) != 1 {
		t.Fatal(children, err)
	}
	child := s.await(children.Executions[0].ExecutionArn, types.ExecutionStatusFailed)
	if aws.ToString(child.Error) != "Corrupt" || child.RedriveStatus != types.ExecutionRedriveStatusRedrivableByMapRun {
		t.Errorf("the child: %+v", child)
	}
}

func TestARunningExecutionGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	s := newService(t)
	waits := hold(s.gate, "checksum/00000")
	arn := s.begin("film", s.request("out"))
	for range 2 {
		<-waits
	}
	s.stop()

	again := start(t, s.scratch, s.root)
	x := again.await(arn, types.ExecutionStatusSucceeded)
	if aws.ToInt32(x.RedriveCount) != 1 {
		t.Errorf("continued %d times, want once", aws.ToInt32(x.RedriveCount))
	}
	var last types.HistoryEvent
	for _, e := range again.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn}) {
		if e.Type == types.HistoryEventTypeExecutionAborted || e.Id != last.Id+1 {
			t.Errorf("event %d %s follows event %d", e.Id, e.Type, last.Id)
		}
		last = e
	}
	runs, err := again.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: arn})
	if err != nil || len(runs.MapRuns) != 2 {
		t.Fatalf("%+v, %v: want two map runs", runs, err)
	}
	var unfinished int
	for _, run := range runs.MapRuns {
		m, err := again.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: run.MapRunArn})
		if err != nil {
			t.Fatal(err)
		}
		if m.Status == types.MapRunStatusAborted {
			unfinished++
		}
		children, err := again.ListExecutions(t.Context(), &sfn.ListExecutionsInput{MapRunArn: run.MapRunArn, StatusFilter: types.ExecutionStatusRunning})
		if err != nil || len(children.Executions) > 0 {
			t.Errorf("children that run for ever: %+v, %v", children, err)
		}
	}
	if unfinished != 1 {
		t.Errorf("%d map runs were aborted, want the first one", unfinished)
	}
	if _, err := os.Stat(filepath.Join(s.root, "out", "in.wav.sha256")); err != nil {
		t.Error(err)
	}
}

func TestExecutionsOfOneRequestWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var ran atomic.Int32
	s.gate.set(func(context.Context, string) error {
		ran.Add(1)
		return nil
	})
	var arns []*string
	for _, name := range []string{"one", "two", "three"} {
		arns = append(arns, s.begin(name, s.request("out")))
	}
	for _, arn := range arns {
		s.await(arn, types.ExecutionStatusSucceeded)
	}
	if got := ran.Load(); got != seconds+2 {
		t.Errorf("%d units ran, want each of the %d once", got, seconds+2)
	}
}

func TestAQueuedExecutionIsStopped(t *testing.T) {
	t.Parallel()
	s := newService(t)
	waits := hold(s.gate, "")
	s.begin("first", s.request("out"))
	<-waits
	arn := s.begin("second", s.request("out"))
	time.Sleep(50 * time.Millisecond) // queued, or waiting for the first to end
	if _, err := s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: arn, Cause: aws.String("no need")}); err != nil {
		t.Fatal(err)
	}
	if x := s.await(arn, types.ExecutionStatusAborted); aws.ToString(x.Cause) != "no need" {
		t.Errorf("stopped: %+v", x)
	}
	events := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})
	if got, want := outline(events), "1 0 ExecutionStarted\n2 0 ExecutionAborted\n"; got != want {
		t.Errorf("the history is\n%swant\n%s", got, want)
	}
}

// What the server ended itself, without the interpreter, counts in the history as well.
func TestAHistoryGoesOnAfterAnEndWithoutABeginning(t *testing.T) {
	t.Parallel()
	s := newService(t)
	missing := strings.ReplaceAll(*s.request("out"), "in.wav", "missing.wav")
	arn := s.begin("film", &missing)
	s.await(arn, types.ExecutionStatusFailed)
	if _, err := s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: arn}); err != nil {
		t.Fatal(err)
	}
	s.await(arn, types.ExecutionStatusFailed)
	const want = "1 0 ExecutionStarted\n2 1 ExecutionFailed\n3 2 ExecutionRedriven\n4 3 ExecutionFailed\n"
	if got := outline(s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})); got != want {
		t.Errorf("the history is\n%swant\n%s", got, want)
	}
}

// What a server refuses cannot be redriven in it, and keeps the error that it has.
func TestWhatAServerRefusesIsNotRedriven(t *testing.T) {
	t.Parallel()
	s := newService(t)
	outside := strings.ReplaceAll(*s.request("out"), s.root+"/in.wav", "/etc/passwd")
	arn := s.begin("film", &outside)
	x := s.await(arn, types.ExecutionStatusFailed)
	if x.RedriveStatus != types.ExecutionRedriveStatusNotRedrivable || !strings.Contains(aws.ToString(x.RedriveStatusReason), "--root adds one") {
		t.Errorf("its redrive status is %s, %s", x.RedriveStatus, aws.ToString(x.RedriveStatusReason))
	}
	_, err := s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: arn})
	if code(err) != "ExecutionNotRedrivable" || !strings.Contains(err.Error(), "outside of the folders") {
		t.Errorf("redriven: %v", err)
	}
}

// An input comes back as it was given; white space makes no other input of it.
func TestAnInputIsReturnedAsItWasGiven(t *testing.T) {
	t.Parallel()
	s := newService(t)
	waits := hold(s.gate, "")
	spaced := strings.ReplaceAll(*s.request("out"), ",", ",\n  ")
	arn := s.begin("film", &spaced)
	<-waits
	if again := s.begin("film", s.request("out")); *again != *arn {
		t.Errorf("the same input without white space is %s, want %s", *again, *arn)
	}
	x, err := s.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	first := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})[0]
	for _, got := range []string{aws.ToString(x.Input), aws.ToString(first.ExecutionStartedEventDetails.Input)} {
		if got != spaced {
			t.Errorf("the input is %q, want %q", got, spaced)
		}
	}
}
