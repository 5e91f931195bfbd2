package definition

import (
	"fmt"
	"slices"
	"strings"
)

// Load parses and checks a definition and compiles its expressions. If anything is wrong it returns
// a *LoadError that lists all problems. A definition that loads can fail later only for reasons
// that depend on data.
func Load(text []byte) (*Machine, error) {
	l := &loader{names: map[string]string{}, labels: map[string]string{}, expressions: map[*State][]*Expression{}}
	m := &Machine{}
	if tree, ok := parseTree(text, l.report); ok {
		l.machine(m, tree)
	}
	if len(l.problems) > 0 {
		return nil, &LoadError{Problems: sortProblems(l.problems)}
	}
	for _, d := range l.descriptions {
		m.States = append(m.States, *d)
	}
	m.Warnings = sortProblems(l.warnings)
	return m, nil
}

type loader struct {
	problems, warnings []Problem

	descriptions []*Description
	names        map[string]string // state name → path of the first state that has it
	labels       map[string]string // Map label → path of the first Map that has it
	expressions  map[*State][]*Expression

	description *Description // of the state being read
	state       *State       // the state being read
}

func (l *loader) report(path, message string) {
	l.problems = append(l.problems, Problem{Path: path, Message: message})
}

func (l *loader) reportf(n *node, format string, args ...any) {
	l.report(n.path, fmt.Sprintf(format, args...))
}

func (l *loader) warn(path, message string) {
	l.warnings = append(l.warnings, Problem{Path: path, Message: message})
}

// jsonPathFields belong to the other query language.
var jsonPathFields = []string{
	"InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "Result", "ItemsPath", "MaxConcurrencyPath",
	"TimeoutSecondsPath", "HeartbeatSecondsPath", "SecondsPath", "TimestampPath", "ErrorPath", "CausePath", "Variable",
	"ToleratedFailurePercentagePath", "ToleratedFailureCountPath", "MaxItemsPath", "MaxItemsPerBatchPath",
	"MaxInputBytesPerBatchPath", "RoleArn.$", "Iterator",
}

// unsupportedFields exist in Step Functions but not here.
var unsupportedFields = []string{
	"ResultWriter", "ItemsPointer", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "Transformation", "ManifestType",
	"ExpectedBucketOwner", "VersionId",
}

// fields checks that n is an object without fields other than those allowed. A Comment must be a
// string.
func (l *loader) fields(n *node, allowed ...string) bool {
	if n.kind != objectNode {
		l.reportf(n, "must be an object, not %s", n.kind)
		return false
	}
	for i, k := range n.keys {
		switch {
		case slices.Contains(allowed, k):
		case slices.Contains(jsonPathFields, k):
			l.reportf(n.values[i], "%s is a field of JSONPath; only JSONata is supported", k)
		case slices.Contains(unsupportedFields, k):
			l.reportf(n.values[i], "%s is not supported", k)
		default:
			l.reportf(n.values[i], "unknown field %s", k)
		}
	}
	if c := n.get("Comment"); c != nil && c.kind != stringNode {
		l.reportf(c, "must be a string, not %s", c.kind)
	}
	return true
}

// text reads a constant string. A required one must be present and not empty.
func (l *loader) text(parent *node, key string, required bool) string {
	n := parent.get(key)
	switch {
	case n == nil:
		if required {
			l.reportf(parent, "%s is missing", key)
		}
	case n.kind != stringNode:
		l.reportf(n, "must be a string, not %s", n.kind)
	case required && n.text == "":
		l.reportf(n, "must not be empty")
	case strings.HasPrefix(n.text, "{%"):
		l.reportf(n, "must be constant; an expression is not allowed here")
	default:
		return n.text
	}
	return ""
}

// list reads an array that must not be empty.
func (l *loader) list(parent *node, key string) []*node {
	n := parent.get(key)
	if n == nil {
		l.reportf(parent, "%s is missing", key)
		return nil
	}
	values := l.optionalList(parent, key)
	if n.kind == arrayNode && len(values) == 0 {
		l.reportf(n, "must not be empty")
	}
	return values
}

// optionalList reads an array that may be empty or absent.
func (l *loader) optionalList(parent *node, key string) []*node {
	n := parent.get(key)
	if n == nil {
		return nil
	}
	if n.kind != arrayNode {
		l.reportf(n, "must be an array, not %s", n.kind)
		return nil
	}
	return n.values
}

func (l *loader) machine(m *Machine, n *node) {
	if !l.fields(n, "Comment", "StartAt", "States", "QueryLanguage", "TimeoutSeconds", "Version") {
		return
	}
	if v := l.text(n, "Version", false); v != "" && v != "1.0" {
		l.reportf(n.get("Version"), "unknown version %q; 1.0 is the only one", v)
	}
	if t := l.number(n, "TimeoutSeconds", Bounds{1, MaxSeconds, true}, nil); t != nil {
		m.TimeoutSeconds = int(t.value)
	}
	m.Root = l.scope(n, surroundings{language: l.language(n, queryJSONPath)})
	if len(l.problems) == 0 { // with states missing, an analysis of the flow has no meaning
		l.variables(m.Root, variableScope{})
	}
}

// surroundings is what a state inherits from the scopes around it.
type surroundings struct {
	language    string // the default query language
	inInlineMap bool   // within an INLINE Map, where $states.context.Map exists
}

const (
	queryJSONata  = "JSONata"
	queryJSONPath = "JSONPath" // the default of Step Functions
)

// language returns the query language of a machine or state.
func (l *loader) language(n *node, inherited string) string {
	q := n.get("QueryLanguage")
	if q == nil {
		return inherited
	}
	switch s := l.text(n, "QueryLanguage", true); s {
	case queryJSONata, queryJSONPath:
		return s
	case "":
	default:
		l.reportf(q, "unknown query language %q", s)
	}
	return queryJSONata // an invalid one is reported once
}
