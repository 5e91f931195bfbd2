package presets_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/presets"
)

func TestTheUsersPresetsComeFirstAndBadOnesAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"web.yaml":    "description: Ours\noutput:\n  video: [{codec: h265, crf: 20}]\n",
		"broken.yaml": "output: [",
		"medium.json": `{"output": {"audio": {"codec": "opus"}}}`,
		"notes.txt":   "no preset",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := presets.Find("web", dir)
	if err != nil || p.Description != "Ours" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := presets.Find("archive", dir); err != nil || p.Name != "archive" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, name := range []string{"broken", "../web", "none"} {
		if _, err := presets.Find(name, dir); err == nil {
			t.Errorf("%s is found", name)
		}
	}
	var out, errs bytes.Buffer
	if err := presets.List(&out, &errs, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"web              Ours (" + dir + "/web.yaml)\n", "phone            A small film"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if !strings.Contains(errs.String(), "broken.yaml") || !strings.Contains(errs.String(), "medium.json: an encoder has a preset of that name") || strings.Contains(out.String(), "notes") {
		t.Errorf("warnings %s\nof\n%s", errs.String(), out.String())
	}
	out.Reset()
	if err := presets.Export(&out, p); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "again.json"), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := presets.Find("again", dir); err != nil || again.Description != "Ours" {
		t.Errorf("what was exported is read as %+v, %v", again, err)
	}
}
