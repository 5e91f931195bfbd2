package film

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Problem is one error in a request.
type Problem struct {
	Pointer string // JSON pointer of RFC 6901 to the value; "" is the whole document
	Message string
}

func (p Problem) String() string {
	if p.Pointer == "" {
		return p.Message
	}
	return p.Pointer + ": " + p.Message
}

// Problems is a list of the errors in a request. As an error, its text has a line for each.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns an error of kind fault.Invalid that holds ps, for errors.As to find, or nil if ps is empty.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return fault.Wrap(fault.Invalid, ps, "invalid request")
}

// maxProblems is how many problems Parse lists. A cause in Step Functions holds 32,768 bytes, and a user corrects the
// first ones first.
const maxProblems = 20

// bounded returns ps with at most maxProblems problems, followed by the number of those left out.
func (ps Problems) bounded() Problems {
	if len(ps) <= maxProblems {
		return ps
	}
	more := Problem{Message: fmt.Sprintf("and %d more", len(ps)-maxProblems)}
	return append(ps[:maxProblems:maxProblems], more)
}

// causes indexes problems by the values whose meaning they leave open.
type causes struct {
	values   map[string]bool // wrong values
	siblings map[string]bool // objects with a wrong field
}

// newCauses returns the causes for the problems of ps.
//
// If a field is wrong, problems of the other fields of the same object are left out, because the wrong field may decide
// which of them are allowed. The exceptions are fields of the request itself and elements of lists, which are
// independent of one another.
func newCauses(ps Problems) causes {
	c := causes{map[string]bool{}, map[string]bool{}}
	for _, p := range ps {
		c.values[p.Pointer] = true
		parent, field := splitPointer(p.Pointer)
		if _, err := strconv.Atoi(field); parent != "" && err != nil {
			c.siblings[parent] = true
		}
	}
	return c
}

// explain reports whether the problem at pointer may only be a consequence of another.
func (c causes) explain(pointer string) bool {
	if c.values[pointer] || c.values[""] {
		return true
	}
	for pointer != "" {
		pointer, _ = splitPointer(pointer)
		if pointer != "" && c.values[pointer] || c.siblings[pointer] {
			return true
		}
	}
	return false
}

// splitPointer splits a JSON pointer into that of the parent and the last field or index.
func splitPointer(pointer string) (parent, field string) {
	slash := max(strings.LastIndexByte(pointer, '/'), 0)
	return pointer[:slash], strings.TrimPrefix(pointer[slash:], "/")
}
