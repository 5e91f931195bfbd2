package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// TestMain lets the test binary stand for Blender, and for mapreel's process that confines it.
func TestMain(m *testing.M) {
	blendertest.ServeInChild()
	os.Exit(m.Run())
}

// script is the content of a scene that the test binary renders.
type script = blendertest.Script

func about() blender.About { return blendertest.About() }

// scene writes a scene for the test binary into a new folder, and returns its path.
func scene(t *testing.T, s script) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shot.blend")
	save(t, name, s)
	return name
}

func save(t *testing.T, name string, s script) {
	t.Helper()
	data, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(name, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// program is the test binary as Blender.
func program(t *testing.T) blender.Program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return blender.Program{Self: []string{self, blendertest.Confined}, Path: self}
}

func resolve(_ context.Context, url string) (blob.Store, string, error) {
	store, err := dir.New(filepath.Dir(url))
	return store, filepath.Base(url), err
}

func examine(t *testing.T, p blender.Program, url string, s render.Settings) (job.Scene, []render.Problem) {
	t.Helper()
	found, problems, err := job.Examine(t.Context(), p, resolve, url, s, t.TempDir(), blender.Ahead{}, true)
	if err != nil {
		t.Fatal(err)
	}
	return found, problems
}

// attempt is an attempt at all frames of a scene as one unit.
func attempt(t *testing.T, p blender.Program, found job.Scene, scratch *dir.Store) (work.Result, error) {
	t.Helper()
	return attemptWithin(t.Context(), t, p, found, scratch, t.TempDir(), func(work.Amount) {})
}

func attemptWithin(ctx context.Context, t *testing.T, p blender.Program, found job.Scene, scratch *dir.Store, folder string, progress func(work.Amount)) (work.Result, error) {
	t.Helper()
	doc, err := json.Marshal(map[string]any{"render": found.Job})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(render.Unit{To: len(found.Numbers)})
	if err != nil {
		t.Fatal(err)
	}
	env := &work.Env{
		Job: "j", Doc: doc, Unit: "frames/000000", Attempt: 1, Dir: folder, Scratch: scratch, Resolve: resolve,
		Progress: progress, Log: slog.New(slog.DiscardHandler),
	}
	return job.Kind{Blender: p}.Run(ctx, env, work.Unit{Name: env.Unit, Spec: spec})
}

func store(t *testing.T) *dir.Store {
	t.Helper()
	s, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored lists the keys of a store.
func stored(t *testing.T, s *dir.Store) (keys []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strings.TrimPrefix(info.Key, "j/frames/"))
	}
	return keys
}

func TestFailedFramesAreNamedAndRenderedAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script
		want string
		kept []string
	}{
		"an error":                {script{Fail: []int{2, 5}}, "frames 2,5 could not be rendered: no memory", []string{"000000.png", "000002.png", "000003.png", "000005.png"}},
		"a crash":                 {script{Crash: []int{3}}, "frame 3 could not be rendered: Blender", []string{"000000.png", "000001.png", "000003.png", "000004.png", "000005.png"}},
		"a frame of another size": {script{Wrong: []int{6}}, "frame 6 could not be rendered: it is 9 x 4", []string{"000000.png", "000001.png", "000002.png", "000003.png", "000004.png"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.About = about()
			url, p, scratch := scene(t, c.script), program(t), store(t)
			found, _ := examine(t, p, url, render.Settings{})
			result, err := attempt(t, p, found, scratch)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Unsupported {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := stored(t, scratch); !slices.Equal(got, c.kept) || len(result.Artifacts) != len(c.kept) {
				t.Errorf("kept %v, want %v", got, c.kept)
			}
		})
	}
}

