package asl

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Load reads a definition, compiles its expressions and checks it. When anything is wrong it returns a *LoadError that
// lists all of it; a definition that loads fails later only for what depends on data.
func Load(definition []byte) (*Machine, error) {
	l := &loader{names: map[string]string{}, labels: map[string]string{}, expressions: map[*state][]*expression{}}
	m := &Machine{}
	if tree, ok := parseTree(definition, l.report); ok {
		l.machine(m, tree)
	}
	if len(l.problems) > 0 {
		return nil, &LoadError{Problems: sortProblems(l.problems)}
	}
	for _, s := range l.states {
		m.states = append(m.states, *s)
	}
	return m, nil
}

type loader struct {
	problems    []Problem
	states      []*State
	names       map[string]string // of states, with the path of the first that has it
	labels      map[string]string // of Maps, likewise
	expressions map[*state][]*expression
	current     *State // the state being read, and
	reading     *state // its compiled form
}

func (l *loader) report(path, message string) {
	l.problems = append(l.problems, Problem{Path: path, Message: message})
}

func (l *loader) reportf(n *node, format string, args ...any) {
	l.report(n.path, fmt.Sprintf(format, args...))
}

// jsonPathFields belong to the other query language.
var jsonPathFields = []string{
	"InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "Result", "ItemsPath", "MaxConcurrencyPath",
	"TimeoutSecondsPath", "HeartbeatSecondsPath", "SecondsPath", "TimestampPath", "ErrorPath", "CausePath", "Variable",
	"ToleratedFailurePercentagePath", "ToleratedFailureCountPath", "MaxItemsPath", "Iterator",
}

// unsupportedFields exist in Step Functions and not here.
var unsupportedFields = []string{
	"HeartbeatSeconds", "Credentials", "ItemBatcher", "ResultWriter", "ItemsPointer", "CSVHeaderLocation", "CSVHeaders",
	"CSVDelimiter", "Transformation", "ManifestType", "ExpectedBucketOwner", "VersionId",
}

// fields checks that n is an object and has no fields but those allowed. A Comment must be a string.
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

// text reads a string that is no expression; required fields must not be empty.
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

func (l *loader) list(parent *node, key string) []*node {
	n := parent.get(key)
	switch {
	case n == nil:
		l.reportf(parent, "%s is missing", key)
	case n.kind != arrayNode:
		l.reportf(n, "must be an array, not %s", n.kind)
	case len(n.values) == 0:
		l.reportf(n, "must not be empty")
	default:
		return n.values
	}
	return nil
}

func (l *loader) machine(m *Machine, n *node) {
	if !l.fields(n, "Comment", "StartAt", "States", "QueryLanguage", "TimeoutSeconds", "Version") {
		return
	}
	if v := l.text(n, "Version", false); v != "" && v != "1.0" {
		l.reportf(n.get("Version"), "unknown version %q; 1.0 exists", v)
	}
	if t := l.number(n, "TimeoutSeconds", bounds{1, mostSeconds, true}, nil); t != nil {
		m.timeout = int(t.value)
	}
	m.root = l.scope(n, place{language: l.language(n, "JSONPath")})
	if len(l.problems) == 0 { // the flow means nothing where states are missing
		l.variables(m.root, nil, nil, false)
	}
}

// place is what the surroundings of a state decide.
type place struct {
	language string // the default query language
	inMap    bool   // within an INLINE Map, where $states.context.Map exists
}

func (l *loader) language(n *node, inherited string) string {
	q := n.get("QueryLanguage")
	if q == nil {
		return inherited
	}
	switch s := l.text(n, "QueryLanguage", true); s {
	case "JSONata", "":
	case "JSONPath":
		l.reportf(q, "JSONPath is not supported; only JSONata is")
	default:
		l.reportf(q, "unknown query language %q", s)
	}
	return "JSONata" // a wrong one is reported once
}

