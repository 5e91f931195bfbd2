package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/queue"
)

type startInput struct {
	StateMachineARN *string `json:"stateMachineArn"`
	Name            *string `json:"name"`
	Input           *string `json:"input"`
}

type startOutput struct {
	ExecutionARN string    `json:"executionArn"`
	StartDate    timestamp `json:"startDate"`
}

// maxInput is the limit of an input in bytes.
const maxInput = 256 << 10

func (s *Server) startExecution(ctx context.Context, in startInput) (startOutput, error) {
	var out startOutput
	if err := checkMachine(in.StateMachineARN); err != nil {
		return out, err
	}
	name := jsonata.UUID()
	if in.Name != nil {
		name = *in.Name
		if err := checkName(name); err != nil {
			return out, err
		}
	}
	text := "{}"
	if in.Input != nil {
		text = *in.Input
	}
	if len(text) > maxInput {
		return out, constraint("input", "(the input)", fmt.Sprintf("Member must have length less than or equal to %d", maxInput))
	}
	if _, err := jsonata.Compact(json.RawMessage(text)); err != nil {
		return out, &Error{"InvalidExecutionInput", fmt.Sprintf("Invalid State Machine Execution Input: '%v'", err)}
	}
	x, err := s.Executions.Start(ctx, name, json.RawMessage(text))
	switch {
	case errors.Is(err, history.ErrExists):
		return out, &Error{"ExecutionAlreadyExists", fmt.Sprintf("Execution Already Exists: '%s'", history.ExecutionARN(name))}
	case err != nil:
		return out, err
	}
	return startOutput{x.ARN, timestamp(x.Started)}, nil
}

// forbidden are characters that a name must not have (API reference, StartExecution), besides white space and control characters.
const forbidden = `<>{}[]?*"#%\^|~` + "`" + `$&,;:/`

func checkName(name string) error {
	switch {
	case name == "":
		return constraint("name", name, "Member must have length greater than or equal to 1")
	case utf8.RuneCountInString(name) > 80:
		return constraint("name", name, "Member must have length less than or equal to 80")
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(forbidden, r) || r == utf8.RuneError || r >= 0xfffe
	}):
		return &Error{"InvalidName", fmt.Sprintf("Invalid Name: '%s'", name)}
	}
	return nil
}

type executionInput struct {
	ExecutionARN *string `json:"executionArn"`
}

type dataInput struct {
	IncludedData string `json:"includedData"`
}

// metadataOnly is the value of includedData that leaves inputs, outputs and definitions out.
const metadataOnly = "METADATA_ONLY"

type describeInput struct {
	executionInput
	dataInput
}

type details struct {
	Included bool `json:"included"`
}

type describeOutput struct {
	ExecutionARN        string     `json:"executionArn"`
	StateMachineARN     string     `json:"stateMachineArn"`
	Name                string     `json:"name"`
	Status              string     `json:"status"`
	StartDate           timestamp  `json:"startDate"`
	StopDate            *timestamp `json:"stopDate,omitempty"`
	Input               *string    `json:"input,omitempty"`
	InputDetails        *details   `json:"inputDetails,omitempty"`
	Output              *string    `json:"output,omitempty"`
	OutputDetails       *details   `json:"outputDetails,omitempty"`
	Error               string     `json:"error,omitempty"`
	Cause               *string    `json:"cause,omitempty"`
	MapRunARN           string     `json:"mapRunArn,omitempty"`
	RedriveCount        int        `json:"redriveCount"`
	RedriveDate         *timestamp `json:"redriveDate,omitempty"`
	RedriveStatus       string     `json:"redriveStatus"`
	RedriveStatusReason string     `json:"redriveStatusReason,omitempty"`
}

func (s *Server) describeExecution(ctx context.Context, in describeInput) (describeOutput, error) {
	x, err := s.execution(ctx, in.ExecutionARN)
	if err != nil {
		return describeOutput{}, err
	}
	out := describeOutput{
		ExecutionARN: x.ARN, StateMachineARN: x.Machine, Name: x.Name, Status: string(x.Status), StartDate: timestamp(x.Started),
		StopDate: optional(x.Stopped), Error: x.Error, MapRunARN: x.MapRun, RedriveCount: x.Redrives, RedriveDate: optional(x.Redriven),
	}
	out.RedriveStatus, out.RedriveStatusReason = s.redriveStatus(x, time.Now())
	if x.Error != "" || x.Cause != "" {
		out.Cause = &x.Cause
	}
	if in.IncludedData == metadataOnly {
		return out, nil
	}
	input, output := string(x.Input), string(x.Output)
	out.Input, out.InputDetails = &input, &details{true}
	if x.Output != nil {
		out.Output, out.OutputDetails = &output, &details{true}
	}
	return out, nil
}

// redriveStatus returns whether an execution can be redriven, and why not.
func (s *Server) redriveStatus(x history.Execution, now time.Time) (status, reason string) {
	reason = x.NotRedrivable(now)
	switch {
	case x.MapRun != "" && x.Ended() && x.Status != history.Succeeded:
		return "REDRIVABLE_BY_MAP_RUN", ""
	case reason != "":
		return "NOT_REDRIVABLE", reason
	}
	if err := s.Executions.Refuses(x.Input); err != nil { // another process ran it
		reason = err.Error()
		if hint := fault.HintOf(err); hint != "" {
			reason += "; " + hint
		}
		return "NOT_REDRIVABLE", reason
	}
	return "REDRIVABLE", ""
}

