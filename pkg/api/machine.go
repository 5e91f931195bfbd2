package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/history"
)

// standard is the type of the state machine.
const standard = "STANDARD"

type machineItem struct {
	StateMachineARN string    `json:"stateMachineArn"`
	Name            string    `json:"name"`
	Type            string    `json:"type"`
	CreationDate    timestamp `json:"creationDate"`
}

type listMachinesOutput struct {
	StateMachines []machineItem `json:"stateMachines"`
}

func (s *Server) listStateMachines(_ context.Context, in page) (listMachinesOutput, error) {
	if _, err := in.position("ListStateMachines"); err != nil {
		return listMachinesOutput{}, err
	}
	one := machineItem{history.MachineARN, history.MachineName, standard, timestamp(s.Store.Created())}
	return listMachinesOutput{[]machineItem{one}}, in.check()
}

type describeMachineInput struct {
	dataInput
	StateMachineARN *string `json:"stateMachineArn"`
}

// configuration is what every description of a state machine has.
type configuration struct {
	StateMachineARN string `json:"stateMachineArn"`
	Name            string `json:"name"`
	Definition      string `json:"definition"`
	RoleARN         string `json:"roleArn"`
	Logging         struct {
		Level                string `json:"level"`
		IncludeExecutionData bool   `json:"includeExecutionData"`
	} `json:"loggingConfiguration"`
	Tracing struct {
		Enabled bool `json:"enabled"`
	} `json:"tracingConfiguration"`
}

func (s *Server) configuration(in dataInput) (c configuration) {
	c.StateMachineARN, c.Name, c.RoleARN = history.MachineARN, history.MachineName, history.RoleARN
	c.Logging.Level = "OFF"
	if in.IncludedData != metadataOnly {
		c.Definition = string(s.Definition)
	}
	return c
}

type describeMachineOutput struct {
	configuration
	Status       string    `json:"status"`
	Type         string    `json:"type"`
	CreationDate timestamp `json:"creationDate"`
}

func (s *Server) describeStateMachine(_ context.Context, in describeMachineInput) (describeMachineOutput, error) {
	return describeMachineOutput{s.configuration(in.dataInput), "ACTIVE", standard, timestamp(s.Store.Created())}, checkMachine(in.StateMachineARN)
}

type describeForExecutionOutput struct {
	configuration
	UpdateDate timestamp `json:"updateDate"`
	MapRunARN  string    `json:"mapRunArn,omitempty"`
	Label      string    `json:"label,omitempty"`
}

func (s *Server) describeStateMachineForExecution(ctx context.Context, in describeInput) (describeForExecutionOutput, error) {
	x, err := s.execution(ctx, in.ExecutionARN)
	if err != nil {
		return describeForExecutionOutput{}, err
	}
	out := describeForExecutionOutput{configuration: s.configuration(in.dataInput), UpdateDate: timestamp(s.Store.Created()), MapRunARN: x.MapRun}
	if x.MapRun != "" {
		out.StateMachineARN = x.Machine
		_, out.Label, _ = strings.Cut(x.Machine, "/")
	}
	return out, nil
}

type validateInput struct {
	Definition *string `json:"definition"`
	Type       string  `json:"type"`
	Severity   string  `json:"severity"`
	MaxResults int     `json:"maxResults"`
}

type diagnostic struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Location string `json:"location,omitempty"`
}

type validateOutput struct {
	Result      string       `json:"result"`
	Diagnostics []diagnostic `json:"diagnostics"`
	Truncated   bool         `json:"truncated"`
}

// maxDiagnostics is the limit of diagnostics in one answer.
const maxDiagnostics = 100

func (s *Server) validateStateMachineDefinition(_ context.Context, in validateInput) (validateOutput, error) {
	out := validateOutput{Result: "OK", Diagnostics: []diagnostic{}}
	switch {
	case in.Definition == nil || *in.Definition == "":
		return out, constraint("definition", "null", "Member must not be null")
	case in.Type != "" && in.Type != standard && in.Type != "EXPRESS":
		return out, constraint("type", in.Type, "Member must satisfy enum value set: [STANDARD, EXPRESS]")
	case in.Severity != "" && in.Severity != "ERROR" && in.Severity != "WARNING":
		return out, constraint("severity", in.Severity, "Member must satisfy enum value set: [ERROR, WARNING]")
	case in.MaxResults < 0 || in.MaxResults > maxDiagnostics:
		return out, constraint("maxResults", fmt.Sprint(in.MaxResults), "Member must have value between 0 and 100")
	}
	add := func(severity, code string, problems []asl.Problem) {
		for _, p := range problems {
			out.Diagnostics = append(out.Diagnostics, diagnostic{severity, code, p.Message, p.Path})
		}
	}
	machine, err := asl.Load([]byte(*in.Definition))
	var problems *asl.LoadError
	switch {
	case err != nil && !json.Valid([]byte(*in.Definition)):
		out.Result = "FAIL"
		out.Diagnostics = append(out.Diagnostics, diagnostic{"ERROR", "INVALID_JSON_DESCRIPTION", err.Error(), ""})
	case err == nil && in.Severity == "WARNING":
		add("WARNING", "POSSIBLE_MISTAKE", machine.Warnings())
	case errors.As(err, &problems):
		out.Result = "FAIL"
		add("ERROR", "SCHEMA_VALIDATION_FAILED", problems.Problems)
	case err != nil:
		return out, err
	}
	limit := in.MaxResults
	if limit == 0 {
		limit = maxDiagnostics
	}
	if len(out.Diagnostics) > limit {
		out.Diagnostics, out.Truncated = out.Diagnostics[:limit], true
	}
	return out, nil
}

type tagsInput struct {
	ResourceARN *string `json:"resourceArn"`
}

type tagsOutput struct {
	Tags []struct{} `json:"tags"`
}

func (s *Server) listTagsForResource(_ context.Context, in tagsInput) (tagsOutput, error) {
	out := tagsOutput{[]struct{}{}} // nothing sets tags
	if err := checkARN("resourceArn", in.ResourceARN, "stateMachine"); err != nil {
		return out, err
	}
	if *in.ResourceARN != history.MachineARN {
		return out, &Error{"ResourceNotFound", fmt.Sprintf("Resource not found: '%s'", *in.ResourceARN)}
	}
	return out, nil
}
