package statemachine

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

var update = flag.Bool("update", false, "rewrite request.schema.json")

const schemaFile = "request.schema.json"

func TestSchemaIsThatOfParse(t *testing.T) {
	want := film.RequestSchema()
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is outdated; run: go test ./statemachine -update\n(-film +file):\n%s", schemaFile, diff)
	}
}

// acceptedBySchema validates each document with ajv, an independent implementation of JSON Schema.
func acceptedBySchema(t *testing.T, documents [][]byte) []bool {
	t.Helper()
	if _, err := os.Stat("../node_modules/ajv"); err != nil {
		t.Fatal("ajv is not installed; run: make setup")
	}
	const program = `
		const {default: Ajv} = require("ajv/dist/2020");
		const formats = {whole: true, seconds: true, loudness: true, bitrate: true, bytes: true, frameRate: true, aspect: true, money: true}; // ignored, as editors do
		const {schema, documents} = JSON.parse(require("fs").readFileSync(0));
		const valid = new Ajv({strict: true, allowUnionTypes: true, formats}).compile(schema);
		console.log(JSON.stringify(documents.map(d => valid(d))));`
	raw := make([]json.RawMessage, len(documents))
	for i, d := range documents {
		raw[i] = d
	}
	input, err := json.Marshal(map[string]any{"schema": json.RawMessage(film.RequestSchema()), "documents": raw})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "-e", program)
	cmd.Dir, cmd.Stdin, cmd.Stderr = "..", bytes.NewReader(input), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run ajv: %v", err)
	}
	var accepted []bool
	if err := json.Unmarshal(out, &accepted); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return accepted
}

func TestExamplesAreValidRequests(t *testing.T) {
	files, err := filepath.Glob("examples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var documents [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := film.Parse(data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		documents = append(documents, data)
	}
	for i, ok := range acceptedBySchema(t, documents) {
		if !ok {
			t.Errorf("%s does not satisfy %s", files[i], schemaFile)
		}
	}
}

func TestTheExampleOfEveryFieldHasEveryField(t *testing.T) {
	has := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		has[path] = true
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(path+"/"+name, inner)
			}
		case []any:
			for _, inner := range v {
				walk(path, inner)
			}
		}
	}
	for _, name := range []string{"every-field", "part", "chapters", "sequence", "scene", "redo", "join"} { // some fields are other ways to say the same, and exclude each other
		data, err := os.ReadFile("examples/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var example any
		if err := json.Unmarshal(data, &example); err != nil {
			t.Fatal(err)
		}
		walk("", example)
	}
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		if !has[path] {
			t.Errorf("examples/every-field.json has no %s", path)
		}
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[film.FrameRate]() || typ == reflect.TypeFor[film.Aspect]() {
			return
		}
		for field := range typ.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.Tag.Get("jsonschema") == "-" { // the planner's own
				continue
			}
			check(path+"/"+name, field.Type)
		}
	}
	check("", reflect.TypeFor[film.Request]())
}

func TestSchemaRefusesWhatParseRefuses(t *testing.T) {
	// The schema cannot express everything that Parse checks, such as the codecs of a container, but an editor should show
	// these common errors.
	const ends = `"source": "s3://b/a.mkv", "destination": "s3://b/out/"`
	documents := map[string]string{
		"no source":         `{"destination": "s3://b/out/", "outputs": [{"name": "a"}]}`,
		"no outputs":        `{` + ends + `}`,
		"empty outputs":     `{` + ends + `, "outputs": []}`,
		"nameless output":   `{` + ends + `, "outputs": [{"container": "mp4"}]}`,
		"unknown field":     `{` + ends + `, "outputs": [{"name": "a", "videos": []}]}`,
		"unknown container": `{` + ends + `, "outputs": [{"name": "a", "container": "avi"}]}`,
		"unknown codec":     `{` + ends + `, "outputs": [{"name": "a", "video": [{"codec": "divx"}]}]}`,
		"crf as text":       `{` + ends + `, "outputs": [{"name": "a", "video": [{"crf": "21"}]}]}`,
		"crf out of range":  `{` + ends + `, "outputs": [{"name": "a", "video": [{"crf": 99}]}]}`,
		"bad bit rate":      `{` + ends + `, "outputs": [{"name": "a", "audio": {"bitrate": "loud"}}]}`,
		"segment too long":  `{` + ends + `, "outputs": [{"name": "a"}], "segment": {"seconds": 601}}`,
		"unknown mode":      `{` + ends + `, "outputs": [{"name": "a"}], "compute": {"mode": "ec2"}}`,
		"too wide":          `{` + ends + `, "outputs": [{"name": "a"}], "compute": {"concurrency": 10001}}`,
	}
	var names []string
	var bodies [][]byte
	for name, body := range documents {
		names, bodies = append(names, name), append(bodies, []byte(body))
		if _, err := film.Parse([]byte(body)); err == nil {
			t.Errorf("%s: Parse accepts it", name)
		}
	}
	for i, ok := range acceptedBySchema(t, bodies) {
		if ok {
			t.Errorf("%s: the schema accepts it", names[i])
		}
	}
}
