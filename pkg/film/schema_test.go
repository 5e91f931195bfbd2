package film_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/price"
)

const schemaFile = "request.schema.json"

func TestSchemaMatchesTheGoTypes(t *testing.T) {
	want := reflectSchema(t)
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
		t.Errorf("%s is outdated; run: go test ./pkg/film ./statemachine -update\n(-types +file):\n%s", schemaFile, diff)
	}
}

// reflectSchema returns the schema of film.Request. The tags of the types have the descriptions and ranges. Types with a
// JSON form of their own have a format, which package film checks by decoding the value.
func reflectSchema(t *testing.T) []byte {
	t.Helper()
	r := jsonschema.Reflector{
		Anonymous:                  true,
		DoNotReference:             true,
		ExpandedStruct:             true,
		RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[int](), reflect.TypeFor[*int]():
				return &jsonschema.Schema{Type: "integer", Format: "whole"}
			case reflect.TypeFor[film.Seconds]():
				return &jsonschema.Schema{Type: "number", Format: "seconds"}
			case reflect.TypeFor[film.Loudness]():
				return &jsonschema.Schema{Type: "number", Format: "loudness", Examples: []any{-23}}
			case reflect.TypeFor[film.FrameRate]():
				return &jsonschema.Schema{
					Type: "number", Format: "frameRate", ExclusiveMinimum: "0", Maximum: "1000",
					Pattern: `^[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{1,6})?$`, Examples: []any{"30000/1001"},
				}
			case reflect.TypeFor[film.Aspect]():
				return &jsonschema.Schema{Type: "string", Format: "aspect", Pattern: `^[0-9]{1,4}:[0-9]{1,4}$`, Examples: []any{"16:9"}}
			case reflect.TypeFor[price.Money]():
				return &jsonschema.Schema{Type: "number", Format: "money", ExclusiveMinimum: "0", Maximum: "1000000", Examples: []any{2.5}}
			case reflect.TypeFor[film.Bytes]():
				return &jsonschema.Schema{
					Type: "number", Format: "bytes", Pattern: `^[0-9]+(\.[0-9]+)?[kMG]?$`, Examples: []any{"700M"},
				}
			case reflect.TypeFor[film.Bitrate]():
				return &jsonschema.Schema{
					Type: "number", Format: "bitrate", Pattern: `^[0-9]+(\.[0-9]+)?[kM]?$`, Examples: []any{"160k"},
				}
			}
			return nil
		},
	}
	s := r.Reflect(&film.Request{})
	allowStrings(s)
	s.Title = "A request to mapreel"
	s.Description = "The input of StartExecution, and of mapreel transcode --request"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// allowStrings adds the type string to numbers with a text form. The reflector knows only single types, and applies the
// minimum and maximum of a tag to numbers only.
func allowStrings(s *jsonschema.Schema) {
	if s.Type == "number" && s.Pattern != "" {
		s.Type, s.Extras = "", map[string]any{"type": []string{"number", "string"}}
	}
	if s.Items != nil {
		allowStrings(s.Items)
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		allowStrings(p.Value)
	}
}

func TestTagsOfTheSchemaAreNotCutAtCommas(t *testing.T) {
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			check(typ.Elem())
		case reflect.Struct:
			for f := range typ.Fields() {
				for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
					if part != "" && part != "-" && part != "required" && !strings.Contains(part, "=") {
						t.Errorf("%s.%s: %q follows a comma in a description", typ.Name(), f.Name, part)
					}
				}
				check(f.Type)
			}
		}
	}
	check(reflect.TypeFor[film.Request]())
}

func TestCheckExplainsWhatTheSchemaRefuses(t *testing.T) {
	refused := func(f field, value any) {
		t.Helper()
		data := withValue(t, f.pointer, value)
		var r film.Request
		if err := json.Unmarshal(data, &r); err != nil {
			return // Parse reports values that cannot be decoded, such as a bit rate of two gigabits
		}
		if !slices.ContainsFunc(r.Check(), func(p film.Problem) bool { return p.Pointer == f.pointer }) {
			t.Errorf("%s: the schema refuses %v, but Check does not", f.pointer, value)
		}
	}
	for _, f := range fields(reflect.TypeFor[film.Request](), "") {
		for part := range strings.SplitSeq(f.tag, ",") {
			key, text, _ := strings.Cut(part, "=")
			limit, _ := strconv.Atoi(text)
			switch {
			case key == "minimum" && limit != 1: // below 1 is 0, the default
				refused(f, limit-1)
			case key == "maximum":
				refused(f, limit+1)
			case key == "enum":
				refused(f, text+"x")
			}
		}
	}
}

// field is a leaf of a request, with the tag that its JSON Schema is made from.
type field struct {
	pointer string
	tag     string
}

// fields returns the leaves of a request with one element in each list.
func fields(t reflect.Type, at string) (list []field) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		return fields(t.Elem(), at+"/0")
	case reflect.Struct:
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			p := at + "/" + name
			if below := fields(f.Type, p); below != nil {
				list = append(list, below...)
			} else {
				list = append(list, field{p, f.Tag.Get("jsonschema")})
			}
		}
	}
	return list
}

