package definition

import (
	"slices"
	"strings"
	"time"
)

// readState reads a state of any type.
func (l *loader) readState(n *node, name string, p surroundings) *State {
	outerDescription, outerState := l.description, l.state
	defer func() { l.description, l.state = outerDescription, outerState }()
	st := &State{Path: n.path, Name: name}
	d := &Description{Path: n.path, Name: name}
	l.description, l.state = d, st
	l.descriptions = append(l.descriptions, d)
	if n.kind != objectNode {
		l.reportf(n, "must be an object, not %s", n.kind)
		return st
	}
	kind := l.text(n, "Type", true)
	if kind == "" {
		return st
	}
	if l.language(n, p.language) != queryJSONata {
		at := n
		if q := n.get("QueryLanguage"); q != nil {
			at = q
		}
		l.reportf(at, "JSONPath is not supported; set QueryLanguage to JSONata, best for the whole machine")
		return st
	}
	d.Type = kind
	if !l.typeFields(st, n, kind, p) {
		return st
	}
	st.Type = kind
	if c := n.get("Comment"); c != nil {
		st.Comment, d.Comment = c.text, c.text
	}
	after := readable{p.inInlineMap, []string{inputField, contextField}} // by Output and Assign
	switch kind {
	case "Task", "Parallel", "Map":
		after.fields = append(after.fields, resultField)
		l.failures(st, n, p)
	}
	switch kind {
	case "Task", "Parallel", "Map", "Pass", "Wait":
		l.next(st, n)
	}
	if kind != "Fail" {
		st.Output, st.Assign = l.template(n.get("Output"), after), l.assignment(n.get("Assign"), after)
	}
	for _, e := range st.edges() {
		if !slices.Contains(d.Next, e.next) {
			d.Next = append(d.Next, e.next)
		}
	}
	return st
}

// typeFields reads the fields that only the state's type has. It reports false for an unknown type.
func (l *loader) typeFields(st *State, n *node, kind string, p surroundings) bool {
	before := readable{p.inInlineMap, []string{inputField, contextField}}
	common := []string{"Type", "Comment", "QueryLanguage"}
	flow := []string{"Next", "End", "Assign", "Output"}
	failing := []string{"Retry", "Catch"}
	switch kind {
	case "Task":
		l.fields(n, slices.Concat(common, flow, failing, []string{
			"Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds", "Credentials",
		})...)
		l.task(st, n, before)
	case "Pass":
		l.fields(n, slices.Concat(common, flow)...)
	case "Wait":
		l.fields(n, slices.Concat(common, flow, []string{"Seconds", "Timestamp"})...)
		l.wait(st, n, before)
	case "Choice":
		l.fields(n, slices.Concat(common, []string{"Choices", "Default", "Assign", "Output"})...)
		l.choice(st, n, before)
	case "Succeed":
		l.fields(n, slices.Concat(common, []string{"Output"})...)
	case "Fail":
		l.fields(n, slices.Concat(common, []string{"Error", "Cause"})...)
		st.ErrorName, st.Cause = l.textTemplate(n, "Error", before), l.textTemplate(n, "Cause", before)
	case "Parallel":
		l.fields(n, slices.Concat(common, flow, failing, []string{"Branches", "Arguments"})...)
		l.parallel(st, n, p, before)
	case "Map":
		l.fields(n, slices.Concat(common, flow, failing, []string{
			"ItemProcessor", "Items", "ItemReader", "ItemBatcher", "ItemSelector", "MaxConcurrency",
			"ToleratedFailurePercentage", "ToleratedFailureCount", "Label",
		})...)
		l.mapState(st, n, p, before)
	default:
		l.reportf(n.get("Type"), "unknown state type %q", kind)
		return false
	}
	return true
}

func (l *loader) next(st *State, n *node) {
	next, end := n.get("Next"), n.get("End")
	switch {
	case next == nil && end == nil:
		l.reportf(n, "needs Next or End")
	case next != nil && end != nil:
		l.reportf(end, "a state has Next or End, not both")
	case next != nil:
		st.Next = l.text(n, "Next", true)
	case end.kind != boolNode || !end.truth:
		l.reportf(end, "must be true")
	}
}

func (l *loader) wait(st *State, n *node, before readable) {
	if (n.get("Seconds") == nil) == (n.get("Timestamp") == nil) {
		l.reportf(n, "a Wait has either Seconds or Timestamp")
		return
	}
	st.Seconds = l.number(n, "Seconds", Bounds{0, MaxSeconds, true}, &before)
	st.Timestamp = l.textTemplate(n, "Timestamp", before)
	if t := st.Timestamp; t != nil && t.constant != nil {
		if _, err := time.Parse(time.RFC3339, n.get("Timestamp").text); err != nil {
			l.reportf(n.get("Timestamp"), "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
		}
	}
}

func (l *loader) choice(st *State, n *node, before readable) {
	for _, c := range l.list(n, "Choices") {
		if !l.fields(c, "Condition", "Next", "Assign", "Output", "Comment") {
			continue
		}
		r := Rule{Next: l.text(c, "Next", true)}
		switch cond := c.get("Condition"); {
		case cond == nil:
			l.reportf(c, "Condition is missing")
		case cond.kind == boolNode:
			r.Condition = l.template(cond, before)
		case cond.kind != stringNode || !strings.HasPrefix(cond.text, "{%"):
			l.reportf(cond, "must be an expression or a boolean")
		default:
			r.Condition = l.template(cond, before)
		}
		r.Output, r.Assign = l.template(c.get("Output"), before), l.assignment(c.get("Assign"), before)
		st.Rules = append(st.Rules, r)
	}
	if n.get("Default") != nil {
		st.Default = l.text(n, "Default", true)
	}
}

func (l *loader) parallel(st *State, n *node, p surroundings, before readable) {
	st.Arguments = l.template(n.get("Arguments"), before)
	for _, b := range l.list(n, "Branches") {
		if l.fields(b, "StartAt", "States", "Comment") {
			st.Branches = append(st.Branches, l.scope(b, p))
		}
	}
}