// The hint is for a single frame that takes too long, not for a unit of many frames.
func TestAFrameThatTakesTooLongShouldBeDivided(t *testing.T) {
	t.Parallel()
	over := fault.New(fault.OutOfTime, "the function's time is over")
	for name, c := range map[string]struct {
		slow int
		want string // a part of the hint; "" for none
	}{
		"the first frame":  {1, "--tiles"},
		"the second frame": {2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := program(t)
			found, _ := examine(t, p, scene(t, script{About: about(), Slow: []int{c.slow}}), render.Settings{})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			folder := t.TempDir()
			go func() { // the second frame begins when the first one is stored
				for begun := []string(nil); c.slow == 1 && len(begun) == 0 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
					begun, _ = filepath.Glob(filepath.Join(folder, "*", "*frames"))
				}
				if c.slow == 1 {
					cancel(over)
				}
			}()
			_, err := attemptWithin(ctx, t, p, found, store(t), folder, func(work.Amount) { cancel(over) })
			if hint := fault.HintOf(err); fault.KindOf(err) != fault.OutOfTime || !strings.Contains(hint, c.want) || (c.want == "") != (hint == "") {
				t.Errorf("got %v, kind %s, hint %q; want OutOfTime with the hint %q", err, fault.KindOf(err), hint, c.want)
			}
		})
	}
}

func TestAStoredFrameIsNotRenderedAgain(t *testing.T) {
	t.Parallel()
	p, scratch := program(t), store(t)
	url := scene(t, script{About: about()})
	found, problems := examine(t, p, url, render.Settings{Frames: "1-3,6"})
	if len(problems) > 0 || found.Frames != "1-3,6" || found.Rate.Num != 24000 || found.Rate.Den != 1001 {
		t.Fatalf("%+v, %v", found, problems)
	}
	for i := range 3 { // as an attempt that was killed has left them
		if _, err := scratch.Put(t.Context(), render.Key("j", i, render.PNG), strings.NewReader("kept")); err != nil {
			t.Fatal(err)
		}
	}
	result, err := attempt(t, p, found, scratch)
	if err != nil {
		t.Fatal(err)
	}
	var facts job.Facts
	if err := json.Unmarshal(result.Facts, &facts); err != nil || facts.Rendered != 1 || result.Done.Count != 4 {
		t.Errorf("rendered %d of %d frames, want one: %v", facts.Rendered, result.Done.Count, err)
	}
	// With all of them there, Blender is not even started.
	if _, err := attempt(t, blender.Program{Path: "/does/not/exist"}, found, scratch); err != nil {
		t.Errorf("all frames are there: %v", err)
	}
}

