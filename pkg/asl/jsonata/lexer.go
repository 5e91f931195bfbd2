package jsonata

import (
	"slices"
	"strings"
)

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
	text string // a variable's name without its $; "" is $ itself, "$" is $$
}

func (t token) is(operator string) bool { return t.kind == operatorToken && t.text == operator }

// lex splits a valid JSONata expression into tokens. A slash divides after a value and begins a
// regular expression anywhere else.
func lex(src string) []token {
	var tokens []token
	value := false // whether the last token ends a value, so that an operator follows
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

// endOfRegex returns the index after the regular expression that begins at i, including its flags.
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

// endOfNumber returns the index after the number that begins at i.
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
