package preset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/history"
)

func TestAPresetMakesARequestForEachFilm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct{ preset, destination, name, fault string }{
		{`{"outputs":[{"name":"{name}-small","container":"mp4"}]}`, dir + "/out", "a b-small", ""},
		{`{"destination":"/films/{name}/x","outputs":[{"name":"film","container":"mp4"}]}`, "/films/a b/x", "film", ""},
		{`{"outputs":[{"name":"film","container":"mp4"}]}`, dir + "/out/a b", "film", ""},
		{`{"destination":"films","outputs":[{"name":"film","container":"mp4"}]}`, "", "", "not an absolute path"},
		{`{"destination":"` + dir + `","outputs":[{"name":"{name}","container":"mp4"}]}`, "", "", "would be taken for films"},
		{`{"outputs":[{"name":"film","container":"avi"}]}`, "", "", "/outputs/0"},
		{`{"outputs":`, "", "", "--preset"},
	} {
		file := filepath.Join(t.TempDir(), "preset.json")
		if err := os.WriteFile(file, []byte(c.preset), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Read(dir, file, nil)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: %v, want %q", c.preset, err, c.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.preset, err)
			continue
		}
		text, err := p.request(filepath.Join(dir, "a b.mp4"), "a b")
		var got struct {
			Source, Destination string
			Outputs             []struct{ Name string }
		}
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil || got.Source != dir+"/a b.mp4" || got.Destination != c.destination || len(got.Outputs) != 1 || got.Outputs[0].Name != c.name {
			t.Errorf("%s: %s, %v", c.preset, text, err)
		}
	}
	if _, err := Read(dir, "", nil); err == nil {
		t.Error("--watch without --preset is accepted")
	}
}

// Two films of one name, one that was uploaded after the outputs of the first were made, and one after a restart.
func TestFilmsOfOneNameHaveOutputsOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "preset.json")
	if err := os.WriteFile(file, []byte(`{"outputs":[{"name":"film","container":"mp4"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Read(dir, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := func(request json.RawMessage) []string {
		var r struct{ Destination string }
		if err := json.Unmarshal(request, &r); err != nil {
			t.Fatal(err)
		}
		return []string{filepath.Join(r.Destination, "film.mp4")}
	}
	claim := func(job, path string) string {
		t.Helper()
		request, err := p.claim(job, filepath.Join(dir, path), outputs)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(outputs(request)[0], dir)
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	expect(claim("first", "film.mp4"), "/out/film/film.mp4")
	expect(claim("second", "film.mov"), "/out/film-2/film.mp4")
	if err := os.MkdirAll(filepath.Join(dir, "out", "film"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "out", "film", "film.mp4"), []byte("the first"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.release("first")
	p.release("second") // it failed
	expect(claim("third", "film.mp4"), "/out/film-2/film.mp4")
	store, err := history.Open(t.Context(), filepath.Join(t.TempDir(), history.File))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	request, err := p.request(filepath.Join(dir, "film.avi"), "film-3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Create(t.Context(), history.Execution{ARN: history.ExecutionARN("before"), Name: "before", Machine: history.MachineARN, Input: request}); err != nil {
		t.Fatal(err)
	}
	if err := p.recall(t.Context(), store, outputs); err != nil {
		t.Fatal(err)
	}
	expect(claim("fourth", "film.mkv"), "/out/film-4/film.mp4")
}
