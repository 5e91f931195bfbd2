package jsonata

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestReferencesOfAnExpression(t *testing.T) {
	tests := []struct {
		source string
		free   []string // variables that come from outside
		states string   // paths below $states, joined by dots
	}{
		{`$states.input.a`, nil, "input.a"},
		{`$states.context.State.Name & $states.result.b`, nil, "context.State.Name result.b"},
		{`$states.errorOutput.Error`, nil, "errorOutput.Error"},
		{`$keys($states)`, []string{"keys"}, "."},
		{`$states[input]`, nil, "."},
		{`$x + $y * $x`, []string{"x", "y"}, ""},
		{`($x := $z; $x)`, []string{"z"}, ""},
		{`function($a, $b)<nn:n> { $a + $c }`, []string{"c"}, ""},
		{`$list@$i#$n[$n > $least]`, []string{"list", "least"}, ""},
		{`"$no" & '$no' & "\"$no" & $yes`, []string{"yes"}, ""},
		{`/* $no */ $yes.` + "`$no`", []string{"yes"}, ""},
		{`$contains($text, /$no "'[/](\/)/i) ? $a / $b : $c`, []string{"contains", "text", "a", "b", "c"}, ""},
		{`(1) / $a / 2`, []string{"a"}, ""},
		{`$a.*/$b`, []string{"a", "b"}, ""},
		{`1.5e-3/$a`, []string{"a"}, ""},
	}
	for _, test := range tests {
		r, problems := findReferences(test.source)
		if len(problems) > 0 {
			t.Errorf("%s: %v", test.source, problems)
		}
		free := slices.DeleteFunc(slices.Clone(r.Variables), func(name string) bool { return r.Bound[name] })
		if diff := cmp.Diff(test.free, free); diff != "" && len(test.free)+len(free) > 0 {
			t.Errorf("%s: variables (-want +got):\n%s", test.source, diff)
		}
		var paths []string
		for _, p := range r.States {
			path := strings.Join(p, ".")
			if path == "" {
				path = "."
			}
			paths = append(paths, path)
		}
		if got := strings.Join(paths, " "); got != test.states {
			t.Errorf("%s reads %q of $states, want %q", test.source, got, test.states)
		}
	}
}

// TestAnyTextIsLexedToItsEnd checks that text that the parser refuses could not hang or panic the
// lexer either.
func TestAnyTextIsLexedToItsEnd(t *testing.T) {
	part := rapid.SampledFrom([]string{
		"$", "$$", "$a", "states", ".", "..", "(", ")", "[", "]", "{", "}", "/", "*", "**", "%", "'", `"`, "`", "\\", "/*", "*/",
		"1", "1.", ".5", "1e", "e+", "function", "λ", "<", ">", "@", "#", ":=", " ", "and", "é", "\xff", "|", "~>",
	})
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOf(part).Draw(t, "source"), "")
		for _, tok := range lex(source) {
			if tok.kind == noToken {
				t.Fatalf("%q has a token without a kind", source)
			}
		}
		findReferences(source)
	})
}

func TestNegativeZeroIsWrittenAsZero(t *testing.T) { // D2
	for _, source := range []string{`$parse("-0")`, `-0`, `0 * -1`, `$x`} {
		e, problems := Compile(source)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		x, err := Decode([]byte("-0"))
		if err != nil {
			t.Fatal(err)
		}
		bindings := Functions(func() float64 { return 0 })
		bindings["x"] = x
		v, err := e.Eval(t.Context(), bindings)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := Encode(v); err != nil || string(text) != "0" {
			t.Errorf("%s = %s, %v; want 0", source, text, err)
		}
	}
}
