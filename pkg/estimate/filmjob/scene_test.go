package filmjob_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// sceneOf is the plan of a scene of 200 frames at 25 a second, of which the first two are rendered before the others are divided.
func sceneOf(t *testing.T, s render.Settings) work.Plan {
	t.Helper()
	j := film.Job{
		Render: &render.Job{Settings: s},
		Source: film.Source{Size: 1_000_000, Duration: 8_000_000, Video: &film.VideoTrack{Width: 640, Height: 360, Frames: 200}},
	}
	j.Renditions = []film.Rendition{{Codec: film.H264, Preset: "medium", Width: 640, Height: 360}}
	j.Request.Compute = film.Compute{Mode: film.LambdaBatch, Concurrency: 1000}
	doc, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	named := func(names ...string) (list []work.Unit) {
		for _, n := range names {
			list = append(list, work.Unit{Name: n})
		}
		return list
	}
	p := work.Plan{
		Planner: filmjob.Planner, Doc: doc, Open: true, Phases: []work.Phase{{Name: "first", Units: slices.Values(named("frames/000000"))}},
		OutputPhase: work.Phase{Name: "merge", Units: slices.Values(named("output/film"))},
		Groups: []work.Group{
			{Name: render.Kind, Noun: "ranges of frames", Units: 1, Total: work.Amount{Count: 200}, Space: work.Space{Scratch: 1_000_000}},
			{Name: film.VideoKind, Noun: "segments"},
			{Name: "output/film", Noun: "outputs", Units: 1},
		},
	}
	if s.Tiles != "" {
		p.Open = false
		p.Phases = []work.Phase{{Units: slices.Values(named("tiles/000000.00"))}, {Units: slices.Values(named("frames/000000"))}, {Units: slices.Values(named("video/00000"))}}
		p.Groups[0].Units, p.Groups[1].Units = 2, 1
		p.Groups = append(p.Groups, work.Group{Name: render.TileKind, Noun: "tiles of frames", Units: 800})
	}
	return p
}

// Blender starts in 2 s, and a frame takes 17 s of a core.
func heavy(film.Job) (filmjob.Speed, error) {
	s := filmjob.Speed{CPU: estimate.Range{Low: 1000, High: 1000}, Basis: "common sources"}
	s.Render = filmjob.Rendering{Start: 2000, Frame: estimate.Range{Low: 17_000, High: 17_000}, Bytes: 10_000, Basis: "3 frames of this scene"}
	return s, nil
}

func TestAScenesFramesAreDividedAsTheJobWill(t *testing.T) {
	e, err := filmjob.Of(t.Context(), sceneOf(t, render.Settings{}), heavy, filmjob.Options{Prices: price.Default(), Deployment: estimate.Deployment{Cores: 2}})
	if err != nil {
		t.Fatal(err)
	}
	g := e.Work.Groups[0]
	// A frame takes 10 s of a function's 1.7 processors, and two of them take nine times as long as a start.
	if want := 1 + 198/2; g.Units != want || g.CPU.Low != int64(200*17_000+want*2000) || !g.Renders {
		t.Errorf("%+v, want %d units", g, want)
	}
	if e.Work.Groups[1].Phase != 1 || e.Work.Groups[2].Phase != 2 {
		t.Errorf("frames, segments and outputs are in the phases %d, %d and %d", g.Phase, e.Work.Groups[1].Phase, e.Work.Groups[2].Phase)
	}
	if e.Work.Source != 0 || e.Work.Scratch.Low < 200*9_000 || e.Work.Scratch.Low > 200*10_000 {
		t.Errorf("a scene of %d bytes has intermediate files of %+v", e.Work.Source, e.Work.Scratch)
	}
	here, lambda := e.Places[0], e.Places[1]
	if want := g.CPU.Low / 2; here.Name != estimate.Here || here.Wall.Low < want || here.Wall.Low > want*11/10 {
		t.Errorf("%s: %+v, want about %d ms", here.Name, here.Wall, want)
	}
	// 100 functions at once take 3,600 s of a core: 36 s each, which 1.7 processors of at most 110 % do in 20 s.
	if lambda.Refused != "" || lambda.Wall.Low < 20_000 || lambda.Wall.High > 180_000 {
		t.Errorf("%s: %+v %s", lambda.Name, lambda.Wall, lambda.Refused)
	}
	if strings.Contains(strings.Join(e.Notes, " "), "index") || e.Work.Basis != "3 frames of this scene; encoding: common sources" {
		t.Errorf("basis %q, notes %q", e.Work.Basis, e.Notes)
	}
}

// Each tile is a quarter of its frame, but starts Blender as a frame does.
func TestTilesTakeAsLongAsTheirFrames(t *testing.T) {
	e, err := filmjob.Of(t.Context(), sceneOf(t, render.Settings{Tiles: "2x2"}), heavy, filmjob.Options{Prices: price.Default()})
	if err != nil {
		t.Fatal(err)
	}
	merges, tiles := e.Work.Groups[0], e.Work.Groups[3]
	if tiles.CPU.Low != 200*17_000+800*2000 || !tiles.Renders || tiles.Phase != 0 || merges.Renders || merges.CPU.High > 200*1000 || merges.Phase != 1 {
		t.Errorf("tiles %+v, merged by %+v", tiles, merges)
	}
}

func TestWhatNobodyMeasuredHasNoTimeAndNoCost(t *testing.T) {
	for device, speed := range map[render.Device]func(film.Job) (filmjob.Speed, error){
		render.GPU: heavy,
		render.CPU: func(j film.Job) (filmjob.Speed, error) { return filmjob.Assumed(j), nil },
	} {
		e, err := filmjob.Of(t.Context(), sceneOf(t, render.Settings{Device: device}), speed, filmjob.Options{Prices: price.Default()})
		if err != nil || len(e.Places)+len(e.Memories) > 0 || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "no time and no cost") {
			t.Errorf("on %s: %v, notes %q, %v", device, e.Places, e.Notes, err)
		}
	}
}
