package statemachine

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
)

// The linter holds the rules that asl-validator does not know. lintmutants_test.go breaks each of them.

// knownErrors are the error names that can occur in this machine besides the kinds of package
// fault. Sources: Step Functions Developer Guide, "Handling errors" and "Handle transient Lambda
// service exceptions"; Lambda API reference, Invoke.
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

// lambdaInvoke and batchSubmit are the integrations that the definition uses, in the partition of
// the linter.
const (
	partition    = "aws-cn" // not the usual one, so that a partition that is written out is found
	lambdaInvoke = "arn:" + partition + ":states:::lambda:invoke"
	batchSubmit  = "arn:" + partition + ":states:::batch:submitJob.sync"
)

// The types of the states' inputs. A unit that was caught on Lambda comes to Batch with the reason.
var (
	nextType   = reflect.TypeFor[engine.Next]()
	itemType   = reflect.TypeFor[engine.Item]()
	caughtType = reflect.TypeFor[struct {
		engine.Item
		Reason string `json:"reason"`
	}]()
)

type object = map[string]any

// linter collects findings, each with the JSON path of its place.
type linter struct {
	values   map[string]string // of the placeholders
	findings []string
	names    map[string]string   // path of the first use, by state name
	retried  map[string][]string // paths of Lambda tasks, by the error names that they retry
}

// lint returns what is wrong with a definition that still has its placeholders.
func lint(definition string) []string {
	r := resources()
	r.Partition = partition
	values, err := r.Values()
	if err != nil {
		return []string{err.Error()}
	}
	var machine object
	if err := json.Unmarshal(fill(definition, values), &machine); err != nil {
		return []string{err.Error()}
	}
	l := &linter{values: values, names: map[string]string{}, retried: map[string][]string{}}
	if machine["QueryLanguage"] != "JSONata" {
		l.say("", "QueryLanguage is not JSONata")
	}
	limit, _ := machine["TimeoutSeconds"].(float64)
	if limit == 0 {
		l.say("", "no TimeoutSeconds")
	}
	l.fields("", machine)
	l.scope("", machine, nextType, limit)
	if len(l.retried) != 1 {
		l.say("", "tasks on Lambda retry different errors: %v", l.retried)
	}
	return l.findings
}

// fill replaces the placeholders.
func fill(definition string, values map[string]string) []byte {
	return []byte(placeholder.ReplaceAllStringFunc(definition, func(match string) string {
		return values[match[2:len(match)-1]]
	}))
}

func (l *linter) say(path, format string, args ...any) {
	l.findings = append(l.findings, path+": "+fmt.Sprintf(format, args...))
}

// fields checks every object of the definition: no field repeats its default.
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

// scope checks one {StartAt, States}, whose states have inputs of a type.
func (l *linter) scope(path string, scope object, input reflect.Type, limit float64) {
	states, _ := scope["States"].(object)
	reached := l.reachable(path, scope, states)
	for _, name := range slices.Sorted(maps.Keys(states)) {
		at := path + "/States/" + name
		if first, ok := l.names[name]; ok {
			l.say(at, "the name is taken by %s", first) // AWS refuses it with DUPLICATE_STATE_NAME
		}
		l.names[name] = at
		kind := input
		switch caught, ok := reached[name]; {
		case !ok:
			l.say(at, "cannot be reached")
			continue
		case path == "" && name == scope["StartAt"]:
			kind = nil // the request
		case caught:
			kind = caughtType
		}
		l.state(at, states[name].(object), states, kind, limit, path != "")
	}
}

// reachable finds the states that can be reached, and whether a Catch leads there.
func (l *linter) reachable(path string, scope, states object) map[string]bool {
	caught := map[string]bool{}
	var visit func(from, name string, byCatch bool)
	visit = func(from, name string, byCatch bool) {
		s, ok := states[name].(object)
		if !ok {
			l.say(from, "leads to %q, which does not exist", name)
			return
		}
		before, seen := caught[name]
		caught[name] = before || byCatch
		if seen {
			return
		}
		at := path + "/States/" + name
		for _, field := range []string{"Next", "Default"} {
			if next, ok := s[field].(string); ok {
				visit(at, next, false)
			}
		}
		for _, list := range []string{"Choices", "Catch"} {
			for _, o := range objects(s[list]) {
				next, _ := o["Next"].(string)
				visit(at, next, list == "Catch")
			}
		}
	}
	start, _ := scope["StartAt"].(string)
	visit(path, start, false)
	return caught
}

