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

var update = flag.Bool("update", false, "rewrite the schemas")

func TestSchemasMatchTheGoTypes(t *testing.T) {
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
			case reflect.TypeFor[tool.Secrets]():
				return &jsonschema.Schema{Format: "secrets"}
			}
			return nil
		},
	}
	for _, document := range []struct {
		file, title, description string
		of                       any
	}{
		{"tools.schema.json", "Tools of mapreel", "The tools file of mapreel run, with the source and the destination that its arguments name", &tool.Request{}},
		{"order.schema.json", "Request for tools", "A request that a deployment of mapreel runs tools which it has", &tool.Order{}},
	} {
		s := r.Reflect(document.of)
		s.Title, s.Description = document.title, document.description
		compare(t, document.file, s)
	}
}

// compare compares a schema with its file.
func compare(t *testing.T, schemaFile string, s *jsonschema.Schema) {
	t.Helper()
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
