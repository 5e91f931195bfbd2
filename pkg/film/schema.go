package film

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mapreel/mapreel/pkg/price"
)

// schemaJSON is generated from the Go types by TestSchemaMatchesTheGoTypes.
//
//go:embed request.schema.json
var schemaJSON []byte

// RequestSchema returns the JSON Schema of a request. The caller owns the bytes.
func RequestSchema() []byte { return bytes.Clone(schemaJSON) }

// formats are the formats of the schema. Each returns an error for a value that the Go type of the field cannot hold.
var formats = []*jsonschema.Format{
	{Name: "whole", Validate: func(v any) error {
		// Stricter than the type integer of JSON Schema, which includes 1080.0 and 1e3.
		n, _ := v.(json.Number)
		if _, err := strconv.Atoi(n.String()); err != nil {
			return errors.New("must be a whole number, without point or exponent")
		}
		return nil
	}},
	{Name: "seconds", Validate: unmarshals[Seconds]},
	{Name: "loudness", Validate: unmarshals[Loudness]},
	{Name: "bitrate", Validate: unmarshals[Bitrate]},
	{Name: "bytes", Validate: unmarshals[Bytes]},
	{Name: "frameRate", Validate: unmarshals[FrameRate]},
	{Name: "aspect", Validate: unmarshals[Aspect]},
	{Name: "money", Validate: unmarshals[price.Money]},
}

// unmarshals returns the error of T's own UnmarshalJSON for v.
func unmarshals[T any, P interface {
	*T
	json.Unmarshaler
}](v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return P(new(T)).UnmarshalJSON(data)
}

// compiledSchema is a schema and its parts by their locations, which the errors of the validator name.
type compiledSchema struct {
	root  *jsonschema.Schema
	parts map[string]*jsonschema.Schema
}

// requestSchema is the schema of a request.
var requestSchema = NewSchema("request", schemaJSON, nil)

// Schema is a JSON Schema whose violations are described as problems. The request of another kind of work has one of its own.
type Schema struct{ compile func() compiledSchema }

// NewSchema returns the schema in text, which the program embeds: one that is not valid panics at its first use. It is compiled
// then, because most commands parse nothing. Its strings may have the formats of a request's, and those of formats, by their
// names: each returns an error for a value that the field cannot hold.
func NewSchema(name string, text []byte, more map[string]func(any) error) Schema {
	return Schema{sync.OnceValue(func() compiledSchema {
		url := "https://github.com/mapreel/mapreel/" + name + ".schema.json" // never fetched
		c := jsonschema.NewCompiler()
		for _, f := range formats {
			c.RegisterFormat(f)
		}
		for name, validate := range more {
			c.RegisterFormat(&jsonschema.Format{Name: name, Validate: validate})
		}
		c.AssertFormat()
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource(url, doc)
		}
		if err != nil {
			panic("film: an embedded schema: " + err.Error())
		}
		s := compiledSchema{c.MustCompile(url), map[string]*jsonschema.Schema{}}
		s.index(s.root)
		return s
	})}
}

// Decode decodes a JSON document that must follow the schema into value. The error is of kind fault.Invalid and holds Problems.
func (schema Schema) Decode(data []byte, value any) error {
	tree, err := DecodeJSON(data)
	if err != nil {
		return Problems{{"", err.Error()}}.Err()
	}
	shape, bounds, valid := schema.validate(tree)
	if problems := append(shape, bounds...); len(problems) > 0 {
		slices.SortFunc(problems, violation.compare)
		var ps Problems
		for _, v := range problems {
			ps = append(ps, v.problem())
		}
		return ps.bounded().Err()
	}
	// Decode the tree, not data: if a name occurs twice, encoding/json would mix both values.
	text, err := json.Marshal(valid)
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return Problems{{"", err.Error()}}.Err()
	}
	return nil
}

func (s compiledSchema) index(part *jsonschema.Schema) {
	s.parts[part.Location] = part
	for _, p := range part.Properties {
		s.index(p)
	}
	if p, ok := part.AdditionalProperties.(*jsonschema.Schema); ok {
		s.index(p)
	}
	if part.Items2020 != nil {
		s.index(part.Items2020)
	}
}

// violation is a value that the schema does not allow.
type violation struct {
	path    []string // of the value, as in a JSON pointer without escapes
	message string
}

func (v violation) problem() Problem { return Problem{pointerTo(v.path), v.message} }

// pointerTo returns the JSON pointer of path.
func pointerTo(path []string) string {
	pointer := ""
	for _, step := range path {
		pointer += "/" + PointerStep(step)
	}
	return pointer
}

// PointerStep returns a name as a step of a JSON pointer (RFC 6901).
func PointerStep(name string) string { return pointerEscapes.Replace(name) }

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// compare orders violations by path, with indices as numbers.
func (v violation) compare(w violation) int {
	return slices.CompareFunc(v.path, w.path, func(a, b string) int {
		if isIndex(a) && isIndex(b) {
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		}
		return cmp.Compare(a, b)
	})
}

