package asl

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestExpressionsKnowWhatTheyRead(t *testing.T) {
	tests := []struct {
		source string
		free   []string // variables that come from outside
		parts  string   // of $states
	}{
		{`$states.input.a`, nil, "input"},
		{`$states.context.State.Name & $states.result.b`, nil, "result context"},
		{`$states.errorOutput.Error`, nil, "errorOutput"},
		{`$keys($states)`, []string{"keys"}, "input result errorOutput context"},
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
		e := &expression{source: test.source}
		if problems := e.analyse(usage{members: []member{inputMember, resultMember, errorMember, contextMember}}); len(problems) > 0 {
			t.Errorf("%s: %v", test.source, problems)
		}
		free := slices.DeleteFunc(slices.Clone(e.variables), func(name string) bool { return e.bound[name] })
		if diff := cmp.Diff(test.free, free); diff != "" && len(test.free)+len(free) > 0 {
			t.Errorf("%s: variables (-want +got):\n%s", test.source, diff)
		}
		var parts []string
		for _, p := range []struct {
			read bool
			name string
		}{{e.input, "input"}, {e.result, "result"}, {e.errOutput, "errorOutput"}, {e.context, "context"}} {
			if p.read {
				parts = append(parts, p.name)
			}
		}
		if got := strings.Join(parts, " "); got != test.parts {
			t.Errorf("%s reads %q, want %q", test.source, got, test.parts)
		}
	}
}

// TestAnyTextIsLexedToItsEnd holds that what the parser refuses, which it is not given, could not hang or panic it either.
func TestAnyTextIsLexedToItsEnd(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"$", "$$", "$a", "states", ".", "..", "(", ")", "[", "]", "{", "}", "/", "*", "**", "%", "'", `"`, "`", "\\", "/*", "*/",
		"1", "1.", ".5", "1e", "e+", "function", "λ", "<", ">", "@", "#", ":=", " ", "and", "é", "\xff", "|", "~>",
	})
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOf(piece).Draw(t, "source"), "")
		for _, tok := range lex(source) {
			if tok.kind == noToken {
				t.Fatalf("%q has a token of no kind", source)
			}
		}
		(&expression{source: source}).analyse(usage{})
	})
}