// state checks one state. inMap tells a state of a Map's child from one of the machine.
func (l *linter) state(at string, s, siblings object, input reflect.Type, limit float64, inMap bool) {
	if text, _ := s["Comment"].(string); text == "" {
		l.say(at, "no Comment")
	}
	for _, field := range slices.Sorted(maps.Keys(s)) {
		p := at + "/" + field
		switch field {
		case "Comment", "Type", "Next", "Default", "End", "StartAt", "Label", "Retry":
		case "ItemProcessor":
			processor, _ := s[field].(object)
			l.scope(p, processor, itemType, limit)
		case "Catch":
			for i, c := range objects(s[field]) {
				ci := fmt.Sprintf("%s/%d", p, i)
				next, _ := c["Next"].(string)
				if target, _ := siblings[next].(object); target["Type"] == "Fail" {
					l.say(ci, "ends in the Fail state %q, which leaves a redrive nothing to run again", next)
				}
				l.errors(ci, c, len(objects(s[field]))-1 == i)
				l.expressions(ci+"/Output", c["Output"], input, "errorOutput")
				if c["Assign"] != nil {
					l.say(ci, "assigns a variable, which no child of a Distributed Map can read")
				}
			}
		case "Output":
			l.expressions(p, s[field], input, "result")
		case "Assign":
			l.say(p, "assigns a variable, which no child of a Distributed Map can read")
		default:
			l.expressions(p, s[field], input)
		}
	}
	l.retry(at+"/Retry", s["Retry"])
	switch s["Type"] {
	case "Task":
		l.task(at, s, limit)
		if ends, _ := s["End"].(bool); ends && inMap && !isEmpty(s["Output"]) {
			l.say(at, "is the end of an item of a Map, but its Output is not {}")
		}
	case "Map":
		l.mapState(at, s)
	case "Parallel":
		l.say(at, "is a Parallel; phases are Maps, one after another")
	}
}

// mapState checks the fields that only a Map has.
func (l *linter) mapState(at string, s object) {
	if output, _ := s["Output"].(string); output == "" || strings.Contains(output, "$states.result") {
		l.say(at, "its Output is the list of results, which grows with the source's length")
	}
	processor, _ := s["ItemProcessor"].(object)
	if config, _ := processor["ProcessorConfig"].(object); config["Mode"] != "DISTRIBUTED" {
		return
	}
	if label, _ := s["Label"].(string); !regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`).MatchString(label) {
		l.say(at, "a DISTRIBUTED Map needs a Label of 1 to 40 letters")
	}
	own := maps.Clone(s)
	delete(own, "ItemProcessor")
	walkExpressions(at, own, func(p, source string) {
		for _, m := range variable.FindAllStringSubmatch(quoted.ReplaceAllString(source, "''"), -1) {
			if call := m[3] != "" && m[2] == ""; !call && m[1]+m[2] != "states.input" && !strings.HasPrefix(m[1]+m[2], "states.input.") {
				l.say(p, "a field of a Distributed Map reads $%s%s, and may read only its input", m[1], m[2])
			}
		}
	})
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
	switch s["Resource"] {
	case batchSubmit:
		return
	case lambdaInvoke:
	default:
		l.say(at+"/Resource", "is neither lambda:invoke nor batch:submitJob.sync in the deployment's partition")
		return
	}
	var retried []string
	for _, r := range objects(s["Retry"]) {
		retried = append(retried, texts(r["ErrorEquals"])...)
	}
	slices.Sort(retried)
	list := strings.Join(retried, " ")
	l.retried[list] = append(l.retried[list], at)
	arguments, _ := s["Arguments"].(object)
	payload := at + "/Arguments/Payload"
	switch arguments["FunctionName"] {
	case l.values["Analyse"]:
		l.payload(payload, arguments["Payload"], reflect.TypeFor[engine.AnalyseInput]())
	case l.values["Finish"]:
		l.payload(payload, arguments["Payload"], reflect.TypeFor[engine.FinishInput]())
	case "{% $lookup(" + l.values["Functions"] + ", $states.input.class) %}":
		l.payload(payload, arguments["Payload"], reflect.TypeFor[engine.RunInput]())
	default:
		l.say(at+"/Arguments/FunctionName", "is none of the deployment's functions")
	}
}

// payload compares a payload with the Go type that the function decodes it into: every field is one
// of the type's, and none is missing that is not optional.
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
				l.say(p, "retries %s, which does not go away by itself", name)
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
