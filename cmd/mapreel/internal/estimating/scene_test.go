package estimating

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/work"
)

// TestMain lets the test binary stand for Blender, and for mapreel's process that confines it.
func TestMain(m *testing.M) {
	blendertest.ServeInChild()
	os.Exit(m.Run())
}

// What a scene takes is known from frames that were rendered: by an earlier job, or to measure it. Otherwise there is no time and no cost.
func TestTheTimeOfASceneComesFromItsFrames(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(blender.Variable, self)
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	scene := blendertest.Script{About: blendertest.About()}
	scene.About.Last = 40
	data, err := json.Marshal(scene)
	if err != nil {
		t.Fatal(err)
	}
	shot := filepath.Join(folder, "shot.blend")
	if err := os.WriteFile(shot, data, 0o600); err != nil {
		t.Fatal(err)
	}
	asked := func(first string) json.RawMessage {
		data, err := json.Marshal(map[string]any{
			"source": shot, "destination": folder, "render": map[string]any{"frames": first},
			"outputs": []any{map[string]any{"name": "shot", "container": "mp4"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	o := Options{
		Registry: kinds.All(tools, kinds.Options{Self: []string{self, blendertest.Confined}}), Tools: tools, Scratch: filepath.Join(folder, "scratch"),
		Deployment: estimate.Deployment{Cores: 2}, Prices: price.Default(),
	}
	of := func(first string) filmjob.Estimate {
		t.Helper()
		e, err := Of(t.Context(), asked(first), o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}

	e := of("1-40")
	if len(e.Places) > 0 || !strings.Contains(strings.Join(e.Notes, "\n"), "--dry-run --calibrate") || strings.Contains(strings.Join(e.Notes, "\n"), "index") {
		t.Errorf("without any frame: %d places, notes %q", len(e.Places), e.Notes)
	}

	o.Calibrate = true
	e = of("1-40")
	if len(e.Places) == 0 || !strings.HasPrefix(e.Work.Basis, "3 frames of this scene; encoding: ") {
		t.Errorf("measured: places %v, basis %q", e.Places, e.Work.Basis)
	}
	if few := of("1-2"); !strings.HasPrefix(few.Work.Basis, "2 frames of this scene; ") {
		t.Errorf("two frames in all: basis %q", few.Work.Basis)
	}

	tiled := json.RawMessage(strings.Replace(string(asked("1-40")), `"frames":"1-40"`, `"frames":"1-40","tiles":"2x1"`, 1))
	if e, err = Of(t.Context(), tiled, o); err != nil || len(e.Places) == 0 || !strings.HasPrefix(e.Work.Basis, "3 tiles of this scene; ") {
		t.Errorf("in tiles: places %v, basis %q, %v", e.Places, e.Work.Basis, err)
	}

	o.Calibrate = false
	if _, err := local.Run(t.Context(), asked("1-12"), local.Options{Registry: o.Registry, Scratch: o.Scratch}); err != nil {
		t.Fatal(err)
	}
	e = of("1-40")
	if len(e.Places) == 0 || !strings.HasPrefix(e.Work.Basis, "earlier jobs of this scene on this machine, 12 frames; ") {
		t.Errorf("after a job: places %v, basis %q", e.Places, e.Work.Basis)
	}
	scene.About.Last = 41 // another file is another scene
	if data, err = json.Marshal(scene); err == nil {
		err = os.WriteFile(shot, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if e = of("1-40"); len(e.Places) > 0 {
		t.Errorf("after the scene was changed: basis %q", e.Work.Basis)
	}
}

// A GPU's time is not that of processors, whatever was rendered on them before.
func TestTheTimeOfAGPUIsNotKnown(t *testing.T) {
	t.Parallel()
	j := film.Job{Render: &render.Job{Settings: render.Settings{Device: render.GPU}}, Source: film.Source{Video: &film.VideoTrack{Frames: 9}}}
	s, err := ofScene(t.Context(), work.Plan{}, j, Options{Scratch: t.TempDir(), Calibrate: true})
	if err != nil || s.Render.Known() {
		t.Errorf("%+v, %v", s.Render, err)
	}
}

func TestFramesToMeasureLieInAllThirdsOfTheScene(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int{1: {0}, 3: {0, 1, 2}, 4: {0, 1, 2}, 5: {0, 2, 4}, 48: {8, 23, 38}, 1000: {166, 499, 832}} {
		units := framesToMeasure(n, 0)
		if got := units[0].Places(); len(units) != 1 || !slices.Equal(got, want) {
			t.Errorf("of %d frames: %v, want %v", n, got, want)
		}
		tiles := framesToMeasure(n, 4)
		for i, u := range tiles {
			if places := u.Places(); len(tiles) != len(want) || !slices.Equal(places, want[i:i+1]) || u.Tile != []int{0, 2, 3}[i] {
				t.Errorf("of %d frames in tiles: tile %d of %v", n, u.Tile, places)
			}
		}
	}
}