func TestAChangedSceneOrSupportFileIsAnotherJob(t *testing.T) {
	t.Parallel()
	p := program(t)
	s := script{About: about()}
	url := scene(t, s)
	texture := filepath.Join(filepath.Dir(url), "wood.png")
	s.About.Files = []blender.Used{{Path: texture, What: "image wood"}}
	save(t, url, s)
	write := func(text string) {
		if err := os.WriteFile(texture, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	versions := map[string]string{}
	seen := func(what string, settings render.Settings) job.Scene {
		found, problems := examine(t, p, url, settings)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if other, ok := versions[found.Version]; ok {
			t.Errorf("%s: the same version as %s", what, other)
		}
		versions[found.Version] = what
		return found
	}
	write("oak")
	first := seen("the scene", render.Settings{})
	write("ash")
	changed := "has changed since the job began"
	if _, err := attempt(t, p, first, store(t)); err == nil || !strings.Contains(err.Error(), changed) {
		t.Errorf("the texture changed: %v", err)
	}
	seen("another texture", render.Settings{})
	s.About.Blender = "2.0"
	save(t, url, s)
	seen("another Blender", render.Settings{})
	save(t, url, script{About: s.About, Fail: []int{99}})
	seen("another scene", render.Settings{})
	seen("other frames", render.Settings{Frames: "2"})
}

func TestOneErrorNamesAllThatASceneLacks(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret.png")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := script{About: about()}
	url := scene(t, s)
	beside := filepath.Dir(url)
	link := filepath.Join(beside, "link.png")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tile.1001.png", "tile.1002.png"} {
		if err := os.WriteFile(filepath.Join(beside, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.About.Camera, s.About.Simulations = "", []string{"Flag: Cloth"}
	s.About.Files = []blender.Used{
		{Path: filepath.Join(beside, "gone.png"), What: "image a"},
		{Path: filepath.Join(beside, "gone.blend"), What: "library b"},
		{Path: outside, What: "image c"},
		{Path: link, What: "image d"},
		{Path: filepath.Join(beside, "tile.<UDIM>.png"), What: "image e"},
	}
	save(t, url, s)
	_, problems := examine(t, program(t), url, render.Settings{})
	var text []string
	for _, p := range problems {
		text = append(text, p.Pointer+": "+strings.NewReplacer(beside, "SCENE", outside, "OUTSIDE").Replace(p.Message))
	}
	want := []string{
		`/source: the scene "Scene" has no camera`,
		"/source: each frame of a simulation follows from those before it, so bake it in Blender first: Flag: Cloth",
		"/source: the scene reads files that do not exist: image a (SCENE/gone.png), library b (SCENE/gone.blend)",
		"/render/files: the scene reads files that lie outside of its folder; allow each by its path, or pack them into the scene: image c (OUTSIDE), image d (SCENE/link.png)",
	}
	if !slices.Equal(text, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(text, "\n"), strings.Join(want, "\n"))
	}
	s.About.Camera, s.About.Simulations, s.About.Files = "Camera", nil, s.About.Files[2:]
	save(t, url, s)
	found, problems := examine(t, program(t), url, render.Settings{Files: []string{outside}})
	if len(problems) > 0 || len(found.Files) != 3 {
		t.Errorf("what is allowed by name: %v, files %v", problems, found.Files)
	}
	_, _, err := job.Examine(t.Context(), program(t), resolve, url, render.Settings{Files: []string{"none/"}}, t.TempDir(), blender.Ahead{}, true)
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a support file that does not exist: %v", err)
	}
}

// A scene that cannot be rendered on a GPU is refused before any frame is.
func TestAGPUIsOfferedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine string
		gpus   blender.GPUs
		here   bool
		want   string // a part of the problem; "" for none
	}{
		"here":                   {"CYCLES", blender.GPUs{Kinds: []string{"CUDA"}, Found: true}, true, ""},
		"on another machine":     {"CYCLES", blender.GPUs{Kinds: []string{"CUDA"}}, false, ""},
		"there is none here":     {"CYCLES", blender.GPUs{Kinds: []string{"OPTIX", "CUDA"}}, true, "finds no GPU on this machine for OPTIX, CUDA"},
		"of a Blender without":   {"CYCLES", blender.GPUs{}, true, "this Blender, like Debian's, has no GPU kernels"},
		"of another without":     {"CYCLES", blender.GPUs{}, false, "-c gpu=true and -c blenderUrl"},
		"with an engine without": {"BLENDER_EEVEE", blender.GPUs{Kinds: []string{"CUDA"}, Found: true}, true, "gpu is for Cycles"},
	} {
		s := script{About: about()}
		s.About.Engine, s.About.GPUs = c.engine, c.gpus
		for device, want := range map[render.Device]string{render.GPU: c.want, render.CPU: ""} {
			_, problems, err := job.Examine(t.Context(), program(t), resolve, scene(t, s), render.Settings{Device: device}, t.TempDir(), blender.Ahead{}, c.here)
			if err != nil || (want == "") != (len(problems) == 0) || want != "" && !strings.Contains(problems[0].Message, want) {
				t.Errorf("%s, %s: %v, %v; want %q", name, device, problems, err, want)
			}
		}
	}
}

func TestWithoutBlenderTheErrorSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	url := scene(t, script{About: about()})
	_, _, err := job.Examine(t.Context(), blender.Program{Path: "no-such-blender"}, resolve, url, render.Settings{}, t.TempDir(), blender.Ahead{}, true)
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "make setup-render") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
	if _, err := os.Stat(url + "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was written beside the scene")
	}
}

func TestAFirstLookIsAsSlowAsTheFilm(t *testing.T) {
	t.Parallel()
	s := script{About: about()}
	s.About.Last = 45
	found, _ := examine(t, program(t), scene(t, s), render.Settings{FirstLook: true})
	if found.Frames != "1,11,21,31,41" || found.Settings.Samples != 8 || found.Rate.Num != 2400 || found.Rate.Den != 1001 {
		t.Errorf("frames %s, %d samples, %v frames a second", found.Frames, found.Settings.Samples, found.Rate)
	}
}
