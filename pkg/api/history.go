package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mapreel/mapreel/pkg/history"
)

type historyInput struct {
	executionInput
	page
	ReverseOrder         bool  `json:"reverseOrder"`
	IncludeExecutionData *bool `json:"includeExecutionData"`
}

type historyOutput struct {
	Events    []event `json:"events"`
	NextToken string  `json:"nextToken,omitempty"`
}

// event is an event as the API returns it: its fields and those of its details in one object.
type event struct {
	history.Event
	withoutData bool
}

// MarshalJSON joins the fields.
func (e event) MarshalJSON() ([]byte, error) {
	head, err := json.Marshal(struct {
		Timestamp       timestamp `json:"timestamp"`
		Type            string    `json:"type"`
		ID              int64     `json:"id"`
		PreviousEventID int64     `json:"previousEventId"`
	}{timestamp(e.Time), e.Type, e.ID, e.Previous})
	details := e.Details
	if e.withoutData {
		details = history.WithoutData(details)
	}
	if details = bytes.TrimPrefix(details, []byte("{")); err != nil || len(details) <= 1 {
		return head, err
	}
	return append(append(head[:len(head)-1], ','), details...), nil
}

func (s *Server) getExecutionHistory(ctx context.Context, in historyInput) (historyOutput, error) {
	var out historyOutput
	x, err := s.execution(ctx, in.ExecutionARN)
	if err != nil {
		return out, err
	}
	if err := in.check(); err != nil {
		return out, err
	}
	list := fmt.Sprintf("GetExecutionHistory-%d-%t", x.Sequence, in.ReverseOrder)
	after, err := in.position(list)
	if err != nil {
		return out, err
	}
	limit := in.size()
	events, err := s.Store.Events(ctx, x, after, in.ReverseOrder, limit+1)
	if err != nil {
		return out, err
	}
	if len(events) > limit {
		events = events[:limit]
		out.NextToken = token(list, events[limit-1].ID)
	}
	out.Events = make([]event, len(events))
	for i, e := range events {
		out.Events[i] = event{e, in.IncludeExecutionData != nil && !*in.IncludeExecutionData}
	}
	return out, nil
}

type mapRunInput struct {
	MapRunARN *string `json:"mapRunArn"`
}

// counts are the counts of items or of executions of a map run: history.Counts as the API names them.
type counts struct {
	Total                 int `json:"total"`
	Pending               int `json:"pending"`
	Running               int `json:"running"`
	Succeeded             int `json:"succeeded"`
	Failed                int `json:"failed"`
	TimedOut              int `json:"timedOut"`
	Aborted               int `json:"aborted"`
	ResultsWritten        int `json:"resultsWritten"`
	FailuresNotRedrivable int `json:"failuresNotRedrivable"`
	PendingRedrive        int `json:"pendingRedrive"`
}

type mapRunOutput struct {
	MapRunARN                  string     `json:"mapRunArn"`
	ExecutionARN               string     `json:"executionArn"`
	Status                     string     `json:"status"`
	StartDate                  timestamp  `json:"startDate"`
	StopDate                   *timestamp `json:"stopDate,omitempty"`
	MaxConcurrency             int        `json:"maxConcurrency"`
	ToleratedFailurePercentage float64    `json:"toleratedFailurePercentage"`
	ToleratedFailureCount      int        `json:"toleratedFailureCount"`
	ItemCounts                 counts     `json:"itemCounts"`
	ExecutionCounts            counts     `json:"executionCounts"`
	RedriveCount               int        `json:"redriveCount"`
}

// mapRun returns the map run of an ARN.
func (s *Server) mapRun(ctx context.Context, arn *string) (history.MapRun, error) {
	if err := checkARN("mapRunArn", arn, "mapRun"); err != nil {
		return history.MapRun{}, err
	}
	if err := s.Store.Flush(ctx); err != nil {
		return history.MapRun{}, err
	}
	m, err := s.Store.MapRun(ctx, *arn)
	if errors.Is(err, history.ErrNotFound) {
		return m, &Error{"ResourceNotFound", fmt.Sprintf("Resource not found: '%s'", *arn)}
	}
	return m, err
}

func (s *Server) describeMapRun(ctx context.Context, in mapRunInput) (mapRunOutput, error) {
	m, err := s.mapRun(ctx, in.MapRunARN)
	return mapRunOutput{
		MapRunARN: m.ARN, ExecutionARN: m.Execution, Status: m.Status, StartDate: timestamp(m.Started), StopDate: optional(m.Stopped),
		MaxConcurrency: m.MaxConcurrency, ToleratedFailurePercentage: m.ToleratedFailurePercentage,
		ToleratedFailureCount: m.ToleratedFailureCount, ItemCounts: counts(m.Items), ExecutionCounts: counts(m.Executions),
	}, err
}

type listMapRunsInput struct {
	executionInput
	page
}

type mapRunItem struct {
	ExecutionARN    string     `json:"executionArn"`
	MapRunARN       string     `json:"mapRunArn"`
	StateMachineARN string     `json:"stateMachineArn"`
	StartDate       timestamp  `json:"startDate"`
	StopDate        *timestamp `json:"stopDate,omitempty"`
}

type listMapRunsOutput struct {
	MapRuns   []mapRunItem `json:"mapRuns"`
	NextToken string       `json:"nextToken,omitempty"`
}

func (s *Server) listMapRuns(ctx context.Context, in listMapRunsInput) (listMapRunsOutput, error) {
	var out listMapRunsOutput
	x, err := s.execution(ctx, in.ExecutionARN)
	if err != nil {
		return out, err
	}
	if err := in.check(); err != nil {
		return out, err
	}
	name := fmt.Sprintf("ListMapRuns-%d", x.Sequence)
	offset, err := in.position(name)
	if err != nil {
		return out, err
	}
	limit := in.size()
	list, err := s.Store.MapRuns(ctx, x.ARN, int(offset), limit+1)
	if err != nil {
		return out, err
	}
	if len(list) > limit {
		list = list[:limit]
		out.NextToken = token(name, offset+int64(limit))
	}
	out.MapRuns = make([]mapRunItem, len(list))
	for i, m := range list {
		out.MapRuns[i] = mapRunItem{m.Execution, m.ARN, m.Machine, timestamp(m.Started), optional(m.Stopped)}
	}
	return out, nil
}
