package jsonata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/recolabs/gnata"
)

// maxValueDepth is the nesting that encoding/json accepts when it reads a value.
const maxValueDepth = 10_000

// null is JSONata's null. Go's nil means "undefined".
var null, _ = gnata.DecodeJSON(json.RawMessage("null"))

// Decode parses JSON into the values that expressions work on. Numbers keep their digits, so an
// integer too large for a float64 passes through unchanged.
func Decode(text json.RawMessage) (any, error) {
	v, err := gnata.DecodeJSON(text)
	if err != nil {
		return nil, fmt.Errorf("decode %d bytes of JSON: %w", len(text), err)
	}
	return v, nil
}

// Encode writes the result of an expression as compact JSON. It fails on values that JSON cannot
// represent: functions, regular expressions and numbers that are not finite.
func Encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := Append(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Append is Encode into b.
func Append(b *bytes.Buffer, v any) error { return appendValue(b, v, 0) }

// AppendString writes s as a JSON string. It does not escape <, > and &, because that would change
// payload sizes.
func AppendString(b *bytes.Buffer, s string) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return fmt.Errorf("encode a string: %w", err)
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
	return nil
}

// Compact validates a JSON text and removes the white space between its tokens.
func Compact(text json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	b.Grow(len(text))
	if err := json.Compact(&b, text); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return b.Bytes(), nil
}

// JoinArray returns the JSON array of the given elements.
func JoinArray(elements []json.RawMessage) json.RawMessage {
	size := 2 + len(elements)
	for _, e := range elements {
		size += len(e)
	}
	b := append(make([]byte, 0, size), '[')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']')
}

// withNulls restores null within a value: gnata passes null to custom functions as nil.
func withNulls(v any) any {
	switch t := v.(type) {
	case nil:
		return null
	case []any:
		list := make([]any, len(t))
		for i := range t {
			list[i] = withNulls(t[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(t))
		for k, e := range t {
			object[k] = withNulls(e)
		}
		return object
	}
	return v
}

// orderedObject is implemented by gnata's object type, which gnata does not export.
type orderedObject interface {
	Keys() []string
	Get(key string) (any, bool)
}

func appendValue(b *bytes.Buffer, v any, depth int) error {
	if depth > maxValueDepth {
		return errors.New("the value nests too deeply")
	}
	switch t := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		if t {
			b.WriteString("true")
		} else {
			b.WriteString("false")
		}
	case string:
		return AppendString(b, t)
	case json.Number:
		if t == "-0" { // Step Functions writes negative zero as 0
			t = "0"
		}
		b.WriteString(t.String())
	case float64:
		return appendFloat(b, t)
	case []any:
		b.WriteByte('[')
		for i, e := range t {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendValue(b, e, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case orderedObject:
		return appendObject(b, t.Keys(), func(k string) any { e, _ := t.Get(k); return e }, depth)
	case map[string]any:
		return appendObject(b, slices.Sorted(maps.Keys(t)), func(k string) any { return t[k] }, depth)
	default:
		if gnata.IsNull(v) {
			b.WriteString("null")
			return nil
		}
		switch n := gnata.NormalizeValue(v).(type) { // a sequence
		case nil, bool, string, json.Number, float64, []any, map[string]any:
			return appendValue(b, n, depth+1)
		}
		return errors.New("the result contains a function, which JSON cannot represent")
	}
	return nil
}

func appendFloat(b *bytes.Buffer, f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("the number is not finite")
	}
	if f == 0 {
		f = 0 // Step Functions writes negative zero as 0
	}
	text, err := json.Marshal(f) // formats as JavaScript does
	if err != nil {
		return fmt.Errorf("encode %v: %w", f, err)
	}
	b.Write(text)
	return nil
}

func appendObject(b *bytes.Buffer, keys []string, get func(string) any, depth int) error {
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := AppendString(b, k); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := appendValue(b, get(k), depth+1); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}
