package film

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/film/preset"
)

// MaxRequest is the size in bytes of the largest request: the payload limit of Step Functions.
const MaxRequest = 256 << 10

// Parse reads a request from JSON and checks everything that can be checked without its source. The error is of kind
// fault.Invalid and holds Problems: the first maxProblems of them, except those that may only be a consequence of another.
//
// It is stricter than encoding/json: field names are case-sensitive, an unknown field is a problem, and null, an explicit
// zero or an empty text do not stand for a default. If a name occurs twice, the last one counts.
func Parse(data []byte) (Request, error) {
	invalid := func(message string) (Request, error) { return Request{}, Problems{{"", message}}.Err() }
	if len(data) > MaxRequest {
		return invalid(fmt.Sprintf("too long: %d bytes of at most %d", len(data), MaxRequest))
	}
	tree, err := DecodeJSON(data)
	if err != nil {
		return invalid(err.Error())
	}
	applyPresets(tree)
	shape, bounds, valid := requestSchema.validate(tree)
	// Decode the tree, not data: if a name occurs twice, encoding/json would mix both values.
	text, err := json.Marshal(valid)
	if err != nil {
		return invalid(err.Error())
	}
	var problems Problems
	for _, v := range shape {
		problems = append(problems, v.problem())
	}
	var req Request
	if err := json.Unmarshal(text, &req); err != nil {
		if len(problems) > 0 { // a list of numbers has null in the place of a value that was removed
			return Request{}, problems.bounded().Err()
		}
		return invalid(err.Error())
	}
	checks := req.Check()
	open, failed := newCauses(problems), newCauses(checks)
	for _, v := range bounds {
		if p := v.problem(); !failed.explain(p.Pointer) {
			problems = append(problems, p)
		}
	}
	for _, p := range checks {
		if !open.explain(p.Pointer) {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return Request{}, problems.bounded().Err()
	}
	return req, nil
}

// applyPresets puts the settings of the presets that outputs name in the place of their names. A name that is unknown, or of an output
// that no preset is for, stays for Check to report.
func applyPresets(tree any) {
	object, _ := tree.(map[string]any)
	outputs, _ := object["outputs"].([]any)
	for _, o := range outputs {
		output, _ := o.(map[string]any)
		name, _ := output["preset"].(string)
		container, _ := output["container"].(string)
		if p, ok := preset.Named(name); ok && !Container(container).Preview() {
			delete(output, "preset")
			p.Apply(output)
		}
	}
}

// DecodeJSON decodes one JSON value into maps, slices and json.Number. Its errors name line and column. Before decoding
// it refuses what would be expensive to process: nesting deeper than MaxDepth, and numbers of too many digits.
func DecodeJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not JSON: it has bytes that are not UTF-8")
	}
	if err := checkCost(data); err != nil {
		return nil, err
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("not JSON: %s", describeSyntax(err, data))
	}
	if rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, fmt.Errorf("not JSON: %s: text follows its end", position(data, len(data)-len(rest)))
	}
	return tree, nil
}

func describeSyntax(err error, data []byte) string {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	case errors.As(err, &syntax):
		return fmt.Sprintf("%s: %v", position(data, int(syntax.Offset)-1), err)
	}
	return err.Error()
}

// position returns the line and column of data[offset].
func position(data []byte, offset int) string {
	before := data[:min(max(offset, 0), len(data))]
	return fmt.Sprintf("line %d, column %d", 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n'))
}

// MaxDepth is the deepest nesting of objects and lists in the text of a request. A request needs 4.
const MaxDepth = 64

// Limits of the text of a number, in digits. Exact arithmetic on 1e999999 takes milliseconds and megabytes.
const (
	maxDigits   = 100
	maxExponent = 3
)

// checkCost returns an error if data nests too deep or has a number with too many digits. data need not be valid JSON.
func checkCost(data []byte) error {
	depth, digits, limit := 0, 0, maxDigits // limit is that of the digits at this point
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			if digits++; digits > limit {
				return fmt.Errorf("%s: more than %d digits", position(data, i), limit)
			}
		case '.', '+', '-':
		case 'e', 'E':
			digits, limit = 0, maxExponent
		default:
			digits, limit = 0, maxDigits
			switch c {
			case '"':
				i += stringLength(data[i+1:])
			case '[', '{':
				if depth++; depth > MaxDepth {
					return fmt.Errorf("%s: nested more than %d deep", position(data, i), MaxDepth)
				}
			case ']', '}':
				depth--
			}
		}
	}
	return nil
}

// stringLength returns the length of the JSON string that begins after a quote, with the quote at its end.
func stringLength(data []byte) int {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}
