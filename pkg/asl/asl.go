// Package asl interprets state machines written in Amazon States Language with JSONata as their query language.
//
// A machine is a loaded definition. An execution is one run of it over an input. A state is a step; states of one list
// form a scope, and the branches of a Parallel and the processor of a Map are scopes of their own. A task is a function
// of the caller that does the work of Task states with a given resource. An event tells what happened, by the names
// that Step Functions uses in its history.
//
//	m, err := asl.Load(definition)
//	output, err := m.Run(ctx, asl.Execution{Input: input, Tasks: map[string]asl.Task{"arn:aws:lambda:…": encode}})
//
// The package follows Step Functions closely enough that a definition behaves the same in both: retries, catchers,
// scopes of variables, and the limit of 256 KiB on payloads. What it cannot do it refuses in Load, never at run time:
// JSONPath, ItemBatcher, ResultWriter, heartbeats, task tokens, credentials and $eval.
package asl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Machine is a definition that was found sound, with every expression compiled. It may run any number of executions at
// the same time.
type Machine struct {
	root    *scope
	timeout int // seconds; 0 is none
	states  []State
}

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Path    string // JSON Pointer (RFC 6901) to the place in the definition; "" is the whole
	Message string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// LoadError lists everything that is wrong with a definition, in the order of the paths.
type LoadError struct {
	Problems []Problem // never empty
}

func (e *LoadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "state machine definition has %d problem(s)", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// State describes one state of a loaded machine, for tools that check or draw definitions.
type State struct {
	Path        string // JSON Pointer to the state, as "/States/Encode"
	Name        string
	Type        string // "Task", "Map", …
	Comment     string
	Resource    string       // of a Task; else ""
	Distributed bool         // a Map in DISTRIBUTED mode
	Next        []string     // states that may follow, without repetition, in the order of the definition
	Retry       []ErrorNames // a list for each retrier, in order
	Catch       []ErrorNames // a list for each catcher, in order
	Expressions []Expression
}

// ErrorNames is the ErrorEquals list of a retrier or catcher.
type ErrorNames struct {
	Path  string // JSON Pointer to the list
	Names []string
}

// Expression is a JSONata expression in the definition, without its {% %}.
type Expression struct {
	Path   string // JSON Pointer to the string that holds it
	Source string
}

// States returns every state of the machine, those of branches and processors included, an outer state before its
// inner ones. The caller must not change what it gets.
func (m *Machine) States() []State { return m.states }

// Resources returns the resource of every Task state, sorted and without repetition. Execution.Tasks needs each.
func (m *Machine) Resources() []string {
	var rs []string
	for _, s := range m.states {
		if s.Resource != "" {
			rs = append(rs, s.Resource)
		}
	}
	slices.Sort(rs)
	return slices.Compact(rs)
}

// scope is a list of states with a start: a machine, a branch, or the processor of a Map.
type scope struct {
	path   string
	start  string
	states map[string]*state
	order  []*state // as written
}

// state is a state in its compiled form. Fields that its type does not have are zero.
type state struct {
	path, name, kind, comment string
	next                      string // "" ends the scope

	output *template // nil: the state's default
	assign *assignment

	resource  string    // Task
	arguments *template // Task, Parallel; nil: the input
	timeout   *number   // Task
	retry     []retrier // Task, Parallel, Map
	catch     []catcher // Task, Parallel, Map

	choices  []rule // Choice
	fallback string // Choice; "" is none

	seconds   *number   // Wait
	timestamp *template // Wait

	errorName, cause *template // Fail

	branches []*scope // Parallel
	mapping  *mapping // Map
}

type rule struct {
	condition *template
	next      string
	output    *template
	assign    *assignment
}

type catcher struct {
	errors ErrorNames
	next   string
	output *template
	assign *assignment
}

type mapping struct {
	processor      *scope
	distributed    bool
	label          string
	items          *template
	reader         *itemReader
	selector       *template
	maxConcurrency *number
	tolerateCount  *number
	toleratePct    *number
}

type itemReader struct {
	resource  string
	arguments *template
	maxItems  *number
}

func sortProblems(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(ps)
}
