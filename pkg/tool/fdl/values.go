package fdl

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
)

// walk names every field that is not read. at are the steps to v, with [] for an element of a list.
func (t *translator) walk(pointer string, at []string, v any) {
	if len(at) > 0 {
		switch f, ok := find(at); {
		case ok && f.verdict == ignored:
			t.note(pointer, "ignored: %s", f.why)
			return
		case ok && f.verdict == refused && !isEmpty(v):
			t.refuse(pointer, "%s", f.why)
			return
		case ok:
			return
		case !isParent(at):
			t.refuse(pointer, "is no field of FDL that mapreel knows")
			return
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			t.walk(pointer+"/"+film.PointerStep(name), append(slices.Clone(at), name), v[name])
		}
	case []any:
		for i, e := range v {
			t.walk(pointer+"/"+strconv.Itoa(i), append(slices.Clone(at), "[]"), e)
		}
	case nil:
	default:
		t.refuse(pointer, "must be an object or a list")
	}
}

// find returns what becomes of the field at some steps.
func find(at []string) (field, bool) {
	for _, f := range fields {
		if steps := f.steps(); len(steps) == len(at) && leads(at, steps) {
			return f, true
		}
	}
	return field{}, false
}

// isParent reports whether fields lie below some steps.
func isParent(at []string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return leads(at, f.steps()) })
}

// steps returns the path as steps.
func (f field) steps() []string { return strings.Split(strings.ReplaceAll(f.path, "[]", ".[]"), ".") }

// leads reports whether steps are the first ones of a pattern.
func leads(at, pattern []string) bool {
	if len(at) > len(pattern) {
		return false
	}
	for i, step := range at {
		if pattern[i] != step && (pattern[i] != "*" || step == "[]") {
			return false
		}
	}
	return true
}

// isEmpty reports whether a value asks for nothing.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, e := range v {
			if !isEmpty(e) {
				return false
			}
		}
		return true
	}
	return false
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any) // walk has checked the types
	return o
}

func array(v any) []any {
	list, _ := v.([]any)
	return list
}

// plain returns the text of a number or a truth value.
func plain(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func (t *translator) text(pointer string, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	t.refuse(pointer, "must be a text")
	return ""
}

// texts reads a list of texts, or one text.
func (t *translator) texts(pointer string, v any) (list []string) {
	if s, ok := v.(string); ok && s != "" {
		return []string{s}
	}
	if _, ok := v.([]any); !ok && !isEmpty(v) {
		t.refuse(pointer, "must be a list of texts")
	}
	for i, e := range array(v) {
		if s, ok := e.(string); ok && s != "" {
			list = append(list, s)
			continue
		}
		t.refuse(fmt.Sprintf("%s/%d", pointer, i), "must be a text")
	}
	return list
}

func (t *translator) flag(pointer string, v any) bool {
	b, ok := v.(bool)
	if v != nil && !ok {
		t.refuse(pointer, "must be true or false")
	}
	return b
}

// number reads a positive whole number.
func (t *translator) number(pointer string, v any, absent int) int {
	if v == nil {
		return absent
	}
	var f float64
	err := error(nil)
	switch v := v.(type) {
	case float64:
		f = v
	case int:
		f = float64(v)
	case int64:
		f = float64(v)
	case uint64:
		f = float64(v)
	case json.Number:
		f, err = v.Float64()
	case string:
		f, err = strconv.ParseFloat(v, 64)
	}
	if err != nil || f < 1 || f > math.MaxInt32 || f != math.Trunc(f) {
		t.refuse(pointer, "must be a whole number, at least 1")
		return absent
	}
	return int(f)
}

var quantity = regexp.MustCompile(`^([0-9]+)(Mi|Gi|M|G)$`)

// quantity reads an amount of memory as Kubernetes writes it, and returns MB.
func (t *translator) quantity(pointer string, v any) int {
	const absent = 256 // OSCAR's default
	if v == nil {
		return absent
	}
	parts := quantity.FindStringSubmatch(fmt.Sprint(v))
	if parts == nil {
		t.refuse(pointer, "must be an amount of memory, such as 512Mi or 1Gi")
		return absent
	}
	n := t.number(pointer, parts[1], absent)
	if strings.HasPrefix(parts[2], "G") {
		return n << 10
	}
	return n
}
