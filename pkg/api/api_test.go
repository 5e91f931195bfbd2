package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/api"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/queue"
	"github.com/mapreel/mapreel/pkg/work"
)

// gate decides what a unit does before it is done: it may wait, or return an error.
type gate struct {
	mu   sync.Mutex
	pass func(ctx context.Context, unit string) error
}

func (g *gate) set(pass func(context.Context, string) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass = pass
}

func (g *gate) enter(ctx context.Context, unit string) error {
	g.mu.Lock()
	pass := g.pass
	g.mu.Unlock()
	if pass == nil {
		return nil
	}
	return pass(ctx, unit)
}

// gated is a kind whose units pass a gate.
type gated struct {
	work.Kind
	gate *gate
}

func (k gated) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	if err := k.gate.enter(ctx, u.Name); err != nil {
		return work.Result{}, err
	}
	return k.Kind.Run(ctx, env, u)
}

// service is a server under test with a client.
type service struct {
	*sfn.Client
	t       testing.TB
	gate    *gate
	scratch string
	root    string
	url     string
	stop    func() // ends the server, as an interrupt does
}

// start starts a server over a scratch folder. root holds sources and outputs.
func start(t testing.TB, scratch, root string) *service {
	t.Helper()
	s := &service{t: t, gate: &gate{}, scratch: scratch, root: root}
	registry := toy.Add(work.Registry{})
	for i, k := range registry.Kinds {
		registry.Kinds[i] = gated{k, s.gate}
	}
	store, err := history.Open(t.Context(), filepath.Join(scratch, history.File))
	if err != nil {
		t.Fatal(err)
	}
	q := queue.New(store, queue.Options{Local: local.Options{Scratch: scratch, Registry: registry, Jobs: 2, Roots: []string{root}}})
	definition, err := local.Definition()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&api.Server{Store: store, Executions: q, Definition: definition})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		server.Close()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	s.url = server.URL
	s.Client = sfn.New(sfn.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	return s
}

// seconds is the length of the source: the number of units.
const seconds = 3

// newService starts a server in new folders, with a source in its root.
func newService(t testing.TB) *service {
	t.Helper()
	root := t.TempDir()
	data, err := os.ReadFile(toytest.NoisyWAV(t, 8000, seconds))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "in.wav"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, filepath.Join(t.TempDir(), "scratch"), root)
}

// request returns the input of an execution that writes below the folder out.
func (s *service) request(out string) *string {
	text, err := json.Marshal(map[string]any{
		"source": filepath.Join(s.root, "in.wav"), "destination": filepath.Join(s.root, out), "checksums": map[string]any{"seconds": 1},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return aws.String(string(text))
}

// begin starts an execution and returns its ARN.
func (s *service) begin(name string, input *string) *string {
	s.t.Helper()
	out, err := s.StartExecution(s.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: aws.String(history.MachineARN), Name: aws.String(name), Input: input,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.ExecutionArn
}

// await waits until an execution has a status.
func (s *service) await(arn *string, status types.ExecutionStatus) *sfn.DescribeExecutionOutput {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		x, err := s.DescribeExecution(s.t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: arn})
		if err != nil {
			s.t.Fatal(err)
		}
		if x.Status == status {
			return x
		}
		if x.Status != types.ExecutionStatusRunning || time.Now().After(deadline) {
			s.t.Fatalf("the execution is %s (%s: %s), want %s", x.Status, aws.ToString(x.Error), aws.ToString(x.Cause), status)
		}
	}
}

// events returns the whole history of an execution.
func (s *service) events(in *sfn.GetExecutionHistoryInput) (list []types.HistoryEvent) {
	s.t.Helper()
	for p := sfn.NewGetExecutionHistoryPaginator(s.Client, in); p.HasMorePages(); {
		page, err := p.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, page.Events...)
	}
	return list
}

