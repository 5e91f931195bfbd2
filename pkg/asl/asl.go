// Package asl executes state machines written in Amazon States Language with JSONata as their query
// language.
//
// A machine is a loaded definition. An execution is one run of it on an input. A state is a step;
// the states of one list form a scope, and each branch of a Parallel and the processor of each Map
// is a scope of its own. A task is a function that does the work of Task states with a given
// resource. An event is an entry of an execution's history, by the names that Step Functions uses.
//
//	m, err := asl.Load(definition)
//	output, err := m.Run(ctx, asl.Execution{Input: input, Tasks: map[string]asl.Task{
//		"arn:aws:states:::lambda:invoke": asl.LambdaInvoke(invoke),
//	}})
//
// The package follows Step Functions closely enough that a definition behaves the same in both:
// retries, catchers, scopes of variables, child executions of a DISTRIBUTED Map, and the limit of
// 256 KiB on payloads. Load refuses what the package cannot execute; see package definition.
//
// It differs from Step Functions in these known points. HeartbeatSeconds is recorded but never
// times a task out, because only task tokens and activities, which are not supported, send
// heartbeats. Children of a DISTRIBUTED Map with ExecutionType EXPRESS run like STANDARD ones. The
// texts of causes differ.
package asl

import (
	"slices"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

// Machine is a loaded definition. It may run any number of executions at the same time.
type Machine struct{ definition *definition.Machine }

// Problem is one defect of a definition.
type Problem = definition.Problem

// LoadError lists every problem of a definition, ordered by path.
type LoadError = definition.LoadError

// State describes a state, for tools that check or draw definitions.
type State = definition.Description

// ErrorNames is the ErrorEquals list of a retrier or catcher.
type ErrorNames = definition.ErrorNames

// Expression is a JSONata expression of the definition, without its {% %}.
type Expression = definition.ExpressionText

// The error names of Step Functions that an execution can fail with, or that a retrier or catcher
// may name.
const (
	StatesAll                             = definition.StatesAll
	StatesDataLimitExceeded               = definition.StatesDataLimitExceeded
	StatesExceedToleratedFailureThreshold = definition.StatesExceedToleratedFailureThreshold
	StatesItemReaderFailed                = definition.StatesItemReaderFailed
	StatesNoChoiceMatched                 = definition.StatesNoChoiceMatched
	StatesQueryEvaluationError            = definition.StatesQueryEvaluationError
	StatesRuntime                         = definition.StatesRuntime
	StatesTaskFailed                      = definition.StatesTaskFailed
	StatesTimeout                         = definition.StatesTimeout
)

// Load parses and checks a definition and compiles its expressions. If anything is wrong it returns
// a *LoadError that lists all problems.
func Load(text []byte) (*Machine, error) {
	m, err := definition.Load(text)
	if err != nil {
		return nil, err
	}
	return &Machine{m}, nil
}

// States describes every state of the machine, including those of branches and processors, an outer
// state before its inner ones. The caller must not change the result.
func (m *Machine) States() []State { return m.definition.States }

// Warnings lists what Step Functions accepts but is probably a mistake, such as a variable that no
// state assigns.
func (m *Machine) Warnings() []Problem { return m.definition.Warnings }

// Resources returns the resource of every Task state, sorted and without repetition.
// Execution.Tasks needs each.
func (m *Machine) Resources() []string {
	var rs []string
	for _, s := range m.States() {
		if s.Resource != "" {
			rs = append(rs, s.Resource)
		}
	}
	slices.Sort(rs)
	return slices.Compact(rs)
}
