// Package definition parses state machine definitions written in Amazon States Language and checks
// them.
//
// A machine is a loaded definition. Its states form scopes: the machine itself, each branch of a
// Parallel and the processor of each Map is one. A template is a JSON value of the definition whose
// strings may be expressions.
//
//	m, err := definition.Load(text) // err lists every problem with its JSON Pointer
//
// Load accepts what Step Functions accepts, as far as package asl can execute it. It refuses the
// rest, which therefore never fails at run time: JSONPath, ResultWriter, readers other than
// s3:getObject of a JSON array, task tokens, activities and $eval.
package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Machine is a valid definition with every expression compiled. It is safe for concurrent use.
type Machine struct {
	Root           *Scope
	TimeoutSeconds int           // 0 is none
	States         []Description // an outer state before its inner ones
	Warnings       []Problem     // what Step Functions accepts but is probably a mistake
}

// Problem is one defect of a definition.
type Problem struct {
	Path    string // JSON Pointer (RFC 6901) into the definition; "" is the whole
	Message string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// LoadError lists every problem of a definition, ordered by path.
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

// Description describes a state, for tools that check or draw definitions.
type Description struct {
	Path        string // JSON Pointer to the state, such as "/States/Encode"
	Name        string
	Type        string // "Task", "Map", …
	Comment     string
	Resource    string           // of a Task; else ""
	Distributed bool             // a Map in DISTRIBUTED mode
	Next        []string         // states that may follow, without repetition, in the order of the definition
	Retry       []ErrorNames     // one list for each retrier, in order
	Catch       []ErrorNames     // one list for each catcher, in order
	Expressions []ExpressionText // in the order of the definition
}

// ErrorNames is the ErrorEquals list of a retrier or catcher.
type ErrorNames struct {
	Path  string // JSON Pointer to the list
	Names []string
}

// ExpressionText is a JSONata expression of the definition, without its {% %}.
type ExpressionText struct {
	Path   string // JSON Pointer to the string that contains it
	Source string
}

// Scope is a list of states with a start: a machine, a branch, or the processor of a Map.
type Scope struct {
	Path   string
	Start  string
	States map[string]*State
	Order  []*State // as written
}

// State is a compiled state. Fields that its type does not have are zero.
type State struct {
	Path, Name, Type, Comment string
	Next                      string // "" ends the scope

	Output *Template // nil: the default of the state's type
	Assign *Assignment

	Resource    string    // Task
	Arguments   *Template // Task, Parallel; nil: the input
	Timeout     *Number   // Task
	Heartbeat   *Number   // Task
	Credentials *Template // Task: the RoleArn
	Retry       []Retrier // Task, Parallel, Map
	Catch       []Catcher // Task, Parallel, Map

	Rules   []Rule // Choice
	Default string // Choice; "" is none

	Seconds   *Number   // Wait
	Timestamp *Template // Wait

	ErrorName, Cause *Template // Fail

	Branches []*Scope // Parallel
	Map      *Map     // Map
}

// Rule is an entry of a Choice state's Choices.
type Rule struct {
	Condition *Template
	Next      string
	Output    *Template
	Assign    *Assignment
}

// Retrier is an entry of a Retry field.
type Retrier struct {
	Errors     ErrorNames
	Interval   float64 // seconds
	Attempts   int     // retries after the first attempt
	Backoff    float64
	MaxDelay   float64 // seconds; 0 is none
	FullJitter bool    // JitterStrategy FULL
}

// Catcher is an entry of a Catch field.
type Catcher struct {
	Errors ErrorNames
	Next   string
	Output *Template
	Assign *Assignment
}

// Map holds the fields of a Map state.
type Map struct {
	Processor      *Scope
	Distributed    bool
	Label          string // of a DISTRIBUTED Map; derived from the state's name where the definition has none
	Items          *Template
	Reader         *ItemReader
	Batcher        *ItemBatcher
	Selector       *Template
	MaxConcurrency *Number

	// A DISTRIBUTED Map tolerates failed items up to either limit. An INLINE Map ignores them, as
	// in Step Functions.
	ToleratedFailureCount      *Number
	ToleratedFailurePercentage *Number
}

// ItemReader reads the items of a DISTRIBUTED Map from a JSON array in S3.
type ItemReader struct {
	Resource  string
	Arguments *Template
	MaxItems  *Number
}

// ItemBatcher groups the items of a DISTRIBUTED Map, so that a child execution processes several.
type ItemBatcher struct {
	MaxItems *Number // MaxItemsPerBatch
	MaxBytes *Number // MaxInputBytesPerBatch
	Input    *Template
}

// HasReader reports whether a Map of s or within s has an ItemReader.
func (s *Scope) HasReader() bool {
	for _, st := range s.Order {
		for _, b := range st.Branches {
			if b.HasReader() {
				return true
			}
		}
		if m := st.Map; m != nil && (m.Reader != nil || m.Processor.HasReader()) {
			return true
		}
	}
	return false
}

func sortProblems(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(ps)
}