// execution returns the execution of an ARN.
func (s *Server) execution(ctx context.Context, arn *string) (history.Execution, error) {
	if err := checkARN("executionArn", arn, "execution"); err != nil {
		return history.Execution{}, err
	}
	if err := s.Store.Flush(ctx); err != nil {
		return history.Execution{}, err
	}
	x, err := s.Store.Execution(ctx, *arn)
	if errors.Is(err, history.ErrNotFound) {
		return x, &Error{"ExecutionDoesNotExist", fmt.Sprintf("Execution Does Not Exist: '%s'", *arn)}
	}
	return x, err
}

type stopInput struct {
	executionInput
	Error string `json:"error"`
	Cause string `json:"cause"`
}

type stopOutput struct {
	StopDate timestamp `json:"stopDate"`
}

func (s *Server) stopExecution(ctx context.Context, in stopInput) (stopOutput, error) {
	x, err := s.execution(ctx, in.ExecutionARN)
	if err != nil {
		return stopOutput{}, err
	}
	if x.MapRun != "" && !x.Ended() {
		return stopOutput{}, &Error{"ValidationException", "a child of a map run is stopped with its parent here"}
	}
	at, err := s.Executions.Stop(ctx, x.ARN, in.Error, in.Cause)
	var elsewhere *queue.ElsewhereError
	if errors.As(err, &elsewhere) {
		return stopOutput{}, &Error{"ValidationException", err.Error()}
	}
	return stopOutput{timestamp(at)}, err
}

type redriveOutput struct {
	RedriveDate timestamp `json:"redriveDate"`
}

func (s *Server) redriveExecution(ctx context.Context, in executionInput) (redriveOutput, error) {
	x, err := s.execution(ctx, in.ExecutionARN)
	if err != nil {
		return redriveOutput{}, err
	}
	status, reason := s.redriveStatus(x, time.Now())
	switch {
	case x.MapRun != "":
		reason = "a child of a map run is redriven with its parent"
	case status == "REDRIVABLE":
		if x, err = s.Executions.Redrive(ctx, x.ARN); !errors.Is(err, history.ErrConflict) {
			return redriveOutput{timestamp(x.Redriven)}, err
		}
		reason = "its status has changed meanwhile"
	}
	return redriveOutput{}, &Error{"ExecutionNotRedrivable", fmt.Sprintf("The RedriveExecution request cannot be completed: '%s', %s", x.ARN, reason)}
}

type listInput struct {
	page
	StateMachineARN *string `json:"stateMachineArn"`
	MapRunARN       *string `json:"mapRunArn"`
	StatusFilter    string  `json:"statusFilter"`
	RedriveFilter   string  `json:"redriveFilter"`
}

type listItem struct {
	ExecutionARN    string     `json:"executionArn"`
	StateMachineARN string     `json:"stateMachineArn"`
	Name            string     `json:"name"`
	Status          string     `json:"status"`
	StartDate       timestamp  `json:"startDate"`
	StopDate        *timestamp `json:"stopDate,omitempty"`
	MapRunARN       string     `json:"mapRunArn,omitempty"`
	ItemCount       *int       `json:"itemCount,omitempty"`
	RedriveCount    int        `json:"redriveCount"`
	RedriveDate     *timestamp `json:"redriveDate,omitempty"`
}

type listOutput struct {
	Executions []listItem `json:"executions"`
	NextToken  string     `json:"nextToken,omitempty"`
}

func (s *Server) listExecutions(ctx context.Context, in listInput) (listOutput, error) {
	var out listOutput
	f, err := s.filter(ctx, in)
	if err != nil {
		return out, err
	}
	position, err := in.position("ListExecutions")
	if err != nil {
		return out, err
	}
	f.Before = position
	f.Limit = in.size() + 1
	if err := s.Store.Flush(ctx); err != nil {
		return out, err
	}
	list, err := s.Store.List(ctx, f)
	if err != nil {
		return out, err
	}
	if len(list) == f.Limit {
		list = list[:f.Limit-1]
		out.NextToken = token("ListExecutions", list[len(list)-1].Sequence)
	}
	out.Executions = make([]listItem, len(list))
	for i, x := range list {
		out.Executions[i] = listItem{
			ExecutionARN: x.ARN, StateMachineARN: x.Machine, Name: x.Name, Status: string(x.Status), StartDate: timestamp(x.Started),
			StopDate: optional(x.Stopped), MapRunARN: x.MapRun, RedriveCount: x.Redrives, RedriveDate: optional(x.Redriven),
		}
		if x.MapRun != "" {
			one := 1 // the definition has no ItemBatcher
			out.Executions[i].ItemCount = &one
		}
	}
	return out, nil
}

// filter returns what a list is to hold.
func (s *Server) filter(ctx context.Context, in listInput) (f history.Filter, err error) {
	switch {
	case (in.StateMachineARN == nil) == (in.MapRunARN == nil):
		return f, &Error{"ValidationException", "Must provide a state machine ARN or a map run ARN, and not both"}
	case in.MapRunARN != nil:
		run, err := s.mapRun(ctx, in.MapRunARN)
		if err != nil {
			return f, err
		}
		f.MapRun = run.ARN
	default:
		if err := checkMachine(in.StateMachineARN); err != nil {
			return f, err
		}
	}
	switch f.Status = history.Status(in.StatusFilter); f.Status {
	case "", history.Running, history.Succeeded, history.Failed, history.TimedOut, history.Aborted, "PENDING_REDRIVE":
	default:
		return f, constraint("statusFilter", in.StatusFilter,
			"Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]")
	}
	redriven := in.RedriveFilter == "REDRIVEN"
	switch in.RedriveFilter {
	case "":
	case "REDRIVEN", "NOT_REDRIVEN":
		f.Redriven = &redriven
	default:
		return f, constraint("redriveFilter", in.RedriveFilter, "Member must satisfy enum value set: [REDRIVEN, NOT_REDRIVEN]")
	}
	return f, in.check()
}
