package asl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recolabs/gnata"
)

// maxExpression bounds what the parser is given, whose time grows faster than the text. Expressions that people write
// have some hundred bytes.
const maxExpression = 32 << 10

// expression is a compiled JSONata expression with what can be known of the data it reads.
type expression struct {
	path    string // JSON Pointer to the string that holds it
	source  string
	program *gnata.Expression

	variables []string        // names used, in the order of their first use; $states and $ are not among them
	bound     map[string]bool // those that the expression binds itself, somewhere
	input     bool            // reads $states.input; the others likewise
	result    bool
	errOutput bool
	context   bool
}

// member is one of the fields of $states.
type member string

const (
	inputMember   member = "input"
	resultMember  member = "result"
	errorMember   member = "errorOutput"
	contextMember member = "context"
)

// contextFields are the parts of $states.context that exist here. Step Functions also has StateMachine and Task.
// RedriveTime exists only after a redrive, so that here it is always missing.
var contextFields = map[string][]string{
	"Execution": {"Id", "Input", "Name", "RedriveTime", "StartTime"},
	"State":     {"EnteredTime", "Name", "RetryCount"},
	"Map":       {"Item"},
}

// usage says what the expressions of a field may read.
type usage struct {
	members []member
	mapItem bool // $states.context.Map exists
}

// expressionSource returns the text between {% and %}. isExpression is false for an ordinary string; a string with
// only one of the marks is malformed, as it is for Step Functions.
func expressionSource(s string) (source string, isExpression bool, malformed bool) {
	opens, closes := strings.HasPrefix(s, "{%"), strings.HasSuffix(s, "%}")
	if opens && closes && len(s) >= 4 {
		return strings.TrimSpace(s[2 : len(s)-2]), true, false
	}
	return "", false, opens || closes
}

// compile turns source into an expression and lists what is wrong with it.
func compile(path, source string, u usage) (*expression, []string) {
	if source == "" {
		return nil, []string{"the expression is empty"}
	}
	if len(source) > maxExpression {
		return nil, []string{fmt.Sprintf("the expression has %d bytes; %d are allowed", len(source), maxExpression)}
	}
	if bracketDepth(source) > maxDepth {
		return nil, []string{fmt.Sprintf("the expression nests deeper than %d brackets", maxDepth)}
	}
	program, err := compileProgram(source)
	if err != nil {
		return nil, []string{fmt.Sprintf("not JSONata: %v", err)}
	}
	e := &expression{path: path, source: source, program: program}
	return e, e.analyse(u)
}

// compileProgram keeps a defect of the parser from ending the process.
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

// analyse finds variables, uses of $states and references that cannot work, from the tokens of the expression.
// Names bound anywhere in the expression count as bound everywhere in it, so that nothing sound is refused.
func (e *expression) analyse(u usage) (problems []string) {
	tokens := lex(e.source)
	e.bound = boundNames(tokens)
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		var before token
		if i > 0 {
			before = tokens[i-1]
		}
		top := depth == 0 && !before.is(".") && !before.is("|") // the context here is the expression's own, which is nothing
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
				complain("%q at the top level refers to nothing; write $states.input.%s or a variable", t.text, t.text)
			}
		case variableToken:
			switch {
			case t.text == "":
				if top {
					complain("$ at the top level refers to nothing; write $states.input")
				}
			case t.text == "$":
				complain("$$ refers to nothing; write $states.input")
			case t.text == "states":
				e.states(tokens[i+1:], u, complain)
			case t.text == "eval" && !e.bound["eval"]:
				complain("$eval is not available in Step Functions; $parse reads JSON")
			case seen[t.text]:
			default:
				seen[t.text] = true
				e.variables = append(e.variables, t.text)
			}
		}
	}
	if e.bound["states"] {
		complain("$states is reserved and cannot be bound")
	}
	return problems
}

// states looks at what follows $states.
func (e *expression) states(rest []token, u usage, complain func(string, ...any)) {
	name, rest, ok := step(rest)
	if !ok { // $states as a whole, or a computed field
		e.input, e.context = true, true
		e.result, e.errOutput = u.has(resultMember), u.has(errorMember)
		return
	}
	switch m := member(name); m {
	case inputMember, contextMember, resultMember, errorMember:
		if !u.has(m) {
			complain("$states.%s does not exist in this field", name)
			return
		}
		switch m {
		case inputMember:
			e.input = true
		case resultMember:
			e.result = true
		case errorMember:
			e.errOutput = true
		case contextMember:
			e.context = true
			e.contextPath(rest, u, complain)
		}
	default:
		complain("$states.%s does not exist; $states has input, result, errorOutput and context", name)
	}
}

