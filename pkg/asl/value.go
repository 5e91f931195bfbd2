package asl

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

// null is JSONata's null, which Go's nil is not: nil is "undefined".
var null, _ = gnata.DecodeJSON(json.RawMessage("null"))

// decode reads a JSON text into the values that expressions work on. Numbers keep their digits, so that an integer too
// large for a float64 passes through unchanged.
func decode(text json.RawMessage) (any, error) {
	v, err := gnata.DecodeJSON(text)
	if err != nil {
		return nil, fmt.Errorf("decode %d bytes of JSON: %w", len(text), err)
	}
	return v, nil
}

// withNulls turns nil within a value back into null: gnata hands null to added functions as nil.
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

// encode writes a value that an expression gave as JSON. It fails on what JSON cannot hold: functions, regular
// expressions, numbers that are not finite.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := appendValue(&b, v, 0); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// orderedObject is gnata's own object type, which it does not export.
type orderedObject interface {
	Keys() []string
	Get(key string) (any, bool)
}

func appendValue(b *bytes.Buffer, v any, depth int) error {
	if depth > 10_000 { // as deep as encoding/json reads
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
		return appendString(b, t)
	case json.Number:
		b.WriteString(t.String())
	case float64:
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return errors.New("the number is not finite")
		}
		text, err := json.Marshal(t) // formats as JavaScript does
		if err != nil {
			return fmt.Errorf("encode %v: %w", t, err)
		}
		b.Write(text)
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
		return errors.New("the result holds a function, which JSON cannot hold")
	}
	return nil
}

func appendObject(b *bytes.Buffer, keys []string, get func(string) any, depth int) error {
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := appendString(b, k); err != nil {
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

// appendString writes a JSON string without escaping <, > and &, which would change the size of a payload.
func appendString(b *bytes.Buffer, s string) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return fmt.Errorf("encode a string: %w", err)
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
	return nil
}

// compact removes the space around the tokens of a JSON text and checks it.
func compact(text json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	b.Grow(len(text))
	if err := json.Compact(&b, text); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return b.Bytes(), nil
}
