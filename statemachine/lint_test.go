package statemachine

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/recolabs/gnata"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// The rules that asl-validator does not know. Each has a mutant below that breaks it.

// knownErrors are the error names that can occur in this machine, beside mapreel's own kinds. Sources: Step Functions
// Developer Guide, "Handling errors" and "Handle transient Lambda service exceptions"; Lambda API reference, Invoke.
var knownErrors = []string{
	"States.ALL", "States.TaskFailed", "States.Timeout", "States.ItemReaderFailed",
	"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
	"Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException", "Lambda.Unknown",
	"Lambda.EC2ThrottledException", "Lambda.ENILimitReachedException", "Lambda.ResourceNotReadyException",
	"Lambda.EFSMountConnectivityException", "Lambda.EFSMountTimeoutException",
	"Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory",
	"Batch.BatchException", "Batch.AWSBatchException", "Batch.ServerException", "Batch.SdkClientException",
}

// defaults are what the States Language assumes where a field is absent.
var defaults = map[string]any{
	"IntervalSeconds": 1.0, "BackoffRate": 2.0, "MaxAttempts": 3.0, "JitterStrategy": "NONE", "MaxConcurrency": 0.0,
	"ToleratedFailureCount": 0.0, "ToleratedFailurePercentage": 0.0, "End": false, "Mode": "INLINE",
}

// payloads are the Go types that the tasks' functions decode.
var payloads = map[string]reflect.Type{
	"analyse": reflect.TypeFor[film.AnalyseInput](),
	"split":   reflect.TypeFor[film.SplitInput](),
	"encode":  reflect.TypeFor[film.EncodeItem](),
	"audio":   reflect.TypeFor[film.AudioItem](),
	"merge":   reflect.TypeFor[film.MergeItem](),
	"finish":  reflect.TypeFor[film.FinishInput](),
}

type object = map[string]any

// linter collects what is wrong, each with the JSON path of its place.
type linter struct {
	findings []string
	names    map[string]string   // state name → path of its first use
	retried  map[string][]string // error names that a Lambda task retries, as text → paths
}

func lint(definition []byte) []string {
	var machine object
	if err := json.Unmarshal(definition, &machine); err != nil {
		return []string{err.Error()}
	}
	l := &linter{names: map[string]string{}, retried: map[string][]string{}}
	if machine["QueryLanguage"] != "JSONata" {
		l.say("", "QueryLanguage is not JSONata")
	}
	limit, _ := machine["TimeoutSeconds"].(float64)
	if limit == 0 {
		l.say("", "no TimeoutSeconds")
	}
	l.fields("", machine)
	l.scope("", machine, nil, limit, false)
	if len(l.retried) != 1 {
		l.say("", "tasks on Lambda retry different errors: %v", l.retried)
	}
	return l.findings
}

func (l *linter) say(path, format string, args ...any) {
	l.findings = append(l.findings, path+": "+fmt.Sprintf(format, args...))
}

// fields checks what holds for any object of the definition: no field repeats its default.
func (l *linter) fields(path string, v any) {
	switch v := v.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if d, ok := defaults[name]; ok && d == v[name] {
				l.say(path+"/"+name, "repeats the default")
			}
			l.fields(path+"/"+name, v[name])
		}
	case []any:
		for i, e := range v {
			l.fields(fmt.Sprintf("%s/%d", path, i), e)
		}
	}
}

// scope checks one {StartAt, States}. outer are the variables that its states see from outside; quiet says that the
// scope is a Map's, whose result is dropped.
func (l *linter) scope(path string, scope object, outer []string, limit float64, quiet bool) {
	states, _ := scope["States"].(object)
	assigned := l.flow(path, scope, states, outer)
	for _, name := range slices.Sorted(maps.Keys(states)) {
		at := path + "/States/" + name
		if first, ok := l.names[name]; ok {
			l.say(at, "the name is taken by %s", first)
		}
		l.names[name] = at
		vars, reached := assigned[name]
		if !reached {
			l.say(at, "cannot be reached")
			continue
		}
		l.state(at, states[name].(object), states, vars, limit, quiet)
	}
}

