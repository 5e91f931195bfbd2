package job_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// attemptTile is an attempt at a tile of all frames of a scene as one unit; where tile is negative, at merging them.
func attemptTile(t *testing.T, p blender.Program, found job.Scene, scratch *dir.Store, tile int) (work.Result, error) {
	t.Helper()
	doc, err := json.Marshal(map[string]any{"render": found.Job})
	if err != nil {
		t.Fatal(err)
	}
	kind, unit := job.Tiles(p), render.TileUnit{Unit: render.Unit{To: len(found.Numbers)}, Tile: tile}
	if tile < 0 {
		kind, unit.Tile = job.Kind{Blender: p}, 0
	}
	spec, err := json.Marshal(unit)
	if err != nil {
		t.Fatal(err)
	}
	env := &work.Env{
		Job: "j", Doc: doc, Unit: unit.Name(), Attempt: 1, Dir: t.TempDir(), Scratch: scratch, Resolve: resolve,
		Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
	}
	return kind.Run(t.Context(), env, work.Unit{Name: env.Unit, Spec: spec})
}

func content(t *testing.T, s *dir.Store, key string) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Tiles are attempts of their own: one that is stored is not rendered again, and the frame that they make is the whole one.
func TestTilesBecomeTheWholeFrame(t *testing.T) {
	t.Parallel()
	p, scratch, whole := program(t), store(t), store(t)
	s := script{About: about()}
	s.About.Width, s.About.Height = 31, 17
	url := scene(t, s)
	plain, _ := examine(t, p, url, render.Settings{Frames: "1-2"})
	if _, err := attempt(t, p, plain, whole); err != nil {
		t.Fatal(err)
	}
	found, problems := examine(t, p, url, render.Settings{Frames: "1-2", Tiles: "2x3"})
	if len(problems) > 0 || found.Look == plain.Look {
		t.Fatalf("%v; a version that equals that of whole frames: %v", problems, found.Look == plain.Look)
	}
	for tile := range 5 {
		if _, err := attemptTile(t, p, found, scratch, tile); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := attemptTile(t, p, found, scratch, -1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("merged without one of the tiles: %v", err)
	}
	if _, err := attemptTile(t, p, found, scratch, 6); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("a tile beyond the last one: %v", err)
	}
	if err := scratch.Delete(t.Context(), render.TileKey("j", 1, 2)); err != nil {
		t.Fatal(err)
	}
	for tile, want := range map[int]int{5: 2, 2: 1, 0: 0} { // frames that were rendered: the others are there
		result, err := attemptTile(t, p, found, scratch, tile)
		var facts job.Facts
		if err == nil {
			err = json.Unmarshal(result.Facts, &facts)
		}
		if err != nil || facts.Rendered != want || result.Done.Count != 2 {
			t.Errorf("tile %d: rendered %d of %d frames, want %d: %v", tile, facts.Rendered, result.Done.Count, want, err)
		}
	}
	for range 2 {
		result, err := attemptTile(t, blender.Program{Path: "/does/not/exist"}, found, scratch, -1)
		if err != nil || len(result.Artifacts) != 2 || result.Done.Count != 2 {
			t.Fatalf("merged %+v, %v", result, err)
		}
	}
	for i := range 2 {
		want, err := png.Decode(bytes.NewReader(content(t, whole, render.Key("j", i, render.PNG))))
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(content(t, scratch, render.Key("j", i, render.PNG))))
		if err != nil || !samePixels(got, want) {
			t.Errorf("frame %d differs from the whole one: %v", i, err)
		}
	}
}

func TestAFailedTileIsNamed(t *testing.T) {
	t.Parallel()
	p, scratch := program(t), store(t)
	found, _ := examine(t, p, scene(t, script{About: about(), Fail: []int{2}}), render.Settings{Tiles: "2x1"})
	_, err := attemptTile(t, p, found, scratch, 1)
	if err == nil || !strings.Contains(err.Error(), "tile 2 of frame 2 could not be rendered: no memory") {
		t.Errorf("got %v", err)
	}
	if got := stored(t, scratch); len(got) != 5 || !slices.Contains(got, "000000.01.png") {
		t.Errorf("kept %v", got)
	}
}

// What looks beyond a tile is refused, or turned off with a warning.
func TestTilesAreRefusedWhereTheyWouldDiffer(t *testing.T) {
	t.Parallel()
	p := program(t)
	s := script{About: about()}
	s.About.Dithered, s.About.Adaptive = true, true
	url := scene(t, s)
	if found, problems := examine(t, p, url, render.Settings{}); len(problems)+len(found.Warnings) > 0 {
		t.Errorf("without tiles: %v, %q", problems, found.Warnings)
	}
	found, problems := examine(t, p, url, render.Settings{Tiles: "2x2"})
	if text := strings.Join(found.Warnings, "\n"); len(problems) > 0 || !strings.Contains(text, "without dithering") || !strings.Contains(text, "without adaptive sampling") {
		t.Errorf("with tiles: %v, warnings %q", problems, text)
	}
	s.About.Whole = []string{"denoising", "compositing"}
	save(t, url, s)
	if _, problems = examine(t, p, url, render.Settings{}); len(problems) > 0 {
		t.Errorf("whole frames: %v", problems)
	}
	for tiles, want := range map[string]string{"2x2": "because of denoising, compositing; leave tiles out", "9x2": "too small for 9 x 2 tiles"} {
		_, problems = examine(t, p, url, render.Settings{Tiles: tiles})
		if len(problems) != 1 || problems[0].Pointer != "/render/tiles" || !strings.Contains(problems[0].Message, want) {
			t.Errorf("tiles of %s: %v, want %q", tiles, problems, want)
		}
	}
}