func (l *loader) scope(n *node, p place) *scope {
	s := &scope{path: n.path, states: map[string]*state{}}
	s.start = l.text(n, "StartAt", true)
	list := n.get("States")
	switch {
	case list == nil:
		l.reportf(n, "States is missing")
		return s
	case list.kind != objectNode:
		l.reportf(list, "must be an object, not %s", list.kind)
		return s
	case len(list.keys) == 0:
		l.reportf(list, "must not be empty")
		return s
	}
	for i, name := range list.keys {
		l.stateName(list.values[i], name)
		st := l.state(list.values[i], name, p)
		s.states[name] = st
		s.order = append(s.order, st)
	}
	if _, ok := s.states[s.start]; s.start != "" && !ok {
		l.reportf(n.get("StartAt"), "no state %q here", s.start)
		return s
	}
	l.transitions(s)
	return s
}

func (l *loader) stateName(n *node, name string) {
	if size := utf8.RuneCountInString(name); size == 0 || size > 80 {
		l.reportf(n, "a state's name has 1 to 80 characters, not %d", size)
	}
	if first, ok := l.names[name]; ok {
		l.reportf(n, "the name is taken by %s; names are unique in the whole machine", first)
		return
	}
	l.names[name] = n.path
}

// transitions checks that targets exist, that every state can be reached and that the scope can end.
func (l *loader) transitions(s *scope) {
	sound := true
	for _, st := range s.order {
		sound = sound && st.kind != "" // where a state could not be read, nothing is known of what follows it
		for _, e := range st.edges() {
			if _, ok := s.states[e.next]; !ok {
				l.report(e.path, fmt.Sprintf("no state %q in %s", e.next, pointer(s.path, "States")))
				sound = false
			}
		}
	}
	if !sound || s.start == "" {
		return
	}
	reached := map[string]bool{s.start: true}
	ends := false
	for queue := []*state{s.states[s.start]}; len(queue) > 0; queue = queue[1:] {
		st := queue[0]
		ends = ends || st.ends()
		for _, e := range st.edges() {
			if !reached[e.next] {
				reached[e.next] = true
				queue = append(queue, s.states[e.next])
			}
		}
	}
	for _, st := range s.order {
		if !reached[st.name] {
			l.report(st.path, "cannot be reached from "+strconv.Quote(s.start))
		}
	}
	if !ends {
		l.report(pointer(s.path, "States"), "no state ends the machine: one needs End, or is a Succeed or Fail")
	}
}

// ends reports whether the scope may end with s.
func (s *state) ends() bool {
	return s.next == "" && s.kind != "Choice"
}

// edge is a transition to another state, with the variables that are set on the way.
type edge struct {
	path   string // JSON Pointer to the name of the target
	next   string
	assign *assignment
}

func (s *state) edges() []edge {
	var es []edge
	if s.next != "" {
		es = append(es, edge{s.path + "/Next", s.next, s.assign})
	}
	for i, r := range s.choices {
		es = append(es, edge{fmt.Sprintf("%s/Choices/%d/Next", s.path, i), r.next, r.assign})
	}
	if s.fallback != "" {
		es = append(es, edge{s.path + "/Default", s.fallback, s.assign})
	}
	for i, c := range s.catch {
		es = append(es, edge{fmt.Sprintf("%s/Catch/%d/Next", s.path, i), c.next, c.assign})
	}
	return slices.DeleteFunc(es, func(e edge) bool { return e.next == "" }) // reported where it was read
}

