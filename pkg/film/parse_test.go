package film_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/rogpeppe/go-internal/txtar"
)

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

func TestParseAcceptsRequestsUpToTheSizeLimit(t *testing.T) {
	request := `{"source":"/a","destination":"/b","outputs":[{"name":"a"}]}`
	if _, err := film.Parse([]byte(request + strings.Repeat(" ", film.MaxRequest-len(request)))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := film.Parse([]byte(request + strings.Repeat(" ", film.MaxRequest-len(request)+1)))
	if err == nil {
		t.Errorf("a request above the limit is accepted")
	}
	problemsOf(t, err)
}

func TestParseRefusesBytesThatAreNotText(t *testing.T) {
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
		{"path to a parent", "/in", "a/../../b", "/outputs/0/name"},
		{"backslash", "/in", `a\b`, "/outputs/0/name"},
		{"dots within", "/in", "a..b.", ""},
		{"all characters of a name", "/in", `-Schöne Grüße #1 100% "it's" $(x); & 日本 🎬`, ""},
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

// hostileRequests returns requests of nearly the maximum size that take the validation as much work as possible.
func hostileRequests() map[string]string {
	const start = `{"source":"/a","destination":"/b","outputs":[`
	fill := func(before, element, after string) string {
		n := (film.MaxRequest - len(before) - len(after) - 1) / (len(element) + 1)
		return before + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + after
	}
	var unknown strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&unknown, `"k%d":1,`, i)
	}
	return map[string]string{
		"brackets":         strings.Repeat("[", 250_000),
		"objects":          strings.Repeat(`{"a":`, 50_000),
		"balanced":         strings.Repeat("[", 125_000) + strings.Repeat("]", 125_000),
		"unknown fields":   "{" + unknown.String() + `"source":"/a","destination":"/b","outputs":[{"name":"a"}]}`,
		"wrong outputs":    fill(start, "7", "]}"),
		"empty outputs":    fill(start, "{}", "]}"),
		"wrong fields":     fill(start, `{"name":7}`, "]}"),
		"same names":       fill(start, `{"name":"a"}`, "]}"),
		"wrong renditions": fill(start+`{"name":"a","video":[`, `{"crf":-1}`, "]}]}"),
		"wide lists":       fill(start, `{"video":[`+strings.TrimSuffix(strings.Repeat(`{"a":1},`, 99), ",")+"]}", "]}"),
		"huge exponents":   fill(start+`{"name":"a","video":[`, `{"crf":1e999999}`, "]}]}"),
		"large exponents":  fill(start+`{"name":"a","video":[`, `{"frameRate":1e999}`, "]}]}"),
		"many digits":      start + `{"name":"a","video":[{"crf":` + strings.Repeat("7", 250_000) + "}]}]}",
	}
}

func TestParseOfHostileRequestsIsFastAndSmall(t *testing.T) {
	if _, err := film.Parse([]byte(`{}`)); err == nil { // compiles the schema
		t.Fatal("{} is accepted")
	}
	for name, request := range hostileRequests() {
		t.Run(name, func(t *testing.T) {
			took, allocated := time.Hour, uint64(0)
			for range 5 { // the fastest run counts, because other processes slow it down
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				started := time.Now()
				_, err := film.Parse([]byte(request))
				took = min(took, time.Since(started))
				runtime.ReadMemStats(&after)
				allocated = after.TotalAlloc - before.TotalAlloc
				if got := len(problemsOf(t, err)); got == 0 || got > 21 {
					t.Fatalf("%d problems, want 1 to 21", got)
				}
				if took < 100*time.Millisecond {
					break
				}
			}
			t.Logf("%d bytes: %v, %d MiB", len(request), took, allocated>>20)
			// 34 ms where the machine is idle. Work that grew with the square of the input took more than 5 s.
			if took > time.Second || allocated > 64<<20 {
				t.Errorf("%d bytes took %v and allocated %d MiB, want at most 1 s and 64 MiB", len(request), took, allocated>>20)
			}
		})
	}
}

func TestParseLimitsTheNesting(t *testing.T) {
	for depth, want := range map[int]string{
		film.MaxDepth:     "must be an object",
		film.MaxDepth + 1: "line 2, column 65: nested more than 64 deep",
	} {
		_, err := film.Parse([]byte("\n" + strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		if got := problemsOf(t, err); len(got) != 1 || got[0].Message != want {
			t.Errorf("depth %d: %v, want %s", depth, got, want)
		}
	}
	// Brackets in strings do not count.
	name := strings.Repeat("[{", 90) + `\"` + strings.Repeat("e9999", 2)
	if _, err := film.Parse([]byte(`{"source":"/a","destination":"/b","outputs":[{"name":"` + name + `"}]}`)); err != nil {
		t.Error(err)
	}
}

func TestParseListsAtMostTwentyProblems(t *testing.T) {
	parse := func(n int) film.Problems {
		request := `{"source":"/a","destination":"/b","outputs":[{"name":"a"}]`
		for i := range n {
			request += fmt.Sprintf(`,"x%02d":1`, i)
		}
		_, err := film.Parse([]byte(request + "}"))
		return problemsOf(t, err)
	}
	if got := parse(20); len(got) != 20 || got[19].Pointer != "/x19" {
		t.Errorf("20 problems are listed as %d, the last %v", len(got), got[len(got)-1])
	}
	got := parse(25)
	if want := (film.Problem{Message: "and 5 more"}); len(got) != 21 || got[20] != want || got[19].Pointer != "/x19" {
		t.Errorf("25 problems are listed as %d, the last %v; want 20 and %v", len(got), got[len(got)-1], want)
	}
}

// resolves reports whether an RFC 6901 pointer refers to a value in a JSON tree.
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
			_ = json.Unmarshal(data, &tree) // text that is not JSON has problems without a pointer
			for _, p := range problemsOf(t, err) {
				// The pointer of a missing value names the place where it belongs.
				if parent := p.Pointer[:max(strings.LastIndexByte(p.Pointer, '/'), 0)]; !resolves(tree, parent) {
					t.Errorf("the pointer %q of %q does not resolve", p.Pointer, p.Message)
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
