package tool_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
)

var update = flag.Bool("update", false, "rewrite tools.schema.json")

const schemaFile = "tools.schema.json"

func TestSchemaMatchesTheGoTypes(t *testing.T) {
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[int]():
				return &jsonschema.Schema{Type: "integer", Format: "whole"}
			case reflect.TypeFor[json.RawMessage]():
				return &jsonschema.Schema{Type: "object"}
			case reflect.TypeFor[film.Seconds]():
				return &jsonschema.Schema{Type: "number", Format: "seconds"}
			case reflect.TypeFor[tool.Each]():
				return &jsonschema.Schema{Format: "each"}
			}
			return nil
		},
	}
	s := r.Reflect(&tool.Request{})
	s.Title = "Tools of mapreel"
	s.Description = "The tools file of mapreel run, with the source and the destination that its arguments name"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s is outdated; run: go test ./pkg/tool -update\n(-types +file):\n%s", schemaFile, diff)
	}
}