func (l *loader) state(n *node, name string, p place) *state {
	outer, reading := l.current, l.reading
	defer func() { l.current, l.reading = outer, reading }()
	st := &state{path: n.path, name: name}
	info := &State{Path: n.path, Name: name}
	l.current, l.reading = info, st
	l.states = append(l.states, info)
	if n.kind != objectNode {
		l.reportf(n, "must be an object, not %s", n.kind)
		return st
	}
	kind := l.text(n, "Type", true)
	if kind == "" {
		return st
	}
	if l.language(n, p.language) != "JSONata" {
		l.reportf(n, "the query language is JSONPath; set QueryLanguage to JSONata, best for the whole machine")
		return st
	}
	info.Type = kind
	before := u(inputMember, contextMember).in(p)
	after := before // of Output and Assign
	common := []string{"Type", "Comment", "QueryLanguage"}
	flow := []string{"Next", "End", "Assign", "Output"}
	failing := []string{"Retry", "Catch"}
	switch kind {
	case "Task":
		l.fields(n, slices.Concat(common, flow, failing, []string{"Resource", "Arguments", "TimeoutSeconds"})...)
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
		st.errorName, st.cause = l.textTemplate(n, "Error", before), l.textTemplate(n, "Cause", before)
	case "Parallel":
		l.fields(n, slices.Concat(common, flow, failing, []string{"Branches", "Arguments"})...)
		l.parallel(st, n, p, before)
	case "Map":
		l.fields(n, slices.Concat(common, flow, failing, []string{
			"ItemProcessor", "Items", "ItemReader", "ItemSelector", "MaxConcurrency", "ToleratedFailurePercentage",
			"ToleratedFailureCount", "Label",
		})...)
		l.mapping(st, n, p, before)
	default:
		l.reportf(n.get("Type"), "unknown state type %q", kind)
		return st
	}
	st.kind = kind
	if c := n.get("Comment"); c != nil {
		st.comment, info.Comment = c.text, c.text
	}
	switch kind {
	case "Task", "Parallel", "Map":
		after = u(inputMember, contextMember, resultMember).in(p)
		l.failures(st, n, p)
	}
	switch kind {
	case "Task", "Parallel", "Map", "Pass", "Wait":
		l.next(st, n)
	}
	if kind != "Fail" {
		st.output, st.assign = l.template(n.get("Output"), after), l.assignment(n.get("Assign"), after)
	}
	for _, e := range st.edges() {
		if !slices.Contains(info.Next, e.next) {
			info.Next = append(info.Next, e.next)
		}
	}
	return st
}

func u(members ...member) usage { return usage{members: members} }

func (u usage) in(p place) usage {
	u.mapItem = p.inMap
	return u
}

func (l *loader) next(st *state, n *node) {
	next, end := n.get("Next"), n.get("End")
	switch {
	case next == nil && end == nil:
		l.reportf(n, "needs Next or End")
	case next != nil && end != nil:
		l.reportf(end, "a state has Next or End, not both")
	case next != nil:
		st.next = l.text(n, "Next", true)
	case end.kind != boolNode || !end.truth:
		l.reportf(end, "must be true")
	}
}

func (l *loader) task(st *state, n *node, before usage) {
	st.resource = l.text(n, "Resource", true)
	l.current.Resource = st.resource
	switch {
	case strings.HasSuffix(st.resource, ".waitForTaskToken"):
		l.reportf(n.get("Resource"), "task tokens are not supported")
	case strings.Contains(st.resource, ":activity:"):
		l.reportf(n.get("Resource"), "activities are not supported")
	}
	st.arguments = l.template(n.get("Arguments"), before)
	st.timeout = l.number(n, "TimeoutSeconds", bounds{1, mostSeconds, true}, &before)
}

