package toolfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/tool/toolfile"
)

// write writes a tools file with a script beside it, and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "tools.yaml")
	for name, content := range map[string]string{file: text, filepath.Join(folder, "levels.sh"): "#!/bin/sh\ntrue\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestAToolsFileIsReadForADeployment(t *testing.T) {
	t.Parallel()
	d, err := toolfile.Read(write(t, "tools:\n"+
		"  - {name: levels, each: sound, script: levels.sh}\n"+
		"  - {name: boxes, each: frames, command: [bin/boxes, --score=0.3], outputs: [{path: boxes/}]}\n"), "/opt/files")
	if err != nil {
		t.Fatal(err)
	}
	if d.Tools[0].Script != "#!/bin/sh\ntrue\n" || d.Tools[0].Timeout != 900 || d.Tools[1].Command[0] != "/opt/files/bin/boxes" || d.Folder != "/opt/files" {
		t.Errorf("read %+v", d)
	}
	// Pieces of sound alone are longer than those of video, so the default is left to requests.
	if d.Segment.Seconds != 0 {
		t.Errorf("segments of %v, though the file says nothing", d.Segment.Seconds)
	}
}

func TestAToolsFileForADeploymentIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tools: [{name: a, script: missing.sh}]":                           "line 1, column 19: /tools/0/script: cannot read the script missing.sh",
		"tools: [{name: a, command: [../a]}]":                              "line 1, column 29: /tools/0/command/0: ../a does not lie in the folder of the tools file",
		"tools: [{name: a, script: levels.sh}]\ncompute: {concurrency: 3}": "line 2, column 1: /compute: does not belong in the tools file of a deployment",
		"tools: [{name: a, script: levels.sh, each: everything}]":          "line 1, column 38: /tools/0/each: must be file, segment",
		"tools: &a [{name: a, script: levels.sh}]\nsegment: *a":            "cannot use YAML aliases",
		"- a": "sequence was used where mapping is expected",
		"tools: [{name: a, script: levels.sh}]\n# " + strings.Repeat("a", 1<<18): "has more than 262144 bytes",
	} {
		_, err := toolfile.Read(write(t, text), "/opt/files")
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
	if _, err := toolfile.Read(filepath.Join(t.TempDir(), "none.yaml"), "/opt/files"); fault.KindOf(err) != fault.Invalid || err.Error() != "no such file or directory" {
		t.Errorf("a file that is missing: %v", err)
	}
}
