package definition

import (
	"fmt"
	"maps"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// nameSet is a set of variable names.
type nameSet map[string]bool

// variableScope describes the variables around a scope.
type variableScope struct {
	assigned nameSet // may have a value where the scope begins
	outer    nameSet // assigned by states of surrounding scopes, so that states of this scope must not assign them
	hidden   nameSet // belong to scopes outside the nearest DISTRIBUTED Map, whose children cannot read them
}

// variables checks the variables of a scope and of the scopes within it.
//
// It reports a state that assigns a variable of an outer scope, and an expression in or below a
// DISTRIBUTED Map that reads a variable of a scope outside it; Step Functions documents both as
// errors. It warns of a variable that no path assigns before it is read: Step Functions runs such a
// definition and fails at that expression. Paths are over-estimated: what any path assigns counts.
func (l *loader) variables(s *Scope, around variableScope) {
	own := nameSet{}
	for _, st := range s.Order {
		for _, a := range st.assignments() {
			for _, name := range a.Names {
				own[name] = true
				if around.outer[name] {
					l.report(pointer(a.Path, name), fmt.Sprintf("variable $%s belongs to an outer scope and cannot be assigned here", name))
				}
			}
		}
	}
	at := s.assignedAt(around.assigned)
	for _, st := range s.Order {
		for _, e := range l.expressions[st] {
			l.readable(e, st, at[st.Name], own, around)
		}
		inner := variableScope{assigned: at[st.Name], outer: union(around.outer, s.assignedByOthers(st)), hidden: around.hidden}
		for _, b := range st.Branches {
			l.variables(b, inner)
		}
		if m := st.Map; m != nil {
			if m.Distributed {
				inner = variableScope{hidden: union(union(around.hidden, around.outer), own)}
			}
			l.variables(m.Processor, inner)
		}
	}
}

// readable checks the variables that an expression of st reads.
func (l *loader) readable(e *Expression, st *State, assigned, own nameSet, around variableScope) {
	distributed := st.Map != nil && st.Map.Distributed
	for _, name := range e.Variables {
		switch {
		case e.Bound[name]:
		case distributed && around.outer[name] && !own[name]:
			l.report(e.Path, fmt.Sprintf("variable $%s belongs to an outer scope: a DISTRIBUTED Map cannot read it; pass it in the state's input", name))
		case assigned[name] || jsonata.IsFunction(name):
		case around.hidden[name] && !own[name] && !around.outer[name]:
			l.report(e.Path, fmt.Sprintf("variable $%s belongs to a scope outside the DISTRIBUTED Map, whose child executions cannot read it; pass it with ItemSelector", name))
		default:
			l.warn(e.Path, fmt.Sprintf("variable $%s is undefined: no state assigns it before this one", name))
		}
	}
}

// assignedAt returns, for each reachable state, the variables that some path to it assigns.
func (s *Scope) assignedAt(start nameSet) map[string]nameSet {
	at := map[string]nameSet{s.Start: union(start, nil)}
	for queue := []string{s.Start}; len(queue) > 0; queue = queue[1:] {
		st := s.States[queue[0]]
		for _, e := range st.edges() {
			after := union(at[st.Name], nil)
			if e.assign != nil {
				for _, name := range e.assign.Names {
					after[name] = true
				}
			}
			known, seen := at[e.next]
			if merged := union(known, after); !seen || len(merged) > len(known) {
				at[e.next] = merged
				queue = append(queue, e.next)
			}
		}
	}
	return at
}

// assignedByOthers returns the variables that states other than st assign. What a Parallel or Map
// assigns itself is not an outer variable of its branches: Step Functions accepts a Catch that
// assigns the name that a branch assigns.
func (s *Scope) assignedByOthers(st *State) nameSet {
	names := nameSet{}
	for _, other := range s.Order {
		if other == st {
			continue
		}
		for _, a := range other.assignments() {
			for _, name := range a.Names {
				names[name] = true
			}
		}
	}
	return names
}

// assignments returns the Assign fields of s, of its rules and of its catchers.
func (s *State) assignments() []*Assignment {
	var as []*Assignment
	add := func(a *Assignment) {
		if a != nil {
			as = append(as, a)
		}
	}
	add(s.Assign)
	for _, r := range s.Rules {
		add(r.Assign)
	}
	for _, c := range s.Catch {
		add(c.Assign)
	}
	return as
}

func union(a, b nameSet) nameSet {
	u := maps.Clone(a)
	if u == nil {
		u = nameSet{}
	}
	maps.Copy(u, b)
	return u
}
