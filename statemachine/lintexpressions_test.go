package statemachine

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/recolabs/gnata"
)

var (
	quoted    = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	variable  = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_]+)*)(\()?`)
	functions = []string{"count", "exists", "lookup", "merge", "replace", "string", "substring"} // that the definition calls
)

// expressions checks every JSONata expression in v, of a state with this input; nil is a request.
// allowed are the parts of $states that exist there besides input and context.
func (l *linter) expressions(at string, v any, input reflect.Type, allowed ...string) {
	walkStrings(at, v, func(at, text string) {
		source, ok := expression(text)
		if !ok {
			if strings.Contains(text, "{%") || strings.Contains(text, "%}") {
				l.say(at, "half an expression: %s", text)
			}
			return
		}
		if _, err := gnata.Compile(source); err != nil {
			l.say(at, "%v", err)
			return
		}
		for _, m := range variable.FindAllStringSubmatch(quoted.ReplaceAllString(source, "''"), -1) {
			name, rest, call := m[1], strings.TrimPrefix(m[2], "."), m[3] != ""
			switch {
			case call && rest == "":
				if !slices.Contains(functions, name) {
					l.say(at, "calls the unknown function $%s", name)
				}
			case name == "states":
				l.states(at, rest, input, allowed)
			default:
				l.say(at, "reads the variable $%s; the states of this machine pass everything in their input", name)
			}
		}
	})
}

// states checks a use of $states.rest.
func (l *linter) states(at, rest string, input reflect.Type, allowed []string) {
	part, field, _ := strings.Cut(rest, ".")
	switch {
	case part != "input" && part != "context" && !slices.Contains(allowed, part):
		l.say(at, "$states.%s does not exist here", part)
	case part == "result" && field != "Payload":
		l.say(at, "$states.%s is not what the function returned, which is $states.result.Payload", rest)
	case part == "input" && field != "" && (input == nil || !hasField(input, field)):
		l.say(at, "the input has no %s", field)
	}
}

// walkStrings calls visit with every string in v and its path.
func walkStrings(at string, v any, visit func(at, text string)) {
	switch v := v.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			walkStrings(at+"/"+name, v[name], visit)
		}
	case []any:
		for i, e := range v {
			walkStrings(fmt.Sprintf("%s/%d", at, i), e, visit)
		}
	case string:
		visit(at, v)
	}
}

// walkExpressions calls visit with the source of every JSONata expression in v and its path.
func walkExpressions(at string, v any, visit func(at, source string)) {
	walkStrings(at, v, func(at, text string) {
		if source, ok := expression(text); ok {
			visit(at, source)
		}
	})
}

// hasField reports whether t has the field that a path of JSON names leads to.
func hasField(t reflect.Type, path string) bool {
	if path == "" {
		return true
	}
	name, rest, _ := strings.Cut(path, ".")
	if t.Kind() != reflect.Struct {
		return false
	}
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return hasField(f.Type, rest)
		}
		if f.Anonymous && hasField(f.Type, path) {
			return true
		}
	}
	return false
}

func expression(s string) (string, bool) {
	s, ok1 := strings.CutPrefix(s, "{%")
	s, ok2 := strings.CutSuffix(s, "%}")
	return strings.TrimSpace(s), ok1 && ok2
}

func objects(v any) []object {
	list, _ := v.([]any)
	var os []object
	for _, e := range list {
		o, _ := e.(object)
		os = append(os, o)
	}
	return os
}

func texts(v any) []string {
	list, _ := v.([]any)
	var ts []string
	for _, e := range list {
		t, _ := e.(string)
		ts = append(ts, t)
	}
	return ts
}

func isEmpty(v any) bool {
	o, ok := v.(object)
	return ok && len(o) == 0
}
