package asl

import (
	"fmt"
	"maps"
)

// nameSet is a set of variable names.
type nameSet map[string]bool

// variables checks that every variable an expression of s reads may have been assigned before, and that no state
// assigns a variable of an outer scope. in are the variables that may exist where s begins, outer the names that
// surrounding scopes own. The way through a scope is over-estimated: what any path assigns counts.
func (l *loader) variables(s *scope, in, outer nameSet, distributed bool) {
	own := nameSet{}
	for _, st := range s.order {
		for _, a := range st.assignments() {
			for i, name := range a.names {
				own[name] = true
				if outer[name] {
					l.report(a.values[i].path, fmt.Sprintf("variable $%s belongs to an outer scope and cannot be assigned here", name))
				}
			}
		}
	}
	at := map[string]nameSet{s.start: union(in, nil)}
	for queue := []string{s.start}; len(queue) > 0; queue = queue[1:] {
		st := s.states[queue[0]]
		for _, e := range st.edges() {
			after := union(at[st.name], nil)
			if e.assign != nil {
				for _, name := range e.assign.names {
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
	visible := union(outer, own)
	for _, st := range s.order {
		for _, e := range l.expressions[st] {
			for _, name := range e.variables {
				if at[st.name][name] || e.bound[name] || isBuiltin(name) {
					continue
				}
				why := "no state assigns it before this one"
				if distributed {
					why += ", and a DISTRIBUTED Map's processor sees no variables from outside"
				}
				l.report(e.path, fmt.Sprintf("variable $%s is undefined: %s", name, why))
			}
		}
		for _, b := range st.branches {
			l.variables(b, at[st.name], visible, distributed)
		}
		if m := st.mapping; m != nil {
			if m.distributed {
				l.variables(m.processor, nil, nil, true)
			} else {
				l.variables(m.processor, at[st.name], visible, distributed)
			}
		}
	}
}

// assignments returns the Assign fields of s, its rules and its catchers.
func (s *state) assignments() []*assignment {
	var as []*assignment
	add := func(a *assignment) {
		if a != nil {
			as = append(as, a)
		}
	}
	add(s.assign)
	for _, r := range s.choices {
		add(r.assign)
	}
	for _, c := range s.catch {
		add(c.assign)
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