func isIndex(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// maxElements bounds the work of the validation: the elements of longer lists are not validated. It is far above the
// longest list of a valid request.
const maxElements = 100

// longLists appends the lists in v with more than maxElements elements to list, and returns it.
func longLists(list []violation, path []string, v any) []violation {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			list = longLists(list, append(path, name), field)
		}
	case []any:
		if len(v) > maxElements {
			return append(list, violation{slices.Clone(path), fmt.Sprintf("is far too long, with %d elements", len(v))})
		}
		for i, element := range v {
			list = longLists(list, append(path, strconv.Itoa(i)), element)
		}
	}
	return list
}

// validate validates a decoded JSON document. shape are the values that a Request cannot hold: of the wrong type,
// unknown fields, lists that are far too long, and explicit zeros that it could not tell from absent ones. bounds are values out of bounds and missing
// fields, which Check explains better in most cases.
//
// It also returns the document without the values of shape. Elements of lists become null, so that others keep their index.
func (schema Schema) validate(tree any) (shape, bounds []violation, valid any) {
	s := schema.compile()
	shape = longLists(nil, nil, tree)
	long := map[string]bool{}
	for _, v := range shape {
		long[pointerTo(v.path)] = true
		tree = remove(tree, v.path)
	}
	var failed *jsonschema.ValidationError
	if err := s.root.Validate(tree); !errors.As(err, &failed) {
		return shape, nil, tree
	}
	for _, e := range leaves(failed) {
		if len(long) > 0 && long[pointerTo(e.InstanceLocation)] {
			continue // its elements were not validated
		}
		path, value := e.InstanceLocation, valueAt(tree, e.InstanceLocation)
		field := func(name string) []string { return append(slices.Clone(path), name) }
		switch k := e.ErrorKind.(type) {
		case *kind.AdditionalProperties:
			unknown := "is not a field; the fields are: " + strings.Join(slices.Sorted(maps.Keys(s.parts[e.SchemaURL].Properties)), ", ")
			for _, name := range k.Properties {
				shape = append(shape, violation{field(name), unknown})
			}
		case *kind.Required:
			for _, name := range k.Missing {
				bounds = append(bounds, violation{field(name), "is required"})
			}
		case *kind.Type:
			shape = append(shape, violation{path, s.describeType(e.SchemaURL, k.Want, value)})
		case *kind.Format:
			shape = append(shape, violation{path, k.Err.Error()})
		default:
			if zero := describeZero(value); zero != "" && !s.required(e.SchemaURL) {
				shape = append(shape, violation{path, zero})
				break
			}
			bounds = append(bounds, violation{path, k.LocalizedString(message.NewPrinter(language.English))})
		}
	}
	for _, v := range shape {
		tree = remove(tree, v.path)
	}
	slices.SortFunc(shape, violation.compare)
	slices.SortFunc(bounds, violation.compare)
	return shape, bounds, tree
}

// leaves returns the errors without causes in the tree of e.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var list []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		list = append(list, leaves(cause)...)
	}
	return list
}

// describeType returns the message for a value of the wrong type.
func (s compiledSchema) describeType(url string, want []string, value any) string {
	if f := s.parts[url].Format; f != nil {
		if err := f.Validate(value); err != nil {
			return err.Error()
		}
	}
	switch want[0] {
	case "array":
		return "must be a list"
	case "boolean":
		return "must be true or false"
	case "object":
		return "must be an object"
	}
	return "must be a " + want[0]
}

// describeZero returns the message for an explicit zero or empty text, or "" for any other value.
func describeZero(value any) string {
	switch value := value.(type) {
	case json.Number:
		if n, err := value.Float64(); err == nil && n == 0 {
			return "0 is too small; leave it out for the default"
		}
	case string:
		if value == "" {
			return "is empty; leave it out for the default"
		}
	}
	return ""
}

// required reports whether the field that the part of the schema at url describes is a required one.
func (s compiledSchema) required(url string) bool {
	object, name, ok := cutLast(url, "/properties/")
	return ok && slices.Contains(s.parts[object].Required, name)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// valueAt returns the value at path, which must exist.
func valueAt(tree any, path []string) any {
	for _, step := range path {
		switch node := tree.(type) {
		case map[string]any:
			tree = node[step]
		case []any:
			i, _ := strconv.Atoi(step)
			tree = node[i]
		}
	}
	return tree
}

// remove removes the value at path from tree and returns tree, which is an empty object if path is empty.
func remove(tree any, path []string) any {
	if len(path) == 0 {
		return map[string]any{}
	}
	last := path[len(path)-1]
	switch parent := valueAt(tree, path[:len(path)-1]).(type) {
	case map[string]any:
		delete(parent, last)
	case []any:
		i, _ := strconv.Atoi(last)
		parent[i] = nil
	}
	return tree
}
