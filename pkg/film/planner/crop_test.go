package planner

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestTheBarsOfAnImageSequenceAreFound(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x60:rate=24,pad=160:96:0:16",
		"-frames:v", "6", filepath.Join(folder, "%03d.png")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	request := []byte(`{"source": "` + filepath.Join(folder, "%03d.png") + `", "sequence": {"frameRate": 24}, "destination": "` + folder + `",
		"outputs": [{"name": "out", "video": [{"crop": "auto"}]}]}`)
	p, err := Planner{Tools: tools}.Plan(t.Context(), &work.PlanEnv{Resolve: resolvePath, Dir: t.TempDir()}, request)
	if err != nil {
		t.Fatal(err)
	}
	var j film.Job
	if err := json.Unmarshal(p.Doc, &j); err != nil {
		t.Fatal(err)
	}
	if want := (film.Region{Width: 160, Height: 60, Y: 16}); j.Source.Picture == nil || *j.Source.Picture != want {
		t.Errorf("the picture is %v, want %v", j.Source.Picture, want)
	}
}
