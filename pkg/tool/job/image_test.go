package job_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/tool/confine/containertest"
)

// A tool in an image finds its files by the same variables, and none of this machine's.
func TestAToolRunsInItsImage(t *testing.T) {
	t.Parallel()
	image := containertest.Image(t, "cat", "env", "ls", "wc")
	wav := toytest.NoisyWAV(t, 16_000, 2)
	const tools = `{"name": "size", "each": "sound", "image": %[1]q, "outputs": [{"path": "size"}],
			"script": "#!/bin/sh\nwc -c < $INPUT_FILE_PATH > $TMP_OUTPUT_DIR/n\necho $GREETING $OWN > $TMP_OUTPUT_DIR/env", "environment": {"OWN": "mine"}},
		{"name": "again", "each": {"tool": "size", "suffix": ["n"]}, "image": %[1]q, "outputs": [{"path": "again"}],
			"command": [%[2]q, "x"]}`
	b := newBench(t, wav)
	program := filepath.Join(b.out, "program.sh") // in the folder of the tools file
	const text = "#!/bin/sh\ncat $INPUT_FILE_PATH > $TMP_OUTPUT_DIR/n; echo $0 $MAPREEL_TOOLS_DIR $1 >> $TMP_OUTPUT_DIR/n\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	if err := os.Chmod(b.out, 0o755); err != nil { //nolint:gosec // others read it
		t.Fatal(err)
	}
	first, err := b.run(t, fmt.Sprintf(tools, image, program))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"size/00000-n": "32044\n", "size/00001-env": "hello mine\n", "again/00001-n": "32044\n/mapreel/tools/program.sh /mapreel/tools x\n",
	} {
		if got, err := os.ReadFile(filepath.Join(b.out, name)); string(got) != want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "podman", "tag", containertest.Image(t, "wc", "cat"), image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	again, err := b.run(t, fmt.Sprintf(tools, image, program))
	if err != nil || again.Job == first.Job || len(b.done) == 0 {
		t.Errorf("with another image of the same name, job %s does %v, %v", again.Job, b.done, err)
	}
}

// Arguments of engines end a path at a colon, and a container has no right to a file that only root may read.
func TestAToolInAnImageGetsEverySource(t *testing.T) {
	t.Parallel()
	image := containertest.Image(t, "cat")
	for name, mode := range map[string]os.FileMode{"plain.txt": 0o644, "a:b, c.txt": 0o644, "private.txt": 0o600} {
		source := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(source, []byte("text of "+name), mode); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, source)
		const text = `cat \"$INPUT_FILE_PATH\" > $TMP_OUTPUT_DIR/text; echo \" $STORAGE_OBJECT_KEY $TMP_INPUT_DIR $INPUT_FILE_PATH\" >> $TMP_OUTPUT_DIR/text`
		if _, err := b.run(t, fmt.Sprintf(`{"name": "copy", "image": %q, "command": ["sh", "-c", "%s"]}`, image, text)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := os.ReadFile(filepath.Join(b.out, "text"))
		if !strings.HasPrefix(string(got), "text of "+name+" "+name+" /mapreel/") || strings.Contains(string(got), filepath.Dir(source)) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestAnImageThatIsNotHereIsRefused(t *testing.T) {
	t.Parallel()
	containertest.Image(t) // podman is installed
	_, err := newBench(t, toytest.NoisyWAV(t, 16_000, 1)).run(t,
		`{"name": "a", "command": ["x"]}, {"name": "b", "command": ["x"], "image": "localhost/none:1", "outputs": [{"path": "b"}]}`)
	const want = "invalid request: /tools/1/image: podman has no image localhost/none:1; get it with: podman pull localhost/none:1"
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" || fault.KindOf(err) != fault.Invalid {
		t.Errorf("%s (-want +got):\n%s", fault.KindOf(err), diff)
	}
}

func TestAnImageIsRefusedWithoutAnEngine(t *testing.T) { //nolint:paralleltest // it sets PATH
	b := newBench(t, toytest.NoisyWAV(t, 16_000, 1))
	if _, err := find(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err := b.run(t, `{"name": "a", "command": ["x"], "image": "debian:12"}`)
	if err == nil || !strings.Contains(err.Error(), "/tools/0/image: tools with an image need podman or docker, and neither is installed here") {
		t.Errorf("got %v", err)
	}
}
