package planner

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// sceneJob is the job of a scene that keeps its frames.
func sceneJob(frames, unit, workers int) film.Job {
	rate := media.Rational{Num: 24, Den: 1}
	return film.Job{
		ID:      "0123456789abcdef0123",
		Request: film.Request{Source: "/shot.blend", Destination: "/out", Compute: film.Compute{Concurrency: workers, Mode: work.RouteLambda}},
		Source: film.Source{
			URL: "/shot.blend", Duration: 1_000_000, Sequence: &film.FrameSequence{Extension: "png", Rate: rate, Numbers: "1-9"},
			Video: &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 24}, End: media.Ticks(frames), Frames: frames},
		},
		Outputs: []film.OutputPlan{{Name: "frames", File: "frames/frames.json", Container: film.Frames}},
		Render:  &render.Job{Settings: render.Settings{Unit: unit}},
	}
}

func names(p work.Phase) (list []string) {
	for u := range p.Units {
		list = append(list, u.Name)
		if u.Needs.Class != work.ClassRender {
			list = append(list, "of class "+string(u.Needs.Class))
		}
	}
	return list
}

// measured is the result of the unit that renders the first frames.
type measured struct{ pace render.Pace }

func (m measured) Result(_ context.Context, unit string) (r work.Result, done bool, err error) {
	return r, unit == "frames/000000", r.SetFacts(job.Facts{Pace: m.pace})
}

func (m measured) All(context.Context, string) iter.Seq2[work.Finished, error] { return nil }

func TestUnitsOfASceneFollowFromItsFirstFrames(t *testing.T) {
	p, err := planScene(sceneJob(5, 0, 2), nil)
	if err != nil || p.Open || len(p.Phases) != 2 || !slices.Equal(names(p.Phases[0]), []string{"frames/000000", "frames/000002"}) {
		t.Errorf("few frames are divided at once: %+v, %v", p.Phases, err)
	}
	p, err = planScene(sceneJob(50, 20, 2), nil)
	if err != nil || p.Open || !slices.Equal(names(p.Phases[0]), []string{"frames/000000", "frames/000016", "frames/000033"}) || !p.Phases[0].Independent {
		t.Errorf("units of at most 20 frames: %+v, %v", p.Phases, err)
	}
	j := sceneJob(50, 0, 2)
	open, err := planScene(j, nil)
	if err != nil || !open.Open || len(open.Phases) != 1 || !slices.Equal(names(open.Phases[0]), []string{"frames/000000"}) {
		t.Fatalf("the first frames: %+v, %v", open.Phases, err)
	}
	if err := json.Unmarshal(open.Doc, &j); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pace render.Pace
		want int // units
	}{{render.Pace{Start: 1, Frame: 0.5}, 2}, {render.Pace{Start: 1, Frame: 60}, 48}} {
		p, err = extendScene(t.Context(), &work.PlanEnv{Results: measured{c.pace}}, open, j)
		if err != nil || p.Open || p.Phases[0].Name != open.Phases[0].Name || p.Phases[0].Units != nil || len(names(p.Phases[1])) != c.want {
			t.Errorf("at %+v: %+v, %v, want %d units", c.pace, p.Phases, err, c.want)
		}
	}
}

// On one machine, few frames are dealt out to its workers at once.
func TestFewFramesAreDealtOutOnOneMachine(t *testing.T) {
	j := sceneJob(48, 0, 1000)
	j.Render.Workers = 2
	p, err := planScene(j, nil)
	if err != nil || p.Open || len(p.Phases) != 2 || !slices.Equal(names(p.Phases[0]), []string{"frames/000000", "frames/000001"}) {
		t.Errorf("48 frames: %+v, %v", p.Phases, err)
	}
	j = sceneJob(framesDealt*2+1, 0, 1000)
	j.Render.Workers = 2
	if p, err = planScene(j, nil); err != nil || !p.Open {
		t.Errorf("many frames: %+v, %v", p.Phases, err)
	}
}

// On one machine, Blenders would share its GPU and its memory, so there is one, and it renders all frames.
func TestOneBlenderHasTheGPU(t *testing.T) {
	for _, concurrency := range []int{0, 2, 1000} {
		req := film.Request{Compute: film.Compute{Concurrency: concurrency}}
		if got := rendersAtOnce(req, 16); got != cmp.Or(concurrency, 16) {
			t.Errorf("on processors %d render at once, if %d are asked for", got, concurrency)
		}
		req.Render.Device = render.GPU
		if got := rendersAtOnce(req, 16); got != 1 {
			t.Errorf("on a GPU %d render at once, if %d are asked for", got, concurrency)
		}
		j := sceneJob(1000, 0, concurrency)
		j.Render.Settings.Device, j.Render.Workers = render.GPU, 1
		p, err := planScene(j, nil)
		if err != nil || p.Open || len(names(p.Phases[0])) != 1 {
			t.Errorf("%d are asked for: %+v, %v", concurrency, p.Phases, err)
		}
	}
}

