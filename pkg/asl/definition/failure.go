package definition

import (
	"slices"
	"strings"
)

// The limits and defaults of a retrier, as Step Functions documents them.
const (
	defaultInterval = 1
	defaultAttempts = 3
	defaultBackoff  = 2.0

	MaxSeconds    = 99_999_999
	MaxRetryDelay = 31_622_400 // seconds; a leap year. MaxDelaySeconds must be less.
)

// failures reads Retry and Catch.
func (l *loader) failures(st *State, n *node, p surroundings) {
	retriers := l.optionalList(n, "Retry")
	for i, r := range retriers {
		if l.fields(r, "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds",
			"JitterStrategy", "Comment") {
			st.Retry = append(st.Retry, l.retrier(r, i == len(retriers)-1))
		}
	}
	caught := readable{p.inInlineMap, []string{inputField, contextField, errorOutputField}}
	catchers := l.optionalList(n, "Catch")
	for i, c := range catchers {
		if !l.fields(c, "ErrorEquals", "Next", "Output", "Assign", "Comment") {
			continue
		}
		names := l.errorNames(c, i == len(catchers)-1)
		l.description.Catch = append(l.description.Catch, names)
		st.Catch = append(st.Catch, Catcher{
			Errors: names, Next: l.text(c, "Next", true),
			Output: l.template(c.get("Output"), caught), Assign: l.assignment(c.get("Assign"), caught),
		})
	}
}

func (l *loader) retrier(n *node, last bool) Retrier {
	r := Retrier{
		Errors: l.errorNames(n, last), Interval: defaultInterval, Attempts: defaultAttempts, Backoff: defaultBackoff,
	}
	l.description.Retry = append(l.description.Retry, r.Errors)
	if v := l.number(n, "IntervalSeconds", Bounds{1, MaxSeconds, true}, nil); v != nil {
		r.Interval = v.value
	}
	if v := l.number(n, "MaxAttempts", Bounds{0, MaxSeconds, true}, nil); v != nil {
		r.Attempts = int(v.value)
	}
	if v := l.number(n, "BackoffRate", Bounds{1, MaxSeconds, false}, nil); v != nil {
		r.Backoff = v.value
	}
	if v := l.number(n, "MaxDelaySeconds", Bounds{1, MaxRetryDelay - 1, true}, nil); v != nil {
		if v.value <= r.Interval {
			l.reportf(n.get("MaxDelaySeconds"), "must be greater than IntervalSeconds")
		}
		r.MaxDelay = v.value
	}
	switch s := l.text(n, "JitterStrategy", false); s {
	case "", "NONE":
	case "FULL":
		r.FullJitter = true
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
			l.reportf(e, "unknown error name %s; names with the prefix States. are reserved", e.text)
		case slices.Contains(names.Names, e.text):
			l.reportf(e, "%s is listed twice", e.text)
		default:
			names.Names = append(names.Names, e.text)
		}
	}
	if names.HasAll() {
		if len(names.Names) > 1 {
			l.report(names.Path, "States.ALL must be the only name")
		}
		if !last {
			l.report(names.Path, "States.ALL must be in the last entry")
		}
	}
	return names
}
