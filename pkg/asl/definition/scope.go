package definition

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// scope reads StartAt and States.
func (l *loader) scope(n *node, p surroundings) *Scope {
	s := &Scope{Path: n.path, States: map[string]*State{}}
	s.Start = l.text(n, "StartAt", true)
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
		st := l.readState(list.values[i], name, p)
		s.States[name] = st
		s.Order = append(s.Order, st)
	}
	if _, ok := s.States[s.Start]; s.Start != "" && !ok {
		l.reportf(n.get("StartAt"), "no state %q here", s.Start)
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
		l.reportf(n, "the name is already used by %s; names are unique in the whole machine", first)
		return
	}
	l.names[name] = n.path
}

// transitions checks that targets exist, that every state is reachable and that the scope can end.
func (l *loader) transitions(s *Scope) {
	complete := true
	for _, st := range s.Order {
		complete = complete && st.Type != "" // the successors of a state that could not be read are unknown
		for _, e := range st.edges() {
			if _, ok := s.States[e.next]; !ok {
				l.report(e.path, fmt.Sprintf("no state %q in %s", e.next, pointer(s.Path, "States")))
				complete = false
			}
		}
	}
	if !complete || s.Start == "" {
		return
	}
	reached := map[string]bool{s.Start: true}
	ends := false
	for queue := []*State{s.States[s.Start]}; len(queue) > 0; queue = queue[1:] {
		st := queue[0]
		ends = ends || st.ends()
		for _, e := range st.edges() {
			if !reached[e.next] {
				reached[e.next] = true
				queue = append(queue, s.States[e.next])
			}
		}
	}
	for _, st := range s.Order {
		if !reached[st.Name] {
			l.report(st.Path, "cannot be reached from "+strconv.Quote(s.Start))
		}
	}
	if !ends {
		l.report(pointer(s.Path, "States"), "no state ends the machine: one needs End, or is a Succeed or Fail")
	}
}

// ends reports whether the scope may end with s.
func (s *State) ends() bool { return s.Next == "" && s.Type != "Choice" }

// edge is a transition to another state, with the variables that are assigned on the way.
type edge struct {
	path   string // JSON Pointer to the name of the target
	next   string
	assign *Assignment
}

func (s *State) edges() []edge {
	var es []edge
	if s.Next != "" {
		es = append(es, edge{s.Path + "/Next", s.Next, s.Assign})
	}
	for i, r := range s.Rules {
		es = append(es, edge{fmt.Sprintf("%s/Choices/%d/Next", s.Path, i), r.Next, r.Assign})
	}
	if s.Default != "" {
		es = append(es, edge{s.Path + "/Default", s.Default, s.Assign})
	}
	for i, c := range s.Catch {
		es = append(es, edge{fmt.Sprintf("%s/Catch/%d/Next", s.Path, i), c.Next, c.Assign})
	}
	return slices.DeleteFunc(es, func(e edge) bool { return e.next == "" }) // already reported
}
