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

func TestTheFramesOfASceneAreDividedAsTheJobWill(t *testing.T) {
	e, err := filmjob.Of(t.Context(), sceneOf(t, render.Settings{}), heavy, filmjob.Options{Prices: price.Default(), Deployment: estimate.Deployment{Cores: 2}})
	if err != nil {
		t.Fatal(err)
	}
	// A frame takes 10 s of a function's 1.7 processors, and two of them take nine times as long as a start.
	first, others := e.Work.Groups[0], e.Work.Groups[1]
	if first.Units != 1 || first.CPU.Low != 2*17_000+2000 || first.Longest != first.CPU || !first.Renders {
		t.Errorf("the first frames: %+v", first)
	}
	if want := 198 / 2; others.Units != want || others.CPU.Low != int64(198*17_000+want*2000) || !others.Renders {
		t.Errorf("the others: %+v, want %d units", others, want)
	}
	for phase, g := range e.Work.Groups {
		if g.Phase != phase {
			t.Errorf("%s: phase %d, want %d", g.Name, g.Phase, phase)
		}
	}
	if e.Work.Source != 0 || e.Work.Scratch.Low < 200*9_000 || e.Work.Scratch.Low > 200*10_000 {
		t.Errorf("a scene of %d bytes has intermediate files of %+v", e.Work.Source, e.Work.Scratch)
	}
	// One machine starts Blender for the first frames, and once for each of two units that run at once.
	here, lambda := e.Places[0], e.Places[1]
	if want := int64(200*17_000+3*2000) / 2; here.Name != estimate.Here || here.Wall.Low < want || here.Wall.Low > want*101/100 {
		t.Errorf("%s: %+v, want about %d ms", here.Name, here.Wall, want)
	}
	// Each unit takes 36 s of a core, which 1.7 processors that are up to 110 % as fast do in 19 s at least: the first one, then all others.
	if lambda.Refused != "" || lambda.Wall.Low < 38_000 || lambda.Wall.High > 300_000 {
		t.Errorf("%s: %+v %s", lambda.Name, lambda.Wall, lambda.Refused)
	}
	if strings.Contains(strings.Join(e.Notes, " "), "index") || e.Work.Basis != "3 frames of this scene; encoding: common sources" {
		t.Errorf("basis %q, notes %q", e.Work.Basis, e.Notes)
	}
}

// Frames that are kept are as large as those that were measured.
func TestFramesThatAreKeptAreMeasured(t *testing.T) {
	p := sceneOf(t, render.Settings{})
	var j film.Job
	if err := json.Unmarshal(p.Doc, &j); err != nil {
		t.Fatal(err)
	}
	j.Renditions = nil
	doc, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	p.Doc, p.Groups = doc, []work.Group{p.Groups[0], {Name: film.KeptKind + "/frames", Noun: "outputs", Units: 1, Space: work.Space{Destination: 9_000_000}}}
	e, err := filmjob.Of(t.Context(), p, heavy, filmjob.Options{Prices: price.Default()})
	if err != nil {
		t.Fatal(err)
	}
	if want := (estimate.Range{Low: 200 * 9_000, High: 200 * 11_000}); e.Work.Output != want || e.Work.Scratch != want {
		t.Errorf("outputs of %+v, intermediate files of %+v, want %+v", e.Work.Output, e.Work.Scratch, want)
	}
	if e.Work.Basis != "3 frames of this scene" {
		t.Errorf("basis %q, and nothing is encoded", e.Work.Basis)
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

func TestAnUnmeasuredSceneHasNoTimeAndNoCost(t *testing.T) {
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
