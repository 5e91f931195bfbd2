package definition

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// Expression is a compiled expression of the definition with the fields of $states that it reads.
type Expression struct {
	Path string // JSON Pointer to the string that contains it
	*jsonata.Expression
	Input, Result, ErrorOutput, Context bool
}

// Data supplies the values that expressions read.
type Data interface {
	// Bind returns the variables that e reads, by name, and $states as "states".
	Bind(e *Expression) (map[string]any, error)
}

// EvaluationError is the failure of an expression, or a value of the wrong type.
type EvaluationError struct {
	Path   string // JSON Pointer to the expression
	Reason string // for people; names the path and the expression
	Err    error  // may be nil
}

func (e *EvaluationError) Error() string { return e.Reason }

func (e *EvaluationError) Unwrap() error { return e.Err }

// errUndefined is the failure of an expression without a value, which JSON cannot represent.
var errUndefined = errors.New("the result is undefined")

// eval evaluates the expression. It returns the cause of ctx, and no *EvaluationError, once ctx is
// done.
func (e *Expression) eval(ctx context.Context, d Data) (any, error) {
	bindings, err := d.Bind(e)
	if err != nil {
		return nil, e.fail(err.Error(), err)
	}
	v, err := e.Eval(ctx, bindings)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, e.fail(err.Error(), err)
	case v == nil:
		return nil, e.fail("it returned nothing (undefined)", errUndefined)
	}
	return v, nil
}

func (e *Expression) fail(reason string, err error) *EvaluationError {
	return &EvaluationError{
		Path: e.Path, Err: err, Reason: fmt.Sprintf("%s: the expression %q failed: %s", e.Path, e.Source, reason),
	}
}

// Template is a JSON value of the definition whose strings may be expressions.
type Template struct {
	path     string
	constant json.RawMessage // the value, if it contains no expression
	expr     *Expression     // set if the value is an expression
	kind     nodeKind        // arrayNode or objectNode otherwise
	keys     []string
	parts    []*Template
}

// Eval returns the template's value as compact JSON.
func (t *Template) Eval(ctx context.Context, d Data) (json.RawMessage, error) {
	if t.constant != nil {
		return t.constant, nil
	}
	var b bytes.Buffer
	if err := t.append(ctx, d, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (t *Template) append(ctx context.Context, d Data, b *bytes.Buffer) error {
	if t.constant != nil {
		b.Write(t.constant)
		return nil
	}
	if t.expr != nil {
		v, err := t.expr.eval(ctx, d)
		if err != nil {
			return err
		}
		if err := jsonata.Append(b, v); err != nil {
			return t.expr.fail(err.Error(), err)
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
			if err := jsonata.AppendString(b, t.keys[i]); err != nil {
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

// Text returns the value of a template that must be a string.
func (t *Template) Text(ctx context.Context, d Data) (string, error) {
	raw, err := t.Eval(ctx, d)
	if err != nil {
		return "", err
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", t.Mistyped("a string", raw)
	}
	return *s, nil
}

// Bool returns the value of a template that must be a boolean.
func (t *Template) Bool(ctx context.Context, d Data) (bool, error) {
	raw, err := t.Eval(ctx, d)
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, t.Mistyped("a boolean", raw)
}

// Mistyped returns the error of a template whose value has the wrong type. want is a noun with its
// article.
func (t *Template) Mistyped(want string, got json.RawMessage) *EvaluationError {
	source := string(t.constant)
	if t.expr != nil {
		source = t.expr.Source
	}
	const shown = 200 // bytes of the value; enough to recognise it
	if len(got) > shown {
		got = append(got[:shown:shown], "…"...)
	}
	return &EvaluationError{
		Path: t.path, Reason: fmt.Sprintf("%s: the expression %q must return %s, but returned %s", t.path, source, want, got),
	}
}

// Bounds describes the numbers that a field accepts.
type Bounds struct {
	least, most float64
	whole       bool
}

func (b Bounds) String() string {
	kind := "a number"
	if b.whole {
		kind = "an integer"
	}
	return fmt.Sprintf("%s from %.0f to %.0f", kind, b.least, b.most)
}

func (b Bounds) contain(f float64) bool {
	return f >= b.least && f <= b.most && (!b.whole || f == math.Trunc(f))
}

// Number is a field whose value is a number, either constant or returned by an expression.
type Number struct {
	value float64
	expr  *Template // nil: value
	Bounds
}

// Eval returns the number, or absent for a nil Number.
func (n *Number) Eval(ctx context.Context, d Data, absent float64) (float64, error) {
	switch {
	case n == nil:
		return absent, nil
	case n.expr == nil:
		return n.value, nil
	}
	raw, err := n.expr.Eval(ctx, d)
	if err != nil {
		return 0, err
	}
	var f *float64
	if err := json.Unmarshal(raw, &f); err != nil || f == nil || !n.contain(*f) {
		return 0, n.expr.Mistyped(n.Bounds.String(), raw)
	}
	return *f, nil
}

// Assignment is an Assign field. All its values are evaluated before any variable is set.
type Assignment struct {
	Path   string
	Names  []string
	values []*Template
}

// Eval returns the values in the order of Names; none for a nil Assignment.
func (a *Assignment) Eval(ctx context.Context, d Data) ([]json.RawMessage, error) {
	if a == nil {
		return nil, nil
	}
	values := make([]json.RawMessage, len(a.values))
	for i, t := range a.values {
		v, err := t.Eval(ctx, d)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}
