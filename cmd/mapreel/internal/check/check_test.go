package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProblemsAreFoundWhereTheyAre(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	film := filepath.Join(root, "film.mp4")
	if err := os.WriteFile(film, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check := Text([]string{root})
	for _, c := range []struct {
		text, pointer string
		line          int
		message       string
	}{
		{"source: " + film + "\ndestination: " + root + "\noutputs:\n  - name: small\n", "", 0, ""},
		{"source: " + film + "\ndestination: " + root + "\noutputs:\n  - name: small\n    container: mp5\n", "/outputs/0/container", 5, "not one of"},
		{"source: " + film + "\ndestination: " + root + "\noutputs:\n  - name: film\n", "/outputs/0/name", 4, "is the source"},
		{"source: " + film + "\ndestination: /etc\noutputs:\n  - name: small\n", "/destination", 2, "outside"},
		{"source: /etc/passwd\ndestination: " + root + "\noutputs:\n  - name: small\n", "/source", 1, "outside"},
		{"source: /nowhere/film\ndestination: " + root + "\noutputs:\n  - name: small\n", "/source", 1, "outside"},
		{"source: " + film + "x\ndestination: " + root + "\noutputs:\n  - name: small\n", "/source", 1, "no such file"},
		{"source: " + root + "\ndestination: " + root + "\noutputs:\n  - name: small\n", "/source", 1, "is a folder"},
		{"source: [\n", "", 1, ""},
		{"", "", 0, "must be an object"},
		{strings.Repeat("x", 1<<20), "", 0, "larger"},
	} {
		got := check([]byte(c.text))
		if c.message == "" && c.pointer == "" && c.line == 0 {
			var request map[string]any
			if err := json.Unmarshal(got.Request, &request); err != nil || request["source"] != film || len(got.Problems) > 0 {
				t.Errorf("a request without problems gives %+v, %v", got, err)
			}
			continue
		}
		if len(got.Problems) != 1 || got.Request != nil {
			t.Errorf("%q: %+v", c.text, got)
			continue
		}
		if p := got.Problems[0]; p.Pointer != c.pointer || p.Line != c.line || !strings.Contains(p.Message, c.message) {
			t.Errorf("%.100q: %+v, want %q in line %d of %q", c.text, p, c.message, c.line, c.pointer)
		}
	}
}
