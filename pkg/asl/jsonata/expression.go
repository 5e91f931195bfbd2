// Package jsonata compiles and evaluates the JSONata expressions of a state machine, with the
// functions that Step Functions adds and with Step Functions' restrictions. It is the only user of
// the JSONata library.
//
// An expression is compiled once and evaluated many times. Its references tell a loader which
// variables and which fields of $states it reads before it ever runs.
//
//	e, problems := jsonata.Compile("$states.input.n + $offset")
//	v, err := e.Eval(ctx, map[string]any{"states": …, "offset": 2.0})
//	text, err := jsonata.Encode(v)
package jsonata

import (
	"context"
	"fmt"

	"github.com/recolabs/gnata"
)

const (
	// maxExpression bounds the source in bytes, because the parser's time grows faster than the
	// text. Expressions that people write have some hundred bytes.
	maxExpression = 32 << 10
	// maxBrackets bounds the recursion of the parser. Real expressions nest a few levels.
	maxBrackets = 200
)

// Expression is a compiled JSONata expression.
type Expression struct {
	Source string
	References
	program *gnata.Expression
}

// Compile compiles source and lists everything that is wrong with it. The expression is nil only if
// source is not valid JSONata.
func Compile(source string) (*Expression, []string) {
	if source == "" {
		return nil, []string{"the expression is empty"}
	}
	if len(source) > maxExpression {
		return nil, []string{fmt.Sprintf("the expression has %d bytes; the limit is %d", len(source), maxExpression)}
	}
	if bracketDepth(source) > maxBrackets {
		return nil, []string{fmt.Sprintf("the expression nests deeper than %d brackets", maxBrackets)}
	}
	program, err := compileProgram(source)
	if err != nil {
		return nil, []string{fmt.Sprintf("not JSONata: %v", err)}
	}
	references, problems := findReferences(source)
	return &Expression{Source: source, References: references, program: program}, problems
}

// Eval evaluates the expression with variables bound by name, without their $. A nil result means
// "undefined".
func (e *Expression) Eval(ctx context.Context, bindings map[string]any) (any, error) {
	return e.program.EvalWithVars(ctx, nil, bindings)
}

// compileProgram turns a panic of the parser into an error.
func compileProgram(source string) (program *gnata.Expression, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser failed: %v", p)
		}
	}()
	return gnata.Compile(source)
}

func bracketDepth(source string) int {
	depth, deepest := 0, 0
	for i := range len(source) {
		switch source[i] {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth--
		}
	}
	return deepest
}
