package asl_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/asl"
)

// evaluate returns the Output of a Pass state with an expression.
func evaluate(t testing.TB, source, input string) (string, error) {
	t.Helper()
	text, err := json.Marshal("{% " + source + " %}")
	if err != nil {
		t.Fatal(err)
	}
	out, err := load(t, machine(`"A": {"Type": "Pass", "Output": `+string(text)+`, "End": true}`)).
		Run(t.Context(), asl.Execution{Input: json.RawMessage(input)})
	return string(out), err
}

func TestAddedFunctionsReturnWhatStepFunctionsReturns(t *testing.T) {
	tests := []struct{ source, want string }{
		{`$partition([1, 2, 3, 4, 5, 6, 7, 8, 9], 4)`, `[[1,2,3,4],[5,6,7,8],[9]]`},
		{`$partition([1, null, {'a': null}], 2)`, `[[1,null],[{"a":null}]]`},
		{`$partition([], 2)`, `[]`},
		{`$partition(5, 2)`, `[[5]]`},
		{`$count($partition($states.input.list, 2))`, `2`},
		{`$range(1, 9, 2)`, `[1,3,5,7,9]`},
		{`$range(3, 1, -1)`, `[3,2,1]`},
		{`$range(0, 10, 3)`, `[0,3,6,9]`},
		{`$range(1, 0, 1)`, `[]`},
		{`$range(5, 6, 4)`, `5`}, // D1: a sequence of one is unwrapped
		{`$range(1, 9, 9)`, `1`},
		{`[$range(1, 9, 9)]`, `[1]`},
		{`$count($range(1, 9, 9))`, `1`},
		{`$partition([1], 2)`, `[[1]]`}, // an array, not a sequence
		{`$parse('-0')`, `0`},           // D2
		{`$states.input.zero`, `0`},
		{`$lookup({'tool:captions': 'arn:a', 'encode': 'arn:b'}, $states.input.class)`, `"arn:a"`},
		{`$exists($lookup({'encode': 'arn:b'}, $states.input.class))`, `false`},
		{`$count($range(1, 1000, 1))`, `1000`},
		{`$hash('input data', 'SHA-1')`, `"aaff4a450a104cd177d28d18d74485e8cae074b7"`},
		{`$hash('', 'MD5')`, `"d41d8cd98f00b204e9800998ecf8427e"`},
		{`$hash('abc', 'SHA-256')`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`$length($hash('abc', 'SHA-384')) & ' ' & $length($hash('abc', 'SHA-512'))`, `"96 128"`},
		{`$hash($states.input.list, 'MD5') = $hash('[1,2,3]', 'MD5')`, `true`},
		{`$random(7) = $random(7) and $random(7) != $random(8)`, `true`},
		{`$random() >= 0 and $random() < 1`, `true`},
		{`$uuid() = $uuid()`, `false`},
		{`$parse('{"b": 1, "a": [null, 12345678901234567890]}')`, `{"b":1,"a":[null,12345678901234567890]}`},
		{`$parse('{"a": {"b": 5}}').a.b + 1`, `6`},
		{`$parse('null')`, `null`},
		{`$exists($parse($states.input.none))`, `false`},
		{`$map([1, 2], function($x) { $hash($string($x), 'MD5') })[1]`, `"c81e728d9d4c2f636f067f89cc14862c"`},
	}
	for _, test := range tests {
		if got, err := evaluate(t, test.source, `{"list": [1, 2, 3], "zero": -0, "class": "tool:captions"}`); err != nil || got != test.want {
			t.Errorf("%s = %s, %v; want %s", test.source, got, err, test.want)
		}
	}
	v4 := regexp.MustCompile(`^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`)
	if got, err := evaluate(t, `$uuid()`, `{}`); err != nil || !v4.MatchString(got) {
		t.Errorf("$uuid() = %s, %v; want a version 4 UUID", got, err)
	}
}