// A Batch job takes a while until it begins, so that more frames share one.
func TestUnitsOnBatchAreLonger(t *testing.T) {
	for device, want := range map[render.Device]int{render.CPU: 4, render.GPU: 1} {
		j := sceneJob(50, 0, 2)
		j.Render.Settings.Device = device
		open, err := planScene(j, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := extendScene(t.Context(), &work.PlanEnv{Results: measured{render.Pace{Start: 1, Frame: 0.8}}}, open, j)
		if err != nil || len(names(p.Phases[1])) != want {
			t.Errorf("on %s %+v, %v, want %d units", device, p.Phases, err, want)
		}
	}
}

// Each tile is a unit, however many frames there are; then as many units as there are workers merge them.
func TestTilesAreUnits(t *testing.T) {
	j := sceneJob(9, 0, 2)
	j.Render.Settings.Tiles = "2x1"
	p, err := planScene(j, nil)
	if err != nil || p.Open || len(p.Phases) != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	tiles := names(p.Phases[0])
	if len(tiles) != 18 || !slices.Equal(tiles[:3], []string{"tiles/000000.00", "tiles/000000.01", "tiles/000001.00"}) || !p.Phases[0].Independent || !p.Phases[0].Intermediate {
		t.Errorf("tiles %v of %+v", tiles, p.Phases[0])
	}
	if got := names(p.Phases[1]); !slices.Equal(got, []string{"frames/000000", "frames/000004"}) {
		t.Errorf("merged by %v", got)
	}
	j.Render.Settings.Unit, j.Render.Settings.Device = 5, render.GPU
	if p, err = planScene(j, nil); err != nil {
		t.Fatal(err)
	}
	if got := names(p.Phases[0]); !slices.Equal(got, []string{"tiles/000000.00", "tiles/000000.01", "tiles/000004.00", "tiles/000004.01"}) {
		t.Errorf("units of at most five frames: %v", got)
	}
	for i, want := range []bool{true, false} {
		for u := range p.Phases[i].Units {
			if u.Needs.GPU != want {
				t.Errorf("%s needs a GPU: %v", u.Name, u.Needs.GPU)
			}
		}
	}
	for _, g := range p.Groups {
		if g.Name == "tiles" && g.Units == 4 && g.Total.Count == 18 {
			return
		}
	}
	t.Errorf("groups %+v", p.Groups)
}

// Sound is mixed beside the frames, where any output has it.
func TestSoundIsAUnit(t *testing.T) {
	for _, heard := range []bool{false, true} {
		for tiles, phase := range map[string]int{"": 0, "2x1": 1} {
			j := sceneJob(5, 0, 2)
			j.Render.Settings.Tiles, j.Render.Sound = tiles, &render.Sound{Rate: 48_000, Channels: 2, First: 1, Last: 5}
			if heard {
				j.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Mux: film.MP4}}
				j.Source.Audio = []film.AudioTrack{{Codec: render.SoundCodec, SampleRate: 48_000, Channels: 2, Timebase: media.Rational{Num: 1, Den: 48_000}}}
			}
			p, err := planScene(j, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(p.Phases[phase]); slices.Contains(got, render.SoundUnit) != heard {
				t.Errorf("tiles %q, sound is heard: %v; units %v", tiles, heard, got)
			}
			if has := slices.ContainsFunc(p.Groups, func(g work.Group) bool { return g.Contains(render.SoundUnit) }); has != heard {
				t.Errorf("tiles %q, sound is heard: %v; groups %+v", tiles, heard, p.Groups)
			}
		}
	}
}

func TestUnitsShareTheProcessors(t *testing.T) {
	for _, c := range []struct{ frames, cores, concurrency, want int }{{48, 8, 0, 2}, {48, 8, 4, 4}, {1, 8, 8, 8}, {48, 2, 1000, 1}, {48, 1, 0, 1}} {
		at := rendersAtOnce(film.Request{Compute: film.Compute{Concurrency: c.concurrency}}, c.cores)
		if got := threadsOf(c.frames, c.cores, at); got != c.want {
			t.Errorf("%+v: %d threads", c, got)
		}
	}
}
