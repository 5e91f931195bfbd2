package planner

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// resolvePath finds a source by its path.
func resolvePath(_ context.Context, path string) (blob.Store, string, error) {
	store, err := dir.New(filepath.Dir(path))
	return store, filepath.Base(path), err
}

func TestEncodersGetTheProcessorsOfTheWorkersUnlessThreadsAreAskedFor(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	source := filepath.Join(folder, "in.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1",
		"-c:v", "libx264", "-preset", "ultrafast", source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ids := map[string]bool{}
	for _, c := range []struct{ asked, processors, want int }{{0, 0, film.DefaultThreads}, {0, 4, 4}, {1, 4, 1}} {
		request := map[string]any{"source": source, "destination": folder, "outputs": []any{map[string]any{"name": "out"}}}
		if c.asked > 0 {
			request["compute"] = map[string]any{"threads": c.asked}
		}
		data, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Planner{Tools: tools}.Plan(t.Context(), &work.PlanEnv{Resolve: resolvePath, Dir: t.TempDir(), Processors: c.processors}, data)
		if err != nil {
			t.Fatal(err)
		}
		var j film.Job
		if err := json.Unmarshal(p.Doc, &j); err != nil {
			t.Fatal(err)
		}
		if j.Request.Compute.Threads != c.want {
			t.Errorf("%d threads asked for and %d processors give %d threads, want %d", c.asked, c.processors, j.Request.Compute.Threads, c.want)
		}
		ids[p.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d jobs of 3 numbers of threads: they give different bytes, so each is a job of its own", len(ids))
	}
}
