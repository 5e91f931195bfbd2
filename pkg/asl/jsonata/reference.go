package jsonata

import (
	"fmt"
)

// References lists what an expression reads from outside.
type References struct {
	// Variables are the names that the expression uses, in the order of their first use, without
	// their $. Functions are among them; $states, $ and $$ are not.
	Variables []string
	// Bound are the names that the expression binds itself, anywhere in it. A name bound in one
	// place counts as bound in all, so that no valid expression is refused.
	Bound map[string]bool
	// States holds, for each use of $states, the names of the fields that follow it: [input a] for
	// $states.input.a. It is empty where $states is used as a whole or with a computed field.
	States [][]string
}

// findReferences collects the references of an expression from its tokens, and lists those that
// cannot work.
func findReferences(source string) (r References, problems []string) {
	tokens := lex(source)
	r.Bound = boundNames(tokens)
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		var before token
		if i > 0 {
			before = tokens[i-1]
		}
		top := depth == 0 && !before.is(".") && !before.is("|") // the context here is the expression's own, which is undefined
		switch t.kind {
		case operatorToken:
			switch t.text {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
			}
		case nameToken:
			switch {
			case t.text == "function" || t.text == "λ":
				i = skipSignature(tokens, i)
			case top:
				report("%q at the top level refers to nothing; write $states.input.%s or a variable", t.text, t.text)
			}
		case variableToken:
			switch {
			case t.text == "":
				if top {
					report("$ at the top level refers to nothing; write $states.input")
				}
			case t.text == "$":
				report("$$ refers to nothing; write $states.input")
			case t.text == "states":
				r.States = append(r.States, fieldPath(tokens[i+1:]))
			case t.text == "eval" && !r.Bound["eval"]:
				report("$eval is not available in Step Functions; $parse reads JSON")
			case !seen[t.text]:
				seen[t.text] = true
				r.Variables = append(r.Variables, t.text)
			}
		}
	}
	if r.Bound["states"] {
		report("$states is reserved and cannot be bound")
	}
	return r, problems
}

// fieldPath returns the names that follow as ".a.b".
func fieldPath(tokens []token) []string {
	var names []string
	for len(tokens) >= 2 && tokens[0].is(".") && tokens[1].kind == nameToken {
		names, tokens = append(names, tokens[1].text), tokens[2:]
	}
	return names
}

// boundNames returns the variables that the expression itself binds: x := …, function(x), @x and
// #x.
func boundNames(tokens []token) map[string]bool {
	bound := map[string]bool{}
	for i, t := range tokens {
		if t.kind == nameToken && (t.text == "function" || t.text == "λ") {
			for j := i + 1; j < len(tokens) && !tokens[j].is(")"); j++ {
				if tokens[j].kind == variableToken {
					bound[tokens[j].text] = true
				}
			}
			continue
		}
		if t.kind != variableToken {
			continue
		}
		if i+1 < len(tokens) && tokens[i+1].is(":=") || i > 0 && (tokens[i-1].is("@") || tokens[i-1].is("#")) {
			bound[t.text] = true
		}
	}
	return bound
}

// skipSignature returns the index of the last token of "function(params)<signature>". A type
// signature contains names and operators that are not references.
func skipSignature(tokens []token, i int) int {
	find := func(from int, operator string) int {
		for from < len(tokens) && !tokens[from].is(operator) {
			from++
		}
		return from
	}
	end := find(i+1, ")")
	if end+1 < len(tokens) && tokens[end+1].is("<") {
		end = find(end+1, "{") - 1 // the bracket of the body is counted
	}
	return min(end, len(tokens)-1)
}