// flow finds for each state the variables that are assigned on every way to it.
func (l *linter) flow(path string, scope, states object, outer []string) map[string][]string {
	in := map[string][]string{}
	var visit func(from, name string, vars []string)
	visit = func(from, name string, vars []string) {
		s, ok := states[name].(object)
		if !ok {
			l.say(from, "leads to %q, which does not exist", name)
			return
		}
		if before, seen := in[name]; seen {
			vars = slices.DeleteFunc(slices.Clone(before), func(v string) bool { return !slices.Contains(vars, v) })
			if len(vars) == len(before) {
				return
			}
		}
		in[name] = vars
		at := path + "/States/" + name
		assign := func(o object) []string {
			more, _ := o["Assign"].(object)
			return slices.Concat(vars, slices.Sorted(maps.Keys(more)))
		}
		if next, ok := s["Next"].(string); ok {
			visit(at, next, assign(s))
		}
		if next, ok := s["Default"].(string); ok {
			visit(at, next, assign(s))
		}
		for _, list := range []string{"Choices", "Catch"} {
			for _, o := range objects(s[list]) {
				next, _ := o["Next"].(string)
				visit(at, next, assign(o))
			}
		}
	}
	start, _ := scope["StartAt"].(string)
	visit(path, start, outer)
	return in
}

func (l *linter) state(at string, s, siblings object, vars []string, limit float64, quiet bool) {
	if text, _ := s["Comment"].(string); text == "" {
		l.say(at, "no Comment")
	}
	for _, field := range slices.Sorted(maps.Keys(s)) {
		p := at + "/" + field
		switch field {
		case "Comment", "Type", "Next", "Default", "End", "StartAt", "Label", "Retry":
		case "Branches":
			for i, b := range objects(s[field]) {
				l.scope(fmt.Sprintf("%s/%d", p, i), b, vars, limit, false)
			}
		case "ItemProcessor":
			processor, _ := s[field].(object)
			config, _ := processor["ProcessorConfig"].(object)
			seen := vars
			if config["Mode"] == "DISTRIBUTED" {
				seen = nil
				if label, _ := s["Label"].(string); !regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`).MatchString(label) {
					l.say(at, "a DISTRIBUTED Map needs a Label of 1 to 40 letters")
				}
			}
			l.scope(p, processor, seen, limit, true)
		case "Catch":
			for i, c := range objects(s[field]) {
				ci := fmt.Sprintf("%s/%d", p, i)
				next, _ := c["Next"].(string)
				if target, _ := siblings[next].(object); target["Type"] == "Fail" {
					l.say(ci, "ends in the Fail state %q, which leaves a redrive nothing to run again", next)
				}
				l.errors(ci, c, len(objects(s[field]))-1 == i)
				l.expressions(ci+"/Output", c["Output"], vars, "errorOutput")
				l.expressions(ci+"/Assign", c["Assign"], vars, "errorOutput")
			}
		case "Output", "Assign":
			l.expressions(p, s[field], vars, "result")
		case "ItemSelector":
			l.expressions(p, s[field], vars, "context.Map")
		default:
			l.expressions(p, s[field], vars)
		}
	}
	l.retry(at+"/Retry", s["Retry"])
	switch s["Type"] {
	case "Task":
		l.task(at, s, limit)
		if ends, _ := s["End"].(bool); ends && quiet && !isEmpty(s["Output"]) {
			l.say(at, "is the end of an item of a Map, but its Output is not {}")
		}
	case "Map", "Parallel":
		if !isEmpty(s["Output"]) {
			l.say(at, "its Output is not {}: a list grows with the source's length")
		}
	}
}

func (l *linter) task(at string, s object, limit float64) {
	timeout, _ := s["TimeoutSeconds"].(float64)
	switch {
	case timeout == 0:
		l.say(at, "no TimeoutSeconds")
	case timeout >= limit:
		l.say(at, "TimeoutSeconds is not below the machine's")
	}
	if len(objects(s["Retry"])) == 0 {
		l.say(at, "no Retry")
	}
	resource, _ := s["Resource"].(string)
	if strings.HasPrefix(resource, "arn:${Partition}:states:::") {
		return
	}
	i := slices.IndexFunc(Tasks(), func(task string) bool { return resource == "${"+Placeholder(task)+"}" })
	if i < 0 {
		l.say(at+"/Resource", "is neither a task's placeholder nor a service")
		return
	}
	var retried []string
	for _, r := range objects(s["Retry"]) {
		retried = append(retried, texts(r["ErrorEquals"])...)
	}
	slices.Sort(retried)
	list := strings.Join(retried, " ")
	l.retried[list] = append(l.retried[list], at)
	l.payload(at+"/Arguments", s["Arguments"], payloads[Tasks()[i]])
}

// payload compares Arguments with the Go type that they are decoded into: no field beside the type's, none missing
// that is not optional.
func (l *linter) payload(at string, v any, t reflect.Type) {
	args, _ := v.(object)
	fields := map[string]bool{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = true
		if _, ok := args[name]; !ok && !strings.Contains(options, "omitempty") {
			l.say(at, "lacks %s of %s", name, t)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !fields[name] {
			l.say(at, "%s is not a field of %s", name, t)
		}
	}
}

func (l *linter) retry(at string, v any) {
	list := objects(v)
	for i, r := range list {
		p := fmt.Sprintf("%s/%d", at, i)
		if r["JitterStrategy"] != "FULL" {
			l.say(p, "no jitter")
		}
		if r["MaxDelaySeconds"] == nil {
			l.say(p, "no cap of the delay")
		}
		for _, name := range l.errors(p, r, i == len(list)-1) {
			ours := slices.Contains(fault.Kinds(), fault.Kind(name))
			if ours && name != string(fault.Transient) || name == "States.ALL" || name == "States.TaskFailed" {
				l.say(p, "retries %s, which will not pass by itself", name)
			}
		}
	}
}

// errors checks the names that a retrier or catcher matches, and returns them.
func (l *linter) errors(at string, o object, last bool) []string {
	names := texts(o["ErrorEquals"])
	if len(names) == 0 {
		l.say(at, "no ErrorEquals")
	}
	for _, name := range names {
		if !slices.Contains(knownErrors, name) && !slices.Contains(fault.Kinds(), fault.Kind(name)) {
			l.say(at, "%s is not a known error", name)
		}
		if name == "States.ALL" && (len(names) > 1 || !last) {
			l.say(at, "States.ALL is not alone and last")
		}
	}
	return names
}

var (
	quoted    = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	variable  = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_]+)*)(\()?`)
	functions = []string{"string", "exists"} // that the definition calls; JSONata and Step Functions have many more
)

// expressions checks every JSONata expression in v. allowed are the parts of $states that exist here beside input and
// context.
func (l *linter) expressions(at string, v any, vars []string, allowed ...string) {
	switch v := v.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			l.expressions(at+"/"+name, v[name], vars, allowed...)
		}
	case []any:
		for i, e := range v {
			l.expressions(fmt.Sprintf("%s/%d", at, i), e, vars, allowed...)
		}
	case string:
		src, ok := expression(v)
		if !ok {
			if strings.Contains(v, "{%") || strings.Contains(v, "%}") {
				l.say(at, "half an expression: %s", v)
			}
			return
		}
		if _, err := gnata.Compile(src); err != nil {
			l.say(at, "%v", err)
			return
		}
		for _, m := range variable.FindAllStringSubmatch(quoted.ReplaceAllString(src, "''"), -1) {
			name, rest, call := m[1], strings.TrimPrefix(m[2], "."), m[3] != ""
			switch {
			case call && rest == "":
				if !slices.Contains(functions, name) {
					l.say(at, "calls the unknown function $%s", name)
				}
			case name == "states":
				l.states(at, rest, allowed)
			case !slices.Contains(vars, name):
				l.say(at, "uses the undefined variable $%s", name)
			case name == "brief" && !hasField(reflect.TypeFor[film.Brief](), rest):
				l.say(at, "a brief has no %s", rest)
			}
		}
	}
}

