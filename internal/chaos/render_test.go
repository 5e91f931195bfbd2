package chaos

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/render/blender"
)

// The soak program kills more often.
func TestKilledRendersKeepTheirFrames(t *testing.T) {
	if _, err := (blender.Program{}).Find(); err != nil {
		t.Skipf("no scene is rendered: %v", err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mapreel")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/mapreel/mapreel/cmd/mapreel").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := RunKilledRenders(t.Context(), program, dir, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.String())
	if r.Kills == 0 || r.Stored == 0 {
		t.Errorf("nothing was tested: %+v", r)
	}
}