func (e *expression) contextPath(rest []token, u usage, complain func(string, ...any)) {
	name, rest, ok := step(rest)
	if !ok {
		return
	}
	fields, known := contextFields[name]
	switch {
	case !known:
		complain("$states.context.%s is not supported", name)
		return
	case name == "Map" && !u.mapItem:
		complain("$states.context.Map exists only in an ItemSelector and in the states of an INLINE Map")
		return
	}
	field, rest, ok := step(rest)
	if !ok {
		return
	}
	if !slices.Contains(fields, field) {
		complain("$states.context.%s.%s is not supported", name, field)
		return
	}
	if name != "Map" {
		return
	}
	if last, _, ok := step(rest); ok && last != "Index" && last != "Value" {
		complain("$states.context.Map.Item.%s is not supported", last)
	}
}

func (u usage) has(m member) bool { return slices.Contains(u.members, m) }

// step reads ". name" from the front of tokens.
func step(tokens []token) (name string, rest []token, ok bool) {
	if len(tokens) >= 2 && tokens[0].is(".") && tokens[1].kind == nameToken {
		return tokens[1].text, tokens[2:], true
	}
	return "", tokens, false
}

// boundNames returns the variables that the expression itself binds: x := …, function(x), @x and #x.
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

// skipSignature returns the index of the last token of "function(params)<signature>", whose tokens mean nothing else.
func skipSignature(tokens []token, i int) int {
	find := func(from int, operator string) int {
		for from < len(tokens) && !tokens[from].is(operator) {
			from++
		}
		return from
	}
	end := find(i+1, ")")
	if end+1 < len(tokens) && tokens[end+1].is("<") {
		end = find(end+1, "{") - 1 // the body's bracket is not skipped
	}
	return min(end, len(tokens)-1)
}

type tokenKind int

const (
	noToken tokenKind = iota
	operatorToken
	nameToken
	variableToken
	literalToken
)

type token struct {
	kind tokenKind
	text string // of a variable without its $; "" is $ itself, "$" is $$
}

func (t token) is(operator string) bool { return t.kind == operatorToken && t.text == operator }

// lex splits a sound JSONata expression into tokens. Where a slash begins a regular expression and where it divides
// depends on what stands before it.
func lex(src string) []token {
	var tokens []token
	value := false // the last token ends a value, so an operator follows
	emit := func(t token, endsValue bool) {
		tokens = append(tokens, t)
		value = endsValue
	}
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case strings.IndexByte(" \t\r\n\v", c) >= 0:
			i++
		case strings.HasPrefix(src[i:], "/*"):
			end := strings.Index(src[i+2:], "*/")
			if end < 0 {
				return tokens
			}
			i += end + 4
		case c == '/' && !value:
			i = endOfRegex(src, i)
			emit(token{literalToken, "regex"}, true)
		case c == '"' || c == '\'':
			j := i + 1
			for j < len(src) && src[j] != c {
				if src[j] == '\\' {
					j++
				}
				j++
			}
			i = min(j+1, len(src))
			emit(token{literalToken, "string"}, true)
		case c == '`':
			end := strings.IndexByte(src[i+1:], '`')
			if end < 0 {
				return tokens
			}
			emit(token{nameToken, src[i+1 : i+1+end]}, true)
			i += end + 2
		case c >= '0' && c <= '9':
			i = endOfNumber(src, i)
			emit(token{literalToken, "number"}, true)
		case strings.IndexByte(stopCharacters, c) >= 0:
			op := string(c)
			if i+1 < len(src) && slices.Contains(twoCharacterOperators, src[i:i+2]) {
				op = src[i : i+2]
			}
			i += len(op)
			ends := op == ")" || op == "]" || op == "}"
			if !value && (op == "*" || op == "**" || op == "%") { // wildcard, descendants, parent
				ends = true
			}
			emit(token{operatorToken, op}, ends)
		default:
			j := i
			for j < len(src) && strings.IndexByte(stopCharacters+" \t\r\n\v", src[j]) < 0 {
				j++
			}
			word := src[i:j]
			i = j
			switch {
			case word[0] == '$':
				emit(token{variableToken, word[1:]}, true)
			case value && (word == "and" || word == "or" || word == "in"):
				emit(token{operatorToken, word}, false)
			case word == "true" || word == "false" || word == "null":
				emit(token{literalToken, word}, true)
			default:
				emit(token{nameToken, word}, true)
			}
		}
	}
	return tokens
}

const stopCharacters = ".[]{}(),@#;:?+-*/%|=<>^&!~"

var twoCharacterOperators = []string{"..", ":=", "!=", ">=", "<=", "**", "~>", "?:", "??"}

// endOfRegex returns the index after the regular expression that begins at i, its flags included.
func endOfRegex(src string, i int) int {
	depth := 0
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '/':
			if depth != 0 {
				continue
			}
			rest := strings.TrimLeft(src[i+1:], "im")
			return len(src) - len(rest)
		}
	}
	return len(src)
}

func endOfNumber(src string, i int) int {
	digits := func() {
		for i < len(src) && src[i] >= '0' && src[i] <= '9' {
			i++
		}
	}
	digits()
	if i+1 < len(src) && src[i] == '.' && src[i+1] >= '0' && src[i+1] <= '9' {
		i++
		digits()
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		digits()
	}
	return i
}