// outline returns events as lines: ID, previous ID, type, state.
func outline(events []types.HistoryEvent) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d %d %s", e.Id, e.PreviousEventId, e.Type)
		switch {
		case e.StateEnteredEventDetails != nil:
			fmt.Fprintf(&b, " %s", aws.ToString(e.StateEnteredEventDetails.Name))
		case e.StateExitedEventDetails != nil:
			fmt.Fprintf(&b, " %s", aws.ToString(e.StateExitedEventDetails.Name))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// code returns the error code of an error of the SDK.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func TestAnExecutionFromStartToHistory(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := t.Context()
	input := s.request("out")
	arn := s.begin("film-1", input)
	if want := "arn:aws:states:local:000000000000:execution:mapreel:film-1"; *arn != want {
		t.Errorf("got %s, want %s", *arn, want)
	}
	x := s.await(arn, types.ExecutionStatusSucceeded)
	if x.StopDate == nil || x.StopDate.Before(*x.StartDate) || *x.Input != *input || !strings.Contains(*x.Output, "in.wav.sha256") ||
		x.RedriveStatus != types.ExecutionRedriveStatusNotRedrivable || *x.RedriveStatusReason != "Execution is SUCCEEDED and cannot be redriven" {
		t.Errorf("described as %+v", x)
	}
	if _, err := os.Stat(filepath.Join(s.root, "out", "in.wav.sha256")); err != nil {
		t.Error(err)
	}

	events := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})
	want := `1 0 ExecutionStarted
2 0 TaskStateEntered Analyse the source
3 2 TaskScheduled
4 3 TaskStarted
5 4 TaskSucceeded
6 5 TaskStateExited Analyse the source
7 6 ChoiceStateEntered Is there another phase?
8 7 ChoiceStateExited Is there another phase?
9 8 MapStateEntered Do every unit of the phase
10 9 MapStateStarted
11 10 MapRunStarted
12 11 MapRunSucceeded
13 12 MapStateSucceeded
14 11 MapStateExited Do every unit of the phase
`
	if got := outline(events[:14]); got != want {
		t.Errorf("the history begins\n%swant\n%s", got, want)
	}
	last := events[len(events)-1]
	if last.Type != types.HistoryEventTypeExecutionSucceeded || *last.ExecutionSucceededEventDetails.Output != *x.Output {
		t.Errorf("the history ends with %+v", last)
	}
	scheduled := events[2].TaskScheduledEventDetails
	if *scheduled.ResourceType != "lambda" || *scheduled.Resource != "invoke" || *scheduled.TimeoutInSeconds != 960 ||
		!strings.Contains(*scheduled.Parameters, `"FunctionName":"arn:local:lambda:::function:analyse"`) {
		t.Errorf("scheduled %+v", scheduled)
	}
	run := events[10].MapRunStartedEventDetails.MapRunArn
	if events[9].MapStateStartedEventDetails.Length != 0 {
		t.Errorf("a Map with an ItemReader began with length %d, want 0", events[9].MapStateStartedEventDetails.Length)
	}

	m, err := s.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: run})
	if err != nil {
		t.Fatal(err)
	}
	if m.Status != types.MapRunStatusSucceeded || m.ExecutionCounts.Succeeded != seconds+1 || m.ItemCounts.Total != seconds+1 || *m.ExecutionArn != *arn || m.StopDate == nil {
		t.Errorf("the map run is %+v, %+v", m, m.ExecutionCounts)
	}
	runs, err := s.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: arn})
	if err != nil || len(runs.MapRuns) != 1 || *runs.MapRuns[0].MapRunArn != *run {
		t.Errorf("map runs %+v, %v", runs, err)
	}
	children, err := s.ListExecutions(ctx, &sfn.ListExecutionsInput{MapRunArn: run})
	if err != nil || len(children.Executions) != seconds+1 {
		t.Fatalf("children %+v, %v", children, err)
	}
	child := children.Executions[0]
	if *child.MapRunArn != *run || *child.StateMachineArn != history.MachineARN+"/units" || child.Status != types.ExecutionStatusSucceeded ||
		aws.ToInt32(child.ItemCount) != 1 {
		t.Errorf("a child is %+v", child)
	}
	want = `1 0 ExecutionStarted
2 0 ChoiceStateEntered Where to run?
3 2 ChoiceStateExited Where to run?
4 3 TaskStateEntered Run on Lambda
5 4 TaskScheduled
6 5 TaskStarted
7 6 TaskSucceeded
8 7 TaskStateExited Run on Lambda
9 8 ExecutionSucceeded
`
	if got := outline(s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: child.ExecutionArn})); got != want {
		t.Errorf("the history of a child is\n%swant\n%s", got, want)
	}
	of, err := s.DescribeStateMachineForExecution(ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: child.ExecutionArn})
	if err != nil || aws.ToString(of.Label) != "units" || *of.MapRunArn != *run {
		t.Errorf("the machine of a child is %+v, %v", of, err)
	}
	all, err := s.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: aws.String(history.MachineARN)})
	if err != nil || len(all.Executions) != 1 || all.Executions[0].ItemCount != nil {
		t.Errorf("executions %+v, %v", all, err)
	}
}