func TestAddedFunctionsRefuseWrongArguments(t *testing.T) {
	for _, source := range []string{
		`$partition([1], 0)`, `$partition([1], 1.5)`, `$partition([1], 'a')`, `$partition([1])`,
		`$range(1, 2, 0)`, `$range(1, 1001, 1)`, `$range(1.5, 2, 1)`, `$range(1, 2)`, `$range('a', 2, 1)`,
		`$range(-9007199254740991, 9007199254740991, 1)`,
		`$hash('a', 'CRC')`, `$hash('a')`, `$parse('{')`, `$parse('')`, `$parse(5)`, `$parse()`, `$random(1, 2)`,
	} {
		got, err := evaluate(t, source, `{}`)
		if err == nil {
			t.Errorf("%s = %s, want an error", source, got)
			continue
		}
		if e := failure(t, err); e.Name != asl.StatesQueryEvaluationError || !strings.Contains(e.Cause, "/States/A/Output") {
			t.Errorf("%s: got %v", source, err)
		}
	}
}

func TestPartitionKeepsEveryElementInOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list := rapid.SliceOfN(rapid.Int32(), 1, 50).Draw(r, "list")
		size := rapid.IntRange(1, 60).Draw(r, "size")
		input, err := json.Marshal(map[string]any{"list": list, "size": size})
		if err != nil {
			r.Fatal(err)
		}
		out, err := evaluate(t, `$partition($states.input.list, $states.input.size)`, string(input))
		if err != nil {
			r.Fatal(err)
		}
		var parts [][]int32
		if err := json.Unmarshal([]byte(out), &parts); err != nil {
			r.Fatalf("%s: %v", out, err)
		}
		var joined []int32
		for i, p := range parts {
			if len(p) != size && i < len(parts)-1 || len(p) == 0 || len(p) > size {
				r.Fatalf("part %d of %v has %d elements, want %d", i, parts, len(p), size)
			}
			joined = append(joined, p...)
		}
		if want, got := len(list), len(joined); want != got {
			r.Fatalf("%d elements, want %d", got, want)
		}
		for i := range list {
			if list[i] != joined[i] {
				r.Fatalf("got %v, want %v", joined, list)
			}
		}
	})
}

func TestVariablesMayHaveTheNamesOfFunctions(t *testing.T) {
	out, err := load(t, machine(`"A": {"Type": "Pass", "Assign": {"count": 42}, "Next": "B"}, "B": {"Type": "Succeed", "Output": "{% [$count, $sum([1, 2])] %}"}`)).
		Run(t.Context(), asl.Execution{})
	if err != nil || string(out) != "[42,3]" {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestValuesPassThroughUnchanged checks that JSON that an expression only passes on keeps its
// members, order and digits.
func TestValuesPassThroughUnchanged(t *testing.T) {
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(r *rapid.T) string {
			kinds := 5
			if depth == 0 {
				kinds = 3
			}
			switch rapid.IntRange(0, kinds-1).Draw(r, "kind") {
			case 0:
				return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(r, "word")
			case 1:
				number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,5})?`).Draw(r, "number")
				if number == "-0" { // becomes 0, as in Step Functions (D2)
					return "0"
				}
				return number
			case 2:
				text, err := compactJSON(rapid.String().Draw(r, "text"))
				if err != nil {
					r.Fatal(err)
				}
				return text
			case 3:
				return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 4).Draw(r, "list"), ",") + "]"
			}
			var members []string
			for _, key := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z<& ]{1,6}`), 0, 4, rapid.ID[string]).Draw(r, "keys") {
				members = append(members, `"`+key+`":`+value(depth-1).Draw(r, "member"))
			}
			return "{" + strings.Join(members, ",") + "}"
		})
	}
	m := load(t, machine(`"A": {"Type": "Pass", "Assign": {"v": "{% $states.input %}"}, "Output": 0, "Next": "B"}, "B": {"Type": "Succeed", "Output": "{% $v %}"}`))
	rapid.Check(t, func(r *rapid.T) {
		want := value(3).Draw(r, "value")
		got, err := m.Run(t.Context(), asl.Execution{Input: json.RawMessage(want)})
		if err != nil || string(got) != want {
			r.Fatalf("got %s, %v\nwant %s", got, err, want)
		}
	})
}

// compactJSON encodes a string as the interpreter does, without escaping <, > and &.
func compactJSON(s string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n"), err
}
