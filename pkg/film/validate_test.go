package film_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the expected results in testdata anew")

// golden runs each case of the archives that match pattern: a file NAME.json holds the input, NAME.want what result
// makes of it. With -update the results are written instead.
func golden(t *testing.T, pattern string, result func(t *testing.T, name string, input []byte) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archive %s: %v", pattern, err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, f := range archive.Files {
			want[f.Name] = string(f.Data)
		}
		written := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			name, isInput := strings.CutSuffix(f.Name, ".json")
			if !isInput {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+name, func(t *testing.T) {
				got := result(t, name, f.Data)
				written.Files = append(written.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
				if diff := cmp.Diff(want[name+".want"], got); diff != "" && !*update {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(written), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// problemsOf are what err lists; it fails where err is not as Parse promises.
func problemsOf(t testing.TB, err error) film.Problems {
	t.Helper()
	if err == nil {
		return nil
	}
	var ps film.Problems
	if !errors.As(err, &ps) || len(ps) == 0 {
		t.Errorf("%v holds no problems", err)
	}
	if k := fault.KindOf(err); k != fault.Invalid {
		t.Errorf("%v is %s, want Invalid", err, k)
	}
	return ps
}

func TestParseListsEveryProblemWithItsPointer(t *testing.T) {
	golden(t, "parse-*.txtar", func(t *testing.T, _ string, input []byte) string {
		_, err := film.Parse(bytes.TrimSuffix(input, []byte("\n")))
		var b strings.Builder
		for _, p := range problemsOf(t, err) {
			fmt.Fprintf(&b, "%s: %s\n", p.Pointer, p.Message)
		}
		return b.String()
	})
}

func TestParseTakesWhatItsPayloadMayHold(t *testing.T) {
	request := `{"source":"/a","destination":"/b","outputs":[{"name":"a"}]}`
	if _, err := film.Parse([]byte(request + strings.Repeat(" ", film.MaxRequest-len(request)))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := film.Parse([]byte(request + strings.Repeat(" ", film.MaxRequest-len(request)+1)))
	if err == nil {
		t.Errorf("beyond the limit it is accepted")
	}
	problemsOf(t, err)
}

func TestParseOfBytesThatAreNotText(t *testing.T) {
	for _, data := range []string{"\xff\xfe{}", "{\"source\":\"\xc3\x28\"}", "\x00", strings.Repeat("[", 100_000)} {
		_, err := film.Parse([]byte(data))
		if err == nil {
			t.Errorf("%.20q is accepted", data)
		}
		problemsOf(t, err)
	}
}

func TestParseLimitsNames(t *testing.T) {
	request := func(source, name string) []byte {
		data, err := json.Marshal(film.Request{Source: source, Destination: "/out", Outputs: []film.Output{{Name: name}}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, c := range []struct {
		name, source, output string
		pointer              string // "": accepted
	}{
		{"longest name", "/in", strings.Repeat("é", 100), ""},
		{"name too long", "/in", strings.Repeat("é", 100) + "x", "/outputs/0/name"},
		{"longest source", "/" + strings.Repeat("x", 4095), "a", ""},
		{"source too long", "/" + strings.Repeat("x", 4096), "a", "/source"},
		{"source with a zero byte", "/in\x00", "a", "/source"},
		{"name with a newline", "/in", "a\nb", "/outputs/0/name"},
		{"name with a delete", "/in", "a\x7f", "/outputs/0/name"},
		{"dot", "/in", ".", "/outputs/0/name"},
		{"parent", "/in", "..", "/outputs/0/name"},
		{"hidden", "/in", ".a", "/outputs/0/name"},
		{"path", "/in", "a/b", "/outputs/0/name"},
		{"climb", "/in", "a/../../b", "/outputs/0/name"},
		{"backslash", "/in", `a\b`, "/outputs/0/name"},
		{"dots within", "/in", "a..b.", ""},
		{"all that a name may hold", "/in", `-Schöne Grüße #1 100% "it's" $(x); & 日本 🎬`, ""},
	} {
		_, err := film.Parse(request(c.source, c.output))
		var got string
		if ps := problemsOf(t, err); len(ps) > 0 {
			got = ps[0].Pointer
		}
		if got != c.pointer {
			t.Errorf("%s: got a problem at %q, want %q (%v)", c.name, got, c.pointer, err)
		}
	}
}

func TestCheckRefusesTextThatIsNotUTF8(t *testing.T) {
	// Made in Go, not read from JSON. Its JSON form would silently name another file.
	r := film.Request{Source: "/in\xff", Destination: "/out\xff", Outputs: []film.Output{{Name: "a\xff"}}}
	var got []string
	for _, p := range r.Check() {
		got = append(got, p.Pointer)
	}
	if diff := cmp.Diff([]string{"/source", "/destination", "/outputs/0/name"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProblemsAreNoErrorWhereThereAreNone(t *testing.T) {
	if err := (film.Problems{}).Err(); err != nil {
		t.Errorf("got %v", err)
	}
	err := film.Problems{{Pointer: "/a", Message: "is wrong"}, {Message: "is odd"}}.Err()
	if got, want := err.Error(), "invalid request: /a: is wrong\nis odd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// field is a leaf of a request with the tag that its JSON schema is made from.
type field struct {
	pointer string
	tag     string
}

// fields lists the leaves of a request that has one of each.
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

// withValue is a request in which everything is allowed that some request allows, with value at pointer.
func withValue(t *testing.T, pointer string, value any) []byte {
	t.Helper()
	video := map[string]any{"codec": "av1"} // fits every container, and has the widest range of CRF
	output := map[string]any{"name": "a", "container": "mkv", "video": []any{video}, "audio": map[string]any{}}
	if strings.Contains(pointer, "/package/") || strings.HasSuffix(pointer, "/ladder") {
		output["container"] = "hls"
		output["package"] = map[string]any{}
	}
	tree := map[string]any{
		"source": "/in", "destination": "/out", "outputs": []any{output},
		"segment": map[string]any{}, "compute": map[string]any{}, "retention": map[string]any{},
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
		t.Errorf("found %d bounds and %d enums; the tags are not read", bounds, enums)
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
	tree := normalised(t, `{"source":"/in","destination":"/out","outputs":[{"name":"a"}]}`, true)
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
			tree = normalised(t, `{"source":"/in","destination":"/out","outputs":[{"name":"a","container":"hls"}]}`, true)
		}
		if got := fmt.Sprint(at(tree, f.pointer)); got != want {
			t.Errorf("%s: the tag says %s, the default is %s", f.pointer, want, got)
		}
	}
	if found < 5 {
		t.Errorf("found %d defaults; the tags are not read", found)
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

// normalised is the JSON tree of what a request becomes.
func normalised(t *testing.T, body string, hasPicture bool) any {
	t.Helper()
	r, err := film.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Normalise(hasPicture); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// anyRequest draws requests that nothing is wrong with.
func anyRequest() *rapid.Generator[film.Request] {
	return rapid.Custom(func(t *rapid.T) film.Request {
		text := rapid.StringMatching(`[^\x00]{1,30}`)
		r := film.Request{Source: text.Draw(t, "source"), Destination: text.Draw(t, "destination")}
		containers := rapid.SampledFrom([]film.Container{"", film.MP4, film.Matroska, film.WebM})
		for i := range rapid.IntRange(1, 5).Draw(t, "outputs") {
			name := rapid.StringMatching(`[a-z<&>é"' %#][^/\\\x00-\x1f\x7f]{0,20}`).Draw(t, "name")
			out := film.Output{Name: fmt.Sprint(name, i), Container: containers.Draw(t, "container")}
			if rapid.Bool().Draw(t, "video") {
				out.Video = []film.Video{anyVideo(t, out.Container)}
			}
			if rapid.Bool().Draw(t, "audio") {
				codecs := []film.AudioCodec{"", film.AudioAuto, film.AudioCopy, film.Opus, film.AudioNone}
				if out.Container != film.WebM {
					codecs = append(codecs, film.AAC)
				}
				out.Audio = &film.Audio{Codec: rapid.SampledFrom(codecs).Draw(t, "codec")}
				if rapid.Bool().Draw(t, "has bitrate") {
					out.Audio.Bitrate = film.Bitrate(rapid.Int64Range(6_000, 1_536_000).Draw(t, "bitrate"))
				}
			}
			r.Outputs = append(r.Outputs, out)
		}
		optional := func(label string, low, high int) int {
			return rapid.OneOf(rapid.Just(0), rapid.IntRange(low, high)).Draw(t, label)
		}
		r.Segment.Seconds = film.Seconds(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1e9, 600e9)).Draw(t, "segment"))
		r.Compute = film.Compute{
			Mode:        rapid.SampledFrom([]film.ComputeMode{"", film.Lambda, film.Batch, film.LambdaBatch}).Draw(t, "mode"),
			Concurrency: optional("concurrency", 1, 10_000),
			Threads:     optional("threads", 1, 64),
		}
		r.Retention.Hours = optional("hours", 1, 720)
		return r
	})
}

func anyVideo(t *rapid.T, in film.Container) film.Video {
	codecs := map[film.Container][]film.VideoCodec{
		"": {"", film.H264, film.H265, film.AV1}, film.MP4: {"", film.H264, film.H265, film.AV1},
		film.Matroska: {"", film.H264, film.H265, film.VP9, film.AV1}, film.WebM: {"", film.VP9, film.AV1},
	}
	v := film.Video{Codec: rapid.SampledFrom(codecs[in]).Draw(t, "codec")}
	if rapid.Bool().Draw(t, "has height") {
		v.Height = rapid.IntRange(16, 8640).Draw(t, "height")
	}
	if rapid.Bool().Draw(t, "has crf") {
		v.CRF = new(rapid.IntRange(0, 51).Draw(t, "crf"))
	}
	if v.Codec == film.H264 && rapid.Bool().Draw(t, "has preset") {
		v.Preset = rapid.SampledFrom([]string{"ultrafast", "medium", "placebo"}).Draw(t, "preset")
	}
	return v
}

// again parses the JSON form of r.
func again(t rapid.TB, r film.Request) film.Request {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := film.Parse(data)
	if err != nil {
		t.Fatalf("%s is not accepted: %v", data, err)
	}
	return got
}

func TestRequestsSurviveTheirJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest().Draw(t, "request")
		if diff := cmp.Diff(r, again(t, r)); diff != "" {
			t.Fatalf("as made (-want +got):\n%s", diff)
		}
		n, err := r.Normalise(true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, again(t, n)); diff != "" {
			t.Fatalf("normalised (-want +got):\n%s", diff)
		}
	})
}

// resolves says whether an RFC 6901 pointer leads to something in a JSON tree.
func resolves(tree any, pointer string) bool {
	if pointer == "" {
		return true
	}
	for step := range strings.SplitSeq(pointer[1:], "/") {
		switch node := tree.(type) {
		case map[string]any:
			inner, ok := node[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
			if !ok {
				return false
			}
			tree = inner
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(node) {
				return false
			}
			tree = node[i]
		default:
			return false
		}
	}
	return true
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"parse-*.txtar", "normalise.txtar"} {
		paths, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, path := range paths {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range archive.Files {
				if strings.HasSuffix(file.Name, ".json") {
					f.Add(file.Data)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := film.Parse(data)
		if err != nil {
			var tree any
			_ = json.Unmarshal(data, &tree) // what is no JSON has problems with the whole only
			for _, p := range problemsOf(t, err) {
				// What is missing has a pointer to where it should be.
				if parent := p.Pointer[:max(strings.LastIndexByte(p.Pointer, '/'), 0)]; !resolves(tree, parent) {
					t.Errorf("the pointer %q of %q leads nowhere", p.Pointer, p.Message)
				}
			}
			return
		}
		if diff := cmp.Diff(r, again(t, r)); diff != "" {
			t.Errorf("as read (-want +got):\n%s", diff)
		}
		n, err := r.Normalise(true)
		if err != nil {
			problemsOf(t, err)
			return
		}
		if diff := cmp.Diff(n, again(t, n)); diff != "" {
			t.Errorf("normalised (-want +got):\n%s", diff)
		}
	})
}