func TestAHistoryIsReadInPages(t *testing.T) {
	t.Parallel()
	s := newService(t)
	arn := s.begin("film", s.request("out"))
	s.await(arn, types.ExecutionStatusSucceeded)
	whole := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn})
	for i, e := range whole {
		if e.Id != int64(i+1) || e.PreviousEventId >= e.Id {
			t.Errorf("event %d has ID %d and follows %d", i+1, e.Id, e.PreviousEventId)
		}
	}
	pages := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn, MaxResults: 7})
	if diff := cmp.Diff(outline(whole), outline(pages)); diff != "" {
		t.Errorf("in pages of seven (-whole +pages):\n%s", diff)
	}
	reverse := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn, MaxResults: 5, ReverseOrder: true})
	slices.Reverse(reverse)
	if diff := cmp.Diff(outline(whole), outline(reverse)); diff != "" {
		t.Errorf("in reverse order (-whole +reversed):\n%s", diff)
	}
	without := s.events(&sfn.GetExecutionHistoryInput{ExecutionArn: arn, IncludeExecutionData: aws.Bool(false)})
	if diff := cmp.Diff(outline(whole), outline(without)); diff != "" {
		t.Errorf("without data (-whole +without):\n%s", diff)
	}
	if without[0].ExecutionStartedEventDetails.Input != nil || without[2].TaskScheduledEventDetails.Parameters != nil ||
		*without[1].StateEnteredEventDetails.Name == "" || whole[0].ExecutionStartedEventDetails.Input == nil {
		t.Errorf("without data an event is %+v", without[0].ExecutionStartedEventDetails)
	}
	_, err := s.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: arn, NextToken: aws.String("nonsense")})
	if code(err) != "InvalidToken" {
		t.Errorf("a token that is none gives %v", err)
	}
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.gate.set(func(context.Context, string) error { return fault.New(fault.Corrupt, "broken") })
	failed := s.begin("failed", s.request("a"))
	s.await(failed, types.ExecutionStatusFailed)
	s.gate.set(nil)
	for i := range 4 {
		s.await(s.begin(fmt.Sprintf("film-%d", i), s.request(fmt.Sprint(i))), types.ExecutionStatusSucceeded)
	}
	list := func(in *sfn.ListExecutionsInput) string {
		t.Helper()
		in.StateMachineArn = aws.String(history.MachineARN)
		var names []string
		for p := sfn.NewListExecutionsPaginator(s.Client, in); p.HasMorePages(); {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Executions {
				names = append(names, *x.Name)
			}
		}
		return strings.Join(names, " ")
	}
	for _, c := range []struct {
		in   sfn.ListExecutionsInput
		want string
	}{
		{sfn.ListExecutionsInput{}, "film-3 film-2 film-1 film-0 failed"},
		{sfn.ListExecutionsInput{MaxResults: 2}, "film-3 film-2 film-1 film-0 failed"},
		{sfn.ListExecutionsInput{StatusFilter: types.ExecutionStatusFailed}, "failed"},
		{sfn.ListExecutionsInput{StatusFilter: types.ExecutionStatusSucceeded, MaxResults: 3}, "film-3 film-2 film-1 film-0"},
		{sfn.ListExecutionsInput{StatusFilter: types.ExecutionStatusTimedOut}, ""},
		{sfn.ListExecutionsInput{RedriveFilter: types.ExecutionRedriveFilterRedriven}, ""},
	} {
		if got := list(&c.in); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.in, got, c.want)
		}
	}
	if _, err := s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: failed}); err != nil {
		t.Fatal(err)
	}
	s.await(failed, types.ExecutionStatusSucceeded)
	if got := list(&sfn.ListExecutionsInput{RedriveFilter: types.ExecutionRedriveFilterRedriven}); got != "failed" {
		t.Errorf("redriven are %q", got)
	}
	if got := list(&sfn.ListExecutionsInput{RedriveFilter: types.ExecutionRedriveFilterNotRedriven, MaxResults: 1}); got != "film-3 film-2 film-1 film-0" {
		t.Errorf("not redriven are %q", got)
	}
}