func (l *loader) wait(st *state, n *node, before usage) {
	if (n.get("Seconds") == nil) == (n.get("Timestamp") == nil) {
		l.reportf(n, "a Wait has either Seconds or Timestamp")
		return
	}
	st.seconds = l.number(n, "Seconds", bounds{0, mostSeconds, true}, &before)
	st.timestamp = l.textTemplate(n, "Timestamp", before)
	if t := st.timestamp; t != nil && t.constant != nil {
		if _, err := time.Parse(time.RFC3339, n.get("Timestamp").text); err != nil {
			l.reportf(n.get("Timestamp"), "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
		}
	}
}

func (l *loader) choice(st *state, n *node, before usage) {
	for _, c := range l.list(n, "Choices") {
		if !l.fields(c, "Condition", "Next", "Assign", "Output", "Comment") {
			continue
		}
		r := rule{next: l.text(c, "Next", true)}
		switch cond := c.get("Condition"); {
		case cond == nil:
			l.reportf(c, "Condition is missing")
		case cond.kind == boolNode:
			r.condition = l.template(cond, before)
		case cond.kind != stringNode || !strings.HasPrefix(cond.text, "{%"):
			l.reportf(cond, "must be an expression or a boolean")
		default:
			r.condition = l.template(cond, before)
		}
		r.output, r.assign = l.template(c.get("Output"), before), l.assignment(c.get("Assign"), before)
		st.choices = append(st.choices, r)
	}
	if n.get("Default") != nil {
		st.fallback = l.text(n, "Default", true)
	}
}

func (l *loader) parallel(st *state, n *node, p place, before usage) {
	st.arguments = l.template(n.get("Arguments"), before)
	for _, b := range l.list(n, "Branches") {
		if l.fields(b, "StartAt", "States", "Comment") {
			st.branches = append(st.branches, l.scope(b, p))
		}
	}
}

var getObject = regexp.MustCompile(`^arn:[a-z-]+:states:::s3:getObject$`)

func (l *loader) mapping(st *state, n *node, p place, before usage) {
	m := &mapping{}
	st.mapping = m
	selecting := before
	selecting.mapItem = true
	m.items = l.template(n.get("Items"), before)
	m.selector = l.template(n.get("ItemSelector"), selecting)
	m.maxConcurrency = l.number(n, "MaxConcurrency", bounds{0, mostSeconds, true}, &before)
	m.tolerateCount = l.number(n, "ToleratedFailureCount", bounds{0, mostSeconds, true}, &before)
	m.toleratePct = l.number(n, "ToleratedFailurePercentage", bounds{0, 100, false}, &before)
	m.label = l.text(n, "Label", false)
	if items := n.get("Items"); items != nil && items.kind != arrayNode {
		if items.kind != stringNode || m.items != nil && m.items.expr == nil {
			l.reportf(items, "must be an array or an expression")
		}
	}

	processor := n.get("ItemProcessor")
	if processor == nil {
		l.reportf(n, "ItemProcessor is missing")
		return
	}
	if !l.fields(processor, "StartAt", "States", "Comment", "ProcessorConfig") {
		return
	}
	if c := processor.get("ProcessorConfig"); c != nil && l.fields(c, "Mode", "ExecutionType") {
		switch mode := l.text(c, "Mode", false); mode {
		case "", "INLINE":
			if e := c.get("ExecutionType"); e != nil {
				l.reportf(e, "only a DISTRIBUTED Map has an ExecutionType")
			}
		case "DISTRIBUTED":
			m.distributed = true
			if t := l.text(c, "ExecutionType", true); t != "" && t != "STANDARD" && t != "EXPRESS" {
				l.reportf(c.get("ExecutionType"), "must be STANDARD or EXPRESS")
			}
		default:
			l.reportf(c.get("Mode"), "must be INLINE or DISTRIBUTED")
		}
	}
	l.current.Distributed = m.distributed
	for _, key := range []string{"ItemReader", "ToleratedFailureCount", "ToleratedFailurePercentage", "Label"} {
		if f := n.get(key); f != nil && !m.distributed {
			l.reportf(f, "only a DISTRIBUTED Map has %s", key)
		}
	}
	if f := n.get("Label"); f != nil && m.label != "" {
		l.label(f, m.label)
	}
	if r := n.get("ItemReader"); r != nil {
		if n.get("Items") != nil {
			l.reportf(r, "a Map has Items or ItemReader, not both")
		}
		m.reader = l.itemReader(r, before)
	}
	m.processor = l.scope(processor, place{language: p.language, inMap: !m.distributed})
}

func (l *loader) label(n *node, label string) {
	if utf8.RuneCountInString(label) > 40 || strings.ContainsAny(label, " \t\r\n<>{}[]?*\"#%\\^|~`$&,;:/") ||
		strings.ContainsFunc(label, unicode.IsControl) {
		l.reportf(n, "a label has at most 40 characters, without spaces, wildcards, brackets and the like")
	}
	if first, ok := l.labels[label]; ok {
		l.reportf(n, "the label is taken by %s", first)
		return
	}
	l.labels[label] = n.path
}

func (l *loader) itemReader(n *node, before usage) *itemReader {
	if !l.fields(n, "Resource", "Arguments", "ReaderConfig") {
		return nil
	}
	r := &itemReader{resource: l.text(n, "Resource", true)}
	if r.resource != "" && !getObject.MatchString(r.resource) {
		l.reportf(n.get("Resource"), "only arn:aws:states:::s3:getObject is supported")
	}
	switch a := n.get("Arguments"); {
	case a == nil:
		l.reportf(n, "Arguments is missing")
	case a.kind == objectNode:
		l.fields(a, "Bucket", "Key")
		for _, key := range []string{"Bucket", "Key"} {
			if a.get(key) == nil {
				l.reportf(a, "%s is missing", key)
			}
		}
		r.arguments = l.template(a, before)
	case a.kind == stringNode:
		r.arguments = l.template(a, before)
		if r.arguments != nil && r.arguments.expr == nil {
			l.reportf(a, "must be an object or an expression")
		}
	default:
		l.reportf(a, "must be an object or an expression")
	}
	c := n.get("ReaderConfig")
	if c == nil {
		l.reportf(n, "ReaderConfig is missing; its InputType must be JSON")
		return r
	}
	if l.fields(c, "InputType", "MaxItems") {
		if t := l.text(c, "InputType", true); t != "" && t != "JSON" {
			l.reportf(c.get("InputType"), "only JSON is supported, not %s", t)
		}
		r.maxItems = l.number(c, "MaxItems", bounds{1, 100_000_000, true}, &before)
	}
	return r
}

// failures reads Retry and Catch.
func (l *loader) failures(st *state, n *node, p place) {
	if n.get("Retry") != nil {
		list := l.list(n, "Retry")
		for i, r := range list {
			if l.fields(r, "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds",
				"JitterStrategy", "Comment") {
				st.retry = append(st.retry, l.retrier(r, i == len(list)-1))
			}
		}
	}
	if n.get("Catch") == nil {
		return
	}
	caught := u(inputMember, contextMember, errorMember).in(p)
	list := l.list(n, "Catch")
	for i, c := range list {
		if !l.fields(c, "ErrorEquals", "Next", "Output", "Assign", "Comment") {
			continue
		}
		names := l.errorNames(c, i == len(list)-1)
		l.current.Catch = append(l.current.Catch, names)
		st.catch = append(st.catch, catcher{
			errors: names, next: l.text(c, "Next", true),
			output: l.template(c.get("Output"), caught), assign: l.assignment(c.get("Assign"), caught),
		})
	}
}

func (l *loader) retrier(n *node, last bool) retrier {
	r := retrier{
		errors: l.errorNames(n, last), interval: defaultInterval, attempts: defaultAttempts, backoff: defaultBackoff,
	}
	l.current.Retry = append(l.current.Retry, r.errors)
	if v := l.number(n, "IntervalSeconds", bounds{1, mostSeconds, true}, nil); v != nil {
		r.interval = v.value
	}
	if v := l.number(n, "MaxAttempts", bounds{0, mostSeconds, true}, nil); v != nil {
		r.attempts = int(v.value)
	}
	if v := l.number(n, "BackoffRate", bounds{1, mostSeconds, false}, nil); v != nil {
		r.backoff = v.value
	}
	if v := l.number(n, "MaxDelaySeconds", bounds{1, longestDelay - 1, true}, nil); v != nil {
		if v.value <= r.interval {
			l.reportf(n.get("MaxDelaySeconds"), "must be greater than IntervalSeconds")
		}
		r.maxDelay = v.value
	}
	switch s := l.text(n, "JitterStrategy", false); s {
	case "", "NONE":
	case "FULL":
		r.full = true
	default:
		l.reportf(n.get("JitterStrategy"), "must be FULL or NONE")
	}
	return r
}

func (l *loader) errorNames(n *node, last bool) ErrorNames {
	names := ErrorNames{Path: n.path + "/ErrorEquals"}
	for _, e := range l.list(n, "ErrorEquals") {
		switch {
		case e.kind != stringNode:
			l.reportf(e, "must be a string, not %s", e.kind)
		case e.text == "":
			l.reportf(e, "must not be empty")
		case strings.HasPrefix(e.text, "States.") && !slices.Contains(reservedErrors, e.text):
			l.reportf(e, "unknown error name %s; names that begin with States. are reserved", e.text)
		case slices.Contains(names.Names, e.text):
			l.reportf(e, "%s stands here twice", e.text)
		default:
			names.Names = append(names.Names, e.text)
		}
	}
	if slices.Contains(names.Names, StatesAll) {
		if len(names.Names) > 1 {
			l.report(names.Path, "States.ALL must stand alone")
		}
		if !last {
			l.report(names.Path, "States.ALL must stand in the last entry")
		}
	}
	return names
}

// number reads a number. With u, it may be an expression that reads what u allows.
func (l *loader) number(parent *node, key string, b bounds, u *usage) *number {
	n := parent.get(key)
	if n == nil {
		return nil
	}
	num := &number{bounds: b}
	switch n.kind {
	case numberNode:
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil || !b.hold(f) {
			l.reportf(n, "must be %v, not %s", b, n.text)
			return nil
		}
		num.value = f
		return num
	case stringNode:
		if u != nil {
			if num.expr = l.template(n, *u); num.expr != nil && num.expr.expr != nil {
				return num
			}
			if num.expr == nil {
				return nil // reported
			}
		}
	}
	if u != nil {
		l.reportf(n, "must be %v or an expression", b)
	} else {
		l.reportf(n, "must be %v", b)
	}
	return nil
}

func (l *loader) textTemplate(parent *node, key string, u usage) *template {
	n := parent.get(key)
	if n == nil {
		return nil
	}
	if n.kind != stringNode {
		l.reportf(n, "must be a string, not %s", n.kind)
		return nil
	}
	return l.template(n, u)
}

func (l *loader) assignment(n *node, u usage) *assignment {
	if n == nil {
		return nil
	}
	if n.kind != objectNode {
		l.reportf(n, "must be an object, not %s", n.kind)
		return nil
	}
	a := &assignment{path: n.path}
	for i, name := range n.keys {
		switch {
		case name == "states":
			l.reportf(n.values[i], "states is reserved and cannot be assigned")
		case !isVariableName(name):
			l.reportf(n.values[i], "%q is no variable name: a letter, then letters, digits and underscores, at most 80", name)
		}
		a.names = append(a.names, name)
		a.values = append(a.values, l.template(n.values[i], u))
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

// template compiles a JSON value. It returns nil for nil, and for what it reports.
func (l *loader) template(n *node, u usage) *template {
	if n == nil {
		return nil
	}
	t := &template{path: n.path, kind: n.kind}
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
			return l.expression(t, source, u)
		}
		t.constant, _ = encode(n.text) // a string always encodes
	case arrayNode, objectNode:
		t.keys = n.keys
		constant, sound := true, true
		for i, v := range n.values {
			if n.kind == objectNode && strings.HasSuffix(n.keys[i], ".$") {
				l.reportf(v, "a name that ends in .$ belongs to JSONPath; use an expression")
			}
			p := l.template(v, u)
			if p == nil {
				sound = false
				continue
			}
			constant = constant && p.constant != nil
			t.parts = append(t.parts, p)
		}
		if !sound {
			return nil
		}
		if constant {
			t.constant = constantOf(t)
		}
	}
	return t
}

func (l *loader) expression(t *template, source string, u usage) *template {
	e, problems := compile(t.path, source, u)
	for _, p := range problems {
		l.report(t.path, p)
	}
	if e == nil {
		return nil
	}
	t.expr = e
	l.expressions[l.reading] = append(l.expressions[l.reading], e)
	l.current.Expressions = append(l.current.Expressions, Expression{Path: t.path, Source: source})
	return t
}

// constantOf puts the constants of an array's or object's parts together.
func constantOf(t *template) json.RawMessage {
	if t.kind == arrayNode {
		list := make([]json.RawMessage, len(t.parts))
		for i, p := range t.parts {
			list[i] = p.constant
		}
		return joinArray(list)
	}
	b := []byte{'{'}
	for i, p := range t.parts {
		if i > 0 {
			b = append(b, ',')
		}
		key, _ := encode(t.keys[i]) // a string always encodes
		b = append(append(append(b, key...), ':'), p.constant...)
	}
	return append(b, '}')
}

func joinArray(list []json.RawMessage) json.RawMessage {
	size := 2 + len(list)
	for _, e := range list {
		size += len(e)
	}
	b := append(make([]byte, 0, size), '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']')
}
