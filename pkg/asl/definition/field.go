package definition

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// The fields of $states.
const (
	inputField       = "input"
	resultField      = "result"
	errorOutputField = "errorOutput"
	contextField     = "context"
)

// contextFields are the supported parts of $states.context. Step Functions also has Task, for task
// tokens. Execution.RedriveTime exists only after a redrive, State.RetryCount only in a Task or
// Map.
var contextFields = map[string][]string{
	"Execution":    {"Id", "Input", "Name", "RedriveCount", "RedriveTime", "RoleArn", "StartTime"},
	"State":        {"EnteredTime", "Name", "RetryCount"},
	"StateMachine": {"Id", "Name"},
	"Map":          {"Item"},
}

// readable lists what the expressions of a field may read.
type readable struct {
	mapItem bool     // $states.context.Map exists
	fields  []string // of $states
}

func (r readable) has(field string) bool {
	for _, f := range r.fields {
		if f == field {
			return true
		}
	}
	return false
}

// template compiles a JSON value. It returns nil for nil, and for a value with a problem, which it
// reports.
func (l *loader) template(n *node, r readable) *Template {
	if n == nil {
		return nil
	}
	t := &Template{path: n.path, kind: n.kind}
	switch n.kind {
	case nullNode:
		t.constant = json.RawMessage("null")
	case boolNode:
		t.constant = strconv.AppendBool(nil, n.truth)
	case numberNode:
		t.constant = json.RawMessage(n.text)
	case stringNode:
		source, isExpression, malformed := expressionSource(n.text)
		switch {
		case malformed:
			l.reportf(n, "an expression begins with {%% and ends with %%}, with nothing around them")
			return nil
		case isExpression:
			return l.expression(t, source, r)
		}
		t.constant, _ = jsonata.Encode(n.text) // a string always encodes
	case arrayNode, objectNode:
		t.keys = n.keys
		constant, complete := true, true
		for _, v := range n.values {
			p := l.template(v, r)
			if p == nil {
				complete = false
				continue
			}
			constant = constant && p.constant != nil
			t.parts = append(t.parts, p)
		}
		if !complete {
			return nil
		}
		if constant {
			t.constant = joinConstants(t)
		}
	}
	return t
}

// expressionSource returns the text between {% and %}. isExpression is false for an ordinary
// string. A string with only one of the marks is malformed, as in Step Functions.
func expressionSource(s string) (source string, isExpression, malformed bool) {
	opens, closes := strings.HasPrefix(s, "{%"), strings.HasSuffix(s, "%}")
	if opens && closes && len(s) >= 4 {
		return strings.TrimSpace(s[2 : len(s)-2]), true, false
	}
	return "", false, opens || closes
}

func (l *loader) expression(t *Template, source string, r readable) *Template {
	compiled, problems := jsonata.Compile(source)
	for _, p := range problems {
		l.report(t.path, p)
	}
	if compiled == nil {
		return nil
	}
	e := &Expression{Path: t.path, Expression: compiled}
	for _, path := range compiled.States {
		l.statesPath(e, path, r)
	}
	t.expr = e
	l.expressions[l.state] = append(l.expressions[l.state], e)
	l.description.Expressions = append(l.description.Expressions, ExpressionText{Path: t.path, Source: source})
	return t
}

// statesPath records which field of $states an expression reads, and checks that the field exists.
func (l *loader) statesPath(e *Expression, path []string, r readable) {
	if len(path) == 0 { // $states as a whole, or a computed field
		e.Input, e.Context = true, true
		e.Result, e.ErrorOutput = r.has(resultField), r.has(errorOutputField)
		return
	}
	switch path[0] {
	case inputField, contextField, resultField, errorOutputField:
		if !r.has(path[0]) {
			l.report(e.Path, "$states."+path[0]+" does not exist in this field")
			return
		}
	default:
		l.report(e.Path, "$states."+path[0]+" does not exist; $states has input, result, errorOutput and context")
		return
	}
	e.Input = e.Input || path[0] == inputField
	e.Result = e.Result || path[0] == resultField
	e.ErrorOutput = e.ErrorOutput || path[0] == errorOutputField
	if path[0] == contextField {
		e.Context = true
		l.contextPath(e, path[1:], r)
	}
}

