package chaos

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/render/blender"
)

// The soak program kills more often.
func TestKilledRendersKeepTheirFrames(t *testing.T) {
	if _, err := (blender.Program{}).Find(); err != nil {
		t.Skipf("no scene is rendered: %v", err)
	}
	dir := t.TempDir()
	program, err := mapreel()
	if err != nil {
		t.Fatal(err)
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