// withValue returns a request with value at pointer, in which the widest ranges apply.
func withValue(t *testing.T, pointer string, value any) []byte {
	t.Helper()
	video := map[string]any{"codec": "av1"} // fits every container, and has the widest range of CRF
	if strings.Contains(pointer, "/quality/") {
		video["quality"] = map[string]any{"target": map[bool]any{true: 0.98, false: 42}[value == "ssim"]}
	}
	if strings.Contains(pointer, "/overlay/") {
		video["overlay"] = map[string]any{"image": "/logo.png"}
	}
	if strings.Contains(pointer, "/burn/") {
		video["burn"] = map[string]any{}
	}
	output := map[string]any{"name": "a", "container": "mkv", "video": []any{video}, "audio": map[string]any{}}
	if strings.Contains(pointer, "/package/") || strings.HasSuffix(pointer, "/ladder") {
		output["container"] = "hls"
		output["package"] = map[string]any{}
		if strings.Contains(pointer, "/encryption/") {
			output["package"] = map[string]any{"encryption": map[string]any{"keys": "film.keys", "keyUrl": "key"}}
		}
	}
	if name, ok := value.(string); strings.Contains(pointer, "/preview/") || ok && film.Container(strings.TrimSuffix(name, "x")).Preview() {
		output = map[string]any{"name": "a", "container": "stills", "preview": map[string]any{"aspect": "4:3"}}
		switch pointer[strings.LastIndex(pointer, "/")+1:] {
		case "length", "fps":
			output["container"] = "gif"
		case "columns", "rows":
			output["container"] = "sprites"
		}
	}
	tree := map[string]any{
		"source": "/in", "destination": "/out", "outputs": []any{output},
		"subtitleFiles": []any{map[string]any{"file": "/a.srt"}},
		"part":          map[string]any{}, "segment": map[string]any{}, "compute": map[string]any{}, "retention": map[string]any{},
	}
	if name, ok := value.(string); ok && strings.TrimSuffix(name, "x") == string(film.Frames) {
		tree["source"], tree["outputs"] = "/in.blend", []any{map[string]any{"name": "a"}}
	}
	if strings.HasPrefix(pointer, "/render/") {
		tree["source"], tree["render"] = "/in.blend", map[string]any{}
	}
	if pointer == "/render/format" { // some are for frames that are kept only
		tree["outputs"] = []any{map[string]any{"name": "a", "container": "frames"}}
	}
	steps := strings.Split(pointer, "/")[1:]
	var node any = tree
	for _, step := range steps[:len(steps)-1] {
		if list, ok := node.([]any); ok {
			node = list[0]
		} else {
			node = node.(map[string]any)[step]
		}
	}
	node.(map[string]any)[steps[len(steps)-1]] = value
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTagsOfTheSchemaAgreeWithCheck(t *testing.T) {
	var bounds, enums int
	for _, f := range fields(reflect.TypeFor[film.Request](), "") {
		accepted := func(value any) bool {
			_, err := film.Parse(withValue(t, f.pointer, value))
			return err == nil
		}
		for part := range strings.SplitSeq(f.tag, ",") {
			key, text, _ := strings.Cut(part, "=")
			switch key {
			case "minimum", "maximum":
				limit, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				beyond := limit - 1
				if key == "maximum" {
					beyond = limit + 1
				}
				if !accepted(limit) || accepted(beyond) {
					t.Errorf("%s: the tag says %s; %d accepted: %v, %d accepted: %v",
						f.pointer, part, limit, accepted(limit), beyond, accepted(beyond))
				}
				bounds++
			case "enum":
				if !accepted(text) {
					t.Errorf("%s: the tag says %s; it is refused", f.pointer, part)
				}
				if accepted(text + "x") {
					t.Errorf("%s: %q is accepted", f.pointer, text+"x")
				}
				enums++
			}
		}
	}
	if bounds < 12 || enums < 15 {
		t.Errorf("found %d bounds and %d enums; want at least 12 and 15", bounds, enums)
	}
}

func TestTagsOfTheSchemaAgreeWithNormalise(t *testing.T) {
	at := func(tree any, pointer string) any {
		for _, step := range strings.Split(pointer, "/")[1:] {
			switch node := tree.(type) {
			case []any:
				tree = node[0]
			case map[string]any:
				tree = node[step]
			}
		}
		return tree
	}
	tree := normalised(t, `{"source":"/in","destination":"/out","outputs":[{"name":"a","video":[{"quality":{"target":42},"overlay":{"image":"/a.png"}}]}]}`, true)
	var found int
	inText := regexp.MustCompile(`Default (\d+)$`)
	for _, f := range fields(reflect.TypeFor[film.Request](), "") {
		var want string
		for part := range strings.SplitSeq(f.tag, ",") {
			if text, ok := strings.CutPrefix(part, "default="); ok {
				want = text
			}
		}
		if m := inText.FindStringSubmatch(f.tag); m != nil {
			want = m[1]
		}
		if want == "" {
			continue
		}
		found++
		tree := tree
		if strings.Contains(f.pointer, "/package/") {
			tree = normalised(t, `{"source":"/in","destination":"/out","outputs":[{"name":"a","container":"hls","package":{"encryption":{"keys":"k","keyUrl":"u"}}}]}`, true)
		}
		if got := fmt.Sprint(at(tree, f.pointer)); got != want {
			t.Errorf("%s: the tag says %s, the default is %s", f.pointer, want, got)
		}
	}
	if found < 5 {
		t.Errorf("found %d defaults, want at least 5", found)
	}
	for _, f := range fields(reflect.TypeFor[film.Request](), "") {
		if f.pointer != "/outputs/0/video/0/crf" {
			continue
		}
		for _, m := range regexp.MustCompile(`(\d+) \((\w+)\)`).FindAllStringSubmatch(f.tag, -1) {
			body := withValue(t, "/outputs/0/video/0/codec", m[2])
			if got := fmt.Sprint(at(normalised(t, string(body), true), f.pointer)); got != m[1] {
				t.Errorf("the tag says CRF %s for %s, the default is %s", m[1], m[2], got)
			}
		}
	}
}
