package requestfile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// Draft is a request under construction: its JSON tree and the origin of each value, so that a problem can name the flag
// or the line that caused it.
type Draft struct {
	Tree  map[string]any
	Flags map[string]string // JSON pointer → the flag or argument that set it
	File  *File             // of --request; nil if there is none

	Ladder *File // of --ladder; nil if there is none
}

// NewDraft returns an empty request.
func NewDraft() *Draft { return &Draft{Tree: map[string]any{}, Flags: map[string]string{}} }

// IsEmptyList reports whether a value of a tree is a list without elements.
func IsEmptyList(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) == 0
}

// SetText sets a value that a flag gives, and nothing without the flag.
func (d *Draft) SetText(pointer, value, flag string) {
	if value != "" {
		d.Set(pointer, value, flag)
	}
}

// SetNumber sets a value that a flag gives, and nothing without the flag.
func (d *Draft) SetNumber(pointer string, value *int, flag string) {
	if value != nil {
		d.Set(pointer, *value, flag)
	}
}

// Set sets the value at pointer and creates the objects and lists on the way. If a value on the way has the wrong type it
// does nothing: the validation of the request reports that.
func (d *Draft) Set(pointer string, value any, flag string) {
	if flag != "" {
		d.Flags[pointer] = flag
	}
	var node any = d.Tree
	steps := strings.Split(pointer, "/")[1:]
	for i, step := range steps {
		last := i == len(steps)-1
		switch parent := node.(type) {
		case map[string]any:
			if last {
				parent[step] = value
				return
			}
			if parent[step] == nil || IsEmptyList(parent[step]) {
				parent[step] = map[string]any{}
				if steps[i+1] == "0" {
					parent[step] = []any{map[string]any{}}
				}
			}
			node = parent[step]
		case []any:
			var index int
			if _, err := fmt.Sscan(step, &index); err != nil || index >= len(parent) {
				return
			}
			node = parent[index]
		default:
			return
		}
	}
}

// Invalid returns an error that reports each problem once, with the flag or the line that caused it.
func (d *Draft) Invalid(ps film.Problems) error {
	var described film.Problems
	for _, p := range ps {
		if q := (film.Problem{Message: d.Describe(p)}); !slices.Contains(described, q) {
			described = append(described, q)
		}
	}
	return &fault.Error{Kind: fault.Invalid, Err: described}
}

// Describe returns the text of p with the flag that caused it, or with its position in the file.
func (d *Draft) Describe(p film.Problem) string {
	if d.Ladder != nil {
		if _, rung, ok := strings.Cut(p.Pointer, "/video/"); ok && strings.HasPrefix(p.Pointer, "/outputs/") {
			flag := d.Flags[p.Pointer]
			p.Pointer = "/video/" + rung
			if flag != "" { // the default of a rung that does not set the field
				return fmt.Sprintf("%s: %s (for %s of %s)", flag, p.Message, p.Pointer, d.Ladder.Name)
			}
			if line, column, ok := d.Ladder.Find(p.Pointer); ok {
				return fmt.Sprintf("%s:%d:%d: %s", d.Ladder.Name, line, column, p)
			}
		}
	}
	if flag := d.Flags[p.Pointer]; flag != "" {
		return flag + ": " + p.Message
	}
	if d.File != nil {
		if line, column, ok := d.File.Find(p.Pointer); ok {
			return fmt.Sprintf("%s:%d:%d: %s", d.File.Name, line, column, p)
		}
	}
	var beneath []string
	for pointer, flag := range d.Flags {
		if strings.HasPrefix(pointer, p.Pointer+"/") && !slices.Contains(beneath, flag) {
			beneath = append(beneath, flag)
		}
	}
	if len(beneath) > 0 && p.Pointer != "" {
		slices.Sort(beneath)
		return strings.Join(beneath, ", ") + ": " + p.Message
	}
	if d.File == nil {
		return p.String()
	}
	// The file does not say it: what it is missing in has a position.
	for at := path.Dir(p.Pointer); len(at) > 1; at = path.Dir(at) {
		if line, column, ok := d.File.Find(at); ok {
			return fmt.Sprintf("%s:%d:%d: %s", d.File.Name, line, column, p)
		}
	}
	return d.File.Name + ": " + p.String()
}
