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
	film, next := filepath.Join(root, "film.mp4"), filepath.Join(root, "next.mp4")
	for _, path := range []string{film, next} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := Text([]string{root}, "")
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
		{"source: " + film + "\ndestination: " + root + "\noutputs:\n  - name: small\n    video:\n      - overlay: {image: /etc/logo.png}\n", "/outputs/0/video/0/overlay/image", 6, "outside"},
		{"source: " + film + "\njoin: [" + root + "]\ndestination: " + root + "\noutputs:\n  - name: small\n", "/join/0", 2, "is a folder"},
		{"source: " + film + "\njoin: [" + next + "]\ndestination: " + root + "\noutputs:\n  - name: next\n", "/outputs/0/name", 5, "is the source"},
		{"source: " + film + "\njoin: [/etc/passwd]\ndestination: " + root + "\noutputs:\n  - name: small\n", "/join/0", 2, "outside"},
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

// Other machines do not have the user's presets. So the request that is started has a preset's settings in its place, and the one that is
// shown has its name.
func TestTheUsersPresetsAreSettingsInTheRequest(t *testing.T) {
	t.Parallel()
	root, folder := t.TempDir(), t.TempDir()
	film := filepath.Join(root, "film.mp4")
	for path, text := range map[string]string{
		film: "", filepath.Join(folder, "ours.yaml"): "description: Ours\noutput: {video: [{codec: h265, crf: 30}]}\n",
		filepath.Join(folder, "web.json"):   `{"description":"Our web","output":{"video":[{"codec":"h264","crf":31}]}}`,
		filepath.Join(folder, "wrong.yaml"): "output: {video: [{codec: h264, crf: 99}]}\n", filepath.Join(folder, "torn.yaml"): "output: [\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := Text([]string{root}, folder)
	head := "source: " + film + "\ndestination: " + root + "/out\noutputs:\n  - name: small\n    preset: "
	for text, want := range map[string]string{
		"ours": `{"container":"","name":"small","video":[{"codec":"h265","crf":30}]}`, "web": `"crf":31`, "phone": `"preset":"phone"`, "ours\n    video: [{crf: 20}]": `"crf":20`,
	} {
		got := check([]byte(head + text + "\n"))
		outputs, _ := got.Tree["outputs"].([]any)
		output, _ := outputs[0].(map[string]any)
		if len(got.Problems) > 0 || !strings.Contains(string(got.Request), strings.TrimPrefix(want, `{"container":"",`)) || !strings.HasPrefix(text, output["preset"].(string)) {
			t.Errorf("%s: %s, %+v, shown %v; want %s", text, got.Request, got.Problems, output, want)
		}
		if strings.HasPrefix(text, "ours") && strings.Contains(string(got.Request), "ours") {
			t.Errorf("%s: a name that nobody knows is in %s", text, got.Request)
		}
	}
	for text, want := range map[string]string{
		"best": `"best" is not a preset; there are: archive, editing-proxy, ours, phone, web, wrong`, "wrong": "preset wrong: /video/0/crf: ", "torn": "torn.yaml", "[]": "must be",
	} {
		got := check([]byte(head + text + "\n"))
		if len(got.Problems) != 1 || got.Request != nil || got.Problems[0].Pointer != "/outputs/0/preset" || got.Problems[0].Line != 5 || !strings.Contains(got.Problems[0].Message, want) {
			t.Errorf("%s: %+v, want %q in line 5", text, got.Problems, want)
		}
	}
	list, err := Presets(folder)()
	if err != nil || len(list) != 6 || list[2].Name != "ours" || !list[2].Own || list[3].Name != "phone" || list[3].Own || list[4].Description != "Our web" {
		t.Errorf("offered are %+v, %v", list, err)
	}
}
