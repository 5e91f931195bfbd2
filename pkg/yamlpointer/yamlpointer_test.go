package yamlpointer_test

import (
	"testing"

	"github.com/goccy/go-yaml/parser"

	"github.com/mapreel/mapreel/pkg/yamlpointer"
)

func TestFind(t *testing.T) {
	t.Parallel()
	const text = `tools:
  - name: a
    each: {tool: b, suffix: [x, y]}
  - &c {name: c}
"a/b~c": !!str 1
`
	parsed, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	root := parsed.Docs[0].Body
	for pointer, want := range map[string][2]int{
		"/tools": {1, 1}, "/tools/0": {2, 5}, "/tools/0/each": {3, 5}, "/tools/0/each/tool": {3, 12}, "/tools/0/each/suffix/1": {3, 33},
		"/tools/1/name": {4, 9}, "/a~1b~0c": {5, 1},
		"/none": {}, "/tools/2": {}, "/tools/-1": {}, "/tools/name": {}, "/tools/0/name/x": {},
	} {
		line, column, ok := yamlpointer.Find(root, pointer)
		if got := [2]int{line, column}; got != want || ok != (want != [2]int{}) {
			t.Errorf("%s: got %v, %v; want %v", pointer, got, ok, want)
		}
	}
	if _, _, ok := yamlpointer.Find(nil, "/tools"); ok {
		t.Error("an empty document has a place")
	}
}
