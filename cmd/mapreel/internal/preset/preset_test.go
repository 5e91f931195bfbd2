package preset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		text, err := p.request(filepath.Join(dir, "a b.mp4"))
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