// states checks a use of $states.rest.
func (l *linter) states(at, rest string, allowed []string) {
	part, _, _ := strings.Cut(rest, ".")
	switch {
	case strings.HasPrefix(rest, "context.Map."):
		item, ok := strings.CutPrefix(rest, "context.Map.Item.Value.")
		if !slices.Contains(allowed, "context.Map") {
			l.say(at, "$states.context.Map exists in an ItemSelector only")
		} else if ok && !hasField(reflect.TypeFor[film.EncodeItem](), item) {
			l.say(at, "an item has no %s", item)
		}
	case part != "input" && part != "context" && !slices.Contains(allowed, part):
		l.say(at, "$states.%s does not exist here", part)
	}
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

func TestDefinitionKeepsEveryRule(t *testing.T) {
	for _, finding := range lint(Definition()) {
		t.Error(finding)
	}
}

func TestLintFindsEachMistake(t *testing.T) {
	for _, m := range []struct{ mistake, old, new, want string }{
		{"not JSON", `"StartAt"`, `StartAt`, "invalid character"},
		{"JSONPath", `"QueryLanguage": "JSONata"`, `"QueryLanguage": "JSONPath"`, "QueryLanguage"},
		{"machine without an end", `"TimeoutSeconds": 172800,`, ``, ": no TimeoutSeconds"},
		{"task without a time limit", `"TimeoutSeconds": 960,`, ``, "Analyse the source: no TimeoutSeconds"},
		{"task that outlasts the machine", `"TimeoutSeconds": 86400`, `"TimeoutSeconds": 172800`, "not below the machine's"},
		{"state without a Comment", `"Comment": "Sound is never`, `"Remark": "Sound is never`, "no Comment"},
		{"name used twice", `"StartAt": "Merge one output",
        "States": {
          "Merge one output"`, `"StartAt": "Finish",
        "States": {
          "Finish"`, "the name is taken"},
		{"state that nothing leads to", `"Default": "Encode on Lambda"`, `"Default": "Encode on Batch"`, "cannot be reached"},
		{"Next to nowhere", `"Next": "Must it be split?"`, `"Next": "Cut"`, `leads to "Cut"`},
		{"default repeated", `"MaxAttempts": 6`, `"MaxAttempts": 3`, "MaxAttempts: repeats the default"},
		{"tolerance repeated", `"Label": "segments"`, `"Label": "segments", "ToleratedFailurePercentage": 0`, "repeats the default"},
		{"no Retry", `"Retry"`, `"Rety"`, "no Retry"},
		{"no jitter", `, "JitterStrategy": "FULL"`, ``, "no jitter"},
		{"no cap", `"MaxDelaySeconds": 60, `, ``, "no cap of the delay"},
		{"retry of a bad request", `"Transient"`, `"Invalid"`, "retries Invalid"},
		{"retry of everything", `"Batch.BatchException", "Batch.AWSBatchException", "Batch.ServerException", "Batch.SdkClientException"`, `"States.ALL"`, "retries States.ALL"},
		{"one task retries less", `"Lambda.ServiceException", `, ``, "retry different errors"},
		{"misspelt error", `Sandbox.Timedout", "R`, `Sandbox.TimedOut", "R`, "Sandbox.TimedOut is not a known error"},
		{"States.ALL in company", `"OutOfTime", "OutOfSpace", "States.Timeout"`, `"OutOfTime", "States.ALL"`, "not alone and last"},
		{"Catch that ends in Fail", `"Type": "Task",
                    "Resource": "arn:${Partition}:states:::batch`, `"Type": "Fail",
                    "Resource": "arn:${Partition}:states:::batch`, "ends in the Fail state"},
		{"undefined variable", `"{% $brief.split %}"`, `"{% $plan.split %}"`, "undefined variable $plan"},
		{"variable that one way does not assign", `"Assign": {"brief": "{% $states.result %}"},
      "Next": "Must it be split?"`, `"Next": "Must it be split?"`, "undefined variable $brief"},
		{"variable of outside in a child", `"{% $states.input.route = 'batch' %}"`, `"{% $brief.route = 'batch' %}"`, "Where to run?/Choices/0/Condition: uses the undefined"},
		{"no such field of a brief", `$brief.segments.bucket`, `$brief.segments.Bucket`, "a brief has no segments.Bucket"},
		{"no such field of an item", `Value.segment`, `Value.index`, "an item has no index"},
		{"result in Arguments", `"job": "{% $brief.job %}"`, `"job": "{% $states.result.job %}"`, "$states.result does not exist here"},
		{"error outside a Catch", `"Key": "{% $brief.segments.key %}"`, `"Key": "{% $states.errorOutput.Error %}"`, "$states.errorOutput does not exist here"},
		{"item outside a selector", `"Items": "{% $brief.audio %}"`, `"Items": "{% $states.context.Map.Item.Value %}"`, "in an ItemSelector only"},
		{"unknown function", `$string($states.input.segment)`, `$text($states.input.segment)`, "unknown function $text"},
		{"no JSONata", `"{% $brief.audio %}"`, `"{% $brief..(audio %}"`, "/Items: "},
		{"half an expression", `"{% $brief.audio %}"`, `"{% $brief.audio }"`, "half an expression"},
		{"field that no function reads", `"part": "{% $states.input.part %}"`, `"piece": "{% $states.input.part %}"`, "piece is not a field of film.AudioItem"},
		{"field that a function needs", `"request": "{% $states.input %}",`, ``, "lacks request of film.AnalyseInput"},
		{"resource by name", `"Resource": "${Merge}"`, `"Resource": "arn:aws:lambda:us-east-1:1:function:merge"`, "neither a task's placeholder"},
		{"list of results", `"Output": {},
      "Next": "Finish"`, `"Next": "Finish"`, "its Output is not {}"},
		{"child that returns its result", `"Output": {},
                    "End": true`, `"End": true`, "the end of an item of a Map"},
		{"Label with a space", `"Label": "segments"`, `"Label": "the segments"`, "needs a Label"},
	} {
		t.Run(m.mistake, func(t *testing.T) {
			if !strings.Contains(definition, m.old) {
				t.Fatalf("the definition no longer contains %s", m.old)
			}
			mutant := strings.Replace(definition, m.old, m.new, 1)
			got := lint([]byte(mutant))
			if !slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, m.want) }) {
				t.Errorf("findings: %q, want one with %q", got, m.want)
			}
		})
	}
}
