package asl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// template is a JSON value of the definition whose strings may be expressions.
type template struct {
	path     string
	constant json.RawMessage // the value when it holds no expression
	expr     *expression     // the value when it is one
	kind     nodeKind        // arrayNode or objectNode otherwise
	keys     []string
	parts    []*template
}

// eval gives the template's value as compact JSON.
func (t *template) eval(ctx context.Context, d *data) (json.RawMessage, error) {
	if t.constant != nil {
		return t.constant, nil
	}
	var b bytes.Buffer
	if err := t.append(ctx, d, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (t *template) append(ctx context.Context, d *data, b *bytes.Buffer) error {
	if t.constant != nil {
		b.Write(t.constant)
		return nil
	}
	if t.expr != nil {
		v, err := d.eval(ctx, t.expr)
		if err != nil {
			return err
		}
		if err := appendValue(b, v, 0); err != nil {
			return t.expr.failed(err.Error(), err)
		}
		return nil
	}
	open, end := byte('['), byte(']')
	if t.kind == objectNode {
		open, end = '{', '}'
	}
	b.WriteByte(open)
	for i, p := range t.parts {
		if i > 0 {
			b.WriteByte(',')
		}
		if t.kind == objectNode {
			if err := appendString(b, t.keys[i]); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := p.append(ctx, d, b); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

// text gives the value of a template that must be a string.
func (t *template) text(ctx context.Context, d *data) (string, error) {
	raw, err := t.eval(ctx, d)
	if err != nil {
		return "", err
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", t.mistyped("a string", raw)
	}
	return *s, nil
}

// truth gives the value of a template that must be a boolean.
func (t *template) truth(ctx context.Context, d *data) (bool, error) {
	raw, err := t.eval(ctx, d)
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, t.mistyped("a boolean", raw)
}

func (t *template) mistyped(want string, got json.RawMessage) *Error {
	source := string(t.constant)
	if t.expr != nil {
		source = t.expr.source
	}
	const shown = 200 // bytes of the value; enough to recognise it
	if len(got) > shown {
		got = append(got[:shown:shown], "…"...)
	}
	return &Error{
		Name: StatesQueryEvaluationError, location: t.path,
		Cause: fmt.Sprintf("%s: the expression %q must give %s, but gave %s", t.path, source, want, got),
	}
}

// failed returns the error of an expression that could not be evaluated.
func (e *expression) failed(why string, err error) *Error {
	return &Error{
		Name: StatesQueryEvaluationError, location: e.path, Err: err,
		Cause: fmt.Sprintf("%s: the expression %q failed: %s", e.path, e.source, why),
	}
}

// bounds says which numbers a field takes.
type bounds struct {
	least, most float64
	whole       bool
}

func (b bounds) String() string {
	kind := "a number"
	if b.whole {
		kind = "an integer"
	}
	return fmt.Sprintf("%s from %.0f to %.0f", kind, b.least, b.most)
}

func (b bounds) hold(f float64) bool {
	return f >= b.least && f <= b.most && (!b.whole || f == math.Trunc(f))
}

// number is a field whose value is a number, written out or given by an expression.
type number struct {
	value float64
	expr  *template // nil: value
	bounds
}

// eval gives the number, or otherwise when the field is absent.
func (n *number) eval(ctx context.Context, d *data, otherwise float64) (float64, error) {
	switch {
	case n == nil:
		return otherwise, nil
	case n.expr == nil:
		return n.value, nil
	}
	raw, err := n.expr.eval(ctx, d)
	if err != nil {
		return 0, err
	}
	var f *float64
	if err := json.Unmarshal(raw, &f); err != nil || f == nil || !n.hold(*f) {
		return 0, n.expr.mistyped(n.bounds.String(), raw)
	}
	return *f, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// assignment is an Assign field: variables and their values, all evaluated before any is set.
type assignment struct {
	path   string
	names  []string
	values []*template
}

func (a *assignment) eval(ctx context.Context, d *data) ([]json.RawMessage, error) {
	if a == nil {
		return nil, nil
	}
	values := make([]json.RawMessage, len(a.values))
	total := 0
	for i, t := range a.values {
		v, err := t.eval(ctx, d)
		if err != nil {
			return nil, err
		}
		if total += len(v); total > maxPayload {
			return nil, tooLarge(a.path+" sets variables of", total, maxPayload)
		}
		values[i] = v
	}
	return values, nil
}