func (l *loader) contextPath(e *Expression, path []string, r readable) {
	if len(path) == 0 {
		return
	}
	fields, known := contextFields[path[0]]
	switch {
	case !known:
		l.report(e.Path, "$states.context."+path[0]+" is not supported")
		return
	case path[0] == "Map" && !r.mapItem:
		l.report(e.Path, "$states.context.Map exists only in an ItemSelector and in the states of an INLINE Map")
		return
	case len(path) == 1:
		return
	}
	for _, f := range fields {
		if f == path[1] {
			if path[0] == "Map" && len(path) > 2 && path[2] != "Index" && path[2] != "Value" {
				l.report(e.Path, "$states.context.Map.Item."+path[2]+" is not supported")
			}
			return
		}
	}
	l.report(e.Path, "$states.context."+path[0]+"."+path[1]+" is not supported")
}

// number reads a number. With r, it may be an expression that reads what r allows.
func (l *loader) number(parent *node, key string, b Bounds, r *readable) *Number {
	n := parent.get(key)
	if n == nil {
		return nil
	}
	num := &Number{Bounds: b}
	switch n.kind {
	case numberNode:
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil || !b.contain(f) {
			l.reportf(n, "must be %v, not %s", b, n.text)
			return nil
		}
		num.value = f
		return num
	case stringNode:
		if r != nil {
			if num.expr = l.template(n, *r); num.expr != nil && num.expr.expr != nil {
				return num
			}
			if num.expr == nil {
				return nil // already reported
			}
		}
	}
	if r != nil {
		l.reportf(n, "must be %v or an expression", b)
	} else {
		l.reportf(n, "must be %v", b)
	}
	return nil
}

// textTemplate reads a string that may be an expression.
func (l *loader) textTemplate(parent *node, key string, r readable) *Template {
	n := parent.get(key)
	if n == nil {
		return nil
	}
	if n.kind != stringNode {
		l.reportf(n, "must be a string, not %s", n.kind)
		return nil
	}
	return l.template(n, r)
}

func (l *loader) assignment(n *node, r readable) *Assignment {
	if n == nil {
		return nil
	}
	if n.kind != objectNode {
		l.reportf(n, "must be an object, not %s", n.kind)
		return nil
	}
	a := &Assignment{Path: n.path}
	for i, name := range n.keys {
		switch {
		case name == "states":
			l.reportf(n.values[i], "states is reserved and cannot be assigned")
		case !isVariableName(name):
			l.reportf(n.values[i], "%q is not a variable name: a letter, then letters, digits and underscores, at most 80", name)
		}
		a.Names = append(a.Names, name)
		a.values = append(a.values, l.template(n.values[i], r))
	}
	return a
}

func isVariableName(s string) bool {
	for i, r := range s {
		if unicode.IsLetter(r) || r == '_' {
			continue
		}
		if i == 0 || !unicode.In(r, unicode.Nd, unicode.Mn, unicode.Mc, unicode.Pc) {
			return false
		}
	}
	return s != "" && utf8.RuneCountInString(s) <= 80
}

// joinConstants returns the JSON text of an array or object whose parts are constant.
func joinConstants(t *Template) json.RawMessage {
	parts := make([]json.RawMessage, len(t.parts))
	for i, p := range t.parts {
		parts[i] = p.constant
	}
	if t.kind == arrayNode {
		return jsonata.JoinArray(parts)
	}
	b := []byte{'{'}
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		key, _ := jsonata.Encode(t.keys[i]) // a string always encodes
		b = append(append(append(b, key...), ':'), p...)
	}
	return append(b, '}')
}
