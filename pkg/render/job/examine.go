// Package job makes units of work of a Blender scene: it examines the scene, and has the kind that renders frames of it.
//
//	frames/000012 ─▶ JOB/frames/000012.png, JOB/frames/000013.png, …
package job

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// Scene is an examined scene.
type Scene struct {
	render.Job
	Numbers  []int          // of its frames
	Rate     media.Rational // frames a second
	Aspect   media.Rational // width of a pixel to its height
	Warnings []string
	NoSound  string // why the sequencer's sound is left out; "": it is not, or there is none
}

// DropSound leaves the sound of the sequencer out, and keeps why.
func (s *Scene) DropSound(why string) {
	s.Sound, s.NoSound = nil, why
}

// WarnOfSilence warns of a film that lacks the sound of the sequencer. A job that makes no film misses nothing.
func (s *Scene) WarnOfSilence() {
	if s.NoSound != "" {
		s.Warnings = append(s.Warnings, "the sound of the scene's sequencer is not in the film, because "+s.NoSound)
	}
}

// format numbers what is rendered from the same scene: raise it when the script renders something else.
const format = 1

// Examine asks Blender what the scene at url has. What is wrong with it is in problems, all of it. ahead says how many processes of a program
// that shares them then wait with the scene open for its units. here says that it is rendered on this machine.
func Examine(
	ctx context.Context, program blender.Program, resolve work.Resolver, url string, s render.Settings, dir string, ahead blender.Ahead, here bool,
) (scene Scene, problems []render.Problem, err error) {
	s = s.Effective()
	if _, err := program.Find(); err != nil { // before a scene in a bucket is fetched
		return scene, nil, err
	}
	at, err := blender.Stage(ctx, blender.Resolver(resolve), url, s.Files, dir)
	if err != nil {
		return scene, nil, err
	}
	about, err := program.Describe(ctx, at, s, dir, ahead)
	if err != nil {
		return scene, nil, err
	}
	scene = Scene{
		Job:  render.Job{Settings: s, Scene: url, Width: about.Width, Height: about.Height, Alpha: about.Alpha, Blender: about.Blender},
		Rate: rateOf(about), Aspect: aspectOf(about), Warnings: warnings(about, s),
	}
	for _, p := range about.Problems {
		problems = append(problems, render.Problem(p))
	}
	if about.Camera == "" && about.Strips == 0 && s.Camera == "" {
		problems = append(problems, render.Problem{Pointer: "/source", Message: fmt.Sprintf("the scene %q has no camera", about.Scene)})
	}
	if len(about.Simulations) > 0 {
		problems = append(problems, render.Problem{
			Pointer: "/source",
			Message: "each frame of a simulation follows from those before it, so bake it in Blender first: " + some(about.Simulations),
		})
	}
	if scene.Numbers, err = numbers(s, about); err != nil {
		problems = append(problems, render.Problem{Pointer: "/render/frames", Message: err.Error()})
	}
	scene.Frames = render.FormatFrames(scene.Numbers)
	if s.Sound == "" {
		if scene.Sound, err = soundOf(about, s, scene.Numbers); err != nil {
			scene.DropSound(err.Error())
		}
	}
	if s.FirstLook { // each frame stands for those that are left out
		scene.Rate = fraction(scene.Rate.Num, scene.Rate.Den*int64(s.Step))
	}
	problems = append(problems, checkTiles(scene, about)...)
	problems = append(problems, checkDevice(s, about, here)...)
	used, wrong := find(about.Files, at)
	problems = append(problems, wrong...)
	if len(problems) > 0 {
		return scene, problems, nil
	}
	scene.Files, err = digests(at, append(used, listed(at, s.Files)...))
	if err != nil {
		return scene, nil, err
	}
	if scene.Look, err = version(at.Scene, s.Look(), scene.Job); err != nil {
		return scene, nil, err
	}
	scene.Version = versionOf(scene.Job)
	return scene, nil, nil
}

// checkTiles says why the frames of a scene cannot be divided into the tiles that a request asks for.
func checkTiles(scene Scene, about blender.About) []render.Problem {
	grid, err := render.ParseGrid(scene.Settings.Tiles)
	if err == nil {
		err = grid.Check(scene.Width, scene.Height, len(scene.Numbers))
	}
	if err == nil && grid.Count() > 0 && len(about.Whole) > 0 {
		err = fmt.Errorf("tiles would differ from the whole frame because of %s; leave tiles out", some(about.Whole))
	}
	if err != nil {
		return []render.Problem{{Pointer: "/render/tiles", Message: err.Error()}}
	}
	return nil
}

// checkDevice says why a scene cannot be rendered on the GPU that a request asks for.
func checkDevice(s render.Settings, about blender.About, here bool) []render.Problem {
	var message string
	switch {
	case s.Device != render.GPU:
		return nil
	case about.Engine != "CYCLES":
		message = "gpu is for Cycles, and the scene's engine is " + about.Engine + "; leave device out"
	case len(about.GPUs.Kinds) == 0:
		message = "this Blender, like Debian's, has no GPU kernels; the official builds have them (of a deployment: -c gpu=true and -c blenderUrl)"
	case here && !about.GPUs.Found:
		message = "Blender finds no GPU on this machine for " + strings.Join(about.GPUs.Kinds, ", ") + "; leave device out"
		if slices.Contains(about.GPUs.Kinds, "CUDA") && blender.LacksUVM(blender.DeviceNodes) {
			message += ", or make /dev/nvidia-uvm, which is missing, with nvidia-modprobe -u -c 0"
		}
	default:
		return nil
	}
	return []render.Problem{{Pointer: "/render/device", Message: message}}
}

// numbers returns the frames that a request asks for.
func numbers(s render.Settings, about blender.About) ([]int, error) {
	if s.Redo != "" {
		return render.ParseFrames(s.Redo, 1)
	}
	if s.Frames != "" {
		return render.ParseFrames(s.Frames, max(s.Step, 1))
	}
	return render.ParseFrames(fmt.Sprintf("%d-%d", about.First, about.Last), max(cmp.Or(s.Step, about.Step), 1))
}

// rateOf returns the frames a second of a scene: 24 with the base 1.001 are 24000/1001.
func rateOf(about blender.About) media.Rational {
	const parts = 1_000_000
	return fraction(int64(about.FPS)*parts, int64(math.Round(about.FPSBase*parts)))
}

// aspectOf returns the width of a pixel to its height.
func aspectOf(about blender.About) media.Rational {
	const parts = 10_000
	return fraction(int64(math.Round(about.AspectX*parts)), int64(math.Round(about.AspectY*parts)))
}

func fraction(num, den int64) media.Rational {
	if num <= 0 || den <= 0 {
		return media.Rational{}
	}
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return media.Rational{Num: num / a, Den: den / a}
}

// some names the first of a list that a scene may make as long as it likes.
func some(list []string) string {
	const named, letters = 10, 120
	var short []string
	for _, name := range list[:min(len(list), named)] {
		if r := []rune(name); len(r) > letters {
			name = string(r[:letters]) + "…"
		}
		short = append(short, name)
	}
	if more := len(list) - named; more > 0 {
		short = append(short, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(short, ", ")
}

// warnings says what of a scene is not rendered.
func warnings(about blender.About, s render.Settings) (list []string) {
	if about.NoDenoiser {
		list = append(list, "the scene is rendered without denoising, because this Blender has no OpenImageDenoise")
	}
	if len(about.FileOutputs) > 0 {
		list = append(list, "the compositor's file outputs are turned off: "+some(about.FileOutputs))
	}
	if len(about.Scripts) > 0 {
		list = append(list, "the scene's Python is not run: "+some(about.Scripts))
	}
	if s.Tiles != "" && about.Dithered {
		list = append(list, "the scene is rendered without dithering, which tiles do not allow")
	}
	if s.Tiles != "" && about.Adaptive {
		list = append(list, "the scene is rendered without adaptive sampling, which tiles do not allow: each pixel takes all samples")
	}
	return list
}

// tokens are the parts of a path that stand for a number: of a tile of a texture, or of the frame of a sequence.
var tokens = regexp.MustCompile(`<UDIM>|<UVTILE>|#+`)

// find returns the files that a scene reads, and what is wrong with them: those that do not exist, and those that it may not read.
func find(used []blender.Used, at blender.Place) (found []string, problems []render.Problem) {
	var missing, outside []string
	for _, u := range used {
		matches := []string{u.Path}
		if tokens.MatchString(u.Path) {
			matches, _ = filepath.Glob(tokens.ReplaceAllString(escape(u.Path), "*")) // the pattern is well-formed
		}
		exists := false
		for _, name := range matches {
			real, err := filepath.EvalSymlinks(name)
			if err != nil {
				continue
			}
			exists = true
			if !within(name, at.Readable) || !within(real, at.Readable) {
				outside = append(outside, fmt.Sprintf("%s (%s)", u.What, name))
				break
			}
			found = append(found, real)
		}
		if !exists {
			missing = append(missing, fmt.Sprintf("%s (%s)", u.What, u.Path))
		}
	}
	if len(missing) > 0 {
		problems = append(problems, render.Problem{Pointer: "/source", Message: "the scene reads files that do not exist: " + strings.Join(missing, ", ")})
	}
	if len(outside) > 0 {
		problems = append(problems, render.Problem{
			Pointer: "/render/files",
			Message: "the scene reads files that lie outside of its folder; allow each by its path, or pack them into the scene: " + strings.Join(outside, ", "),
		})
	}
	return found, problems
}

// escape makes a path match nothing but itself.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// within reports whether a path lies in one of several files and folders.
func within(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		rel, err := filepath.Rel(folder, name)
		return err == nil && filepath.IsLocal(rel)
	})
}

// listed returns the paths of the files and folders that a request lists.
func listed(at blender.Place, files []string) (list []string) {
	for _, name := range files {
		name = filepath.FromSlash(name)
		if !filepath.IsAbs(name) {
			name = filepath.Join(at.Folder(), name)
		}
		list = append(list, filepath.Clean(name))
	}
	return list
}

// digests describes files, and those in folders, each once.
func digests(at blender.Place, names []string) (list []render.File, err error) {
	seen := map[string]bool{}
	for _, name := range names {
		err := filepath.WalkDir(name, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || seen[name] {
				return err
			}
			seen[name] = true
			f := render.File{Path: name}
			if rel, err := filepath.Rel(at.Folder(), name); err == nil && filepath.IsLocal(rel) {
				f.Path = rel
			}
			if f.Size, f.Digest, err = digest(name); err != nil {
				return err
			}
			list = append(list, f)
			return nil
		})
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "read what the scene needs")
		}
	}
	slices.SortFunc(list, func(a, b render.File) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

func digest(name string) (size int64, sum string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)[:16]), err
}

// versionOf returns a digest of what the frames show, which they are, and how their sound is mixed.
func versionOf(j render.Job) string {
	text := j.Look + " " + j.Frames
	if j.Sound != nil {
		text += fmt.Sprintf(" sound %+v", *j.Sound)
	}
	if j.SoundFile != nil {
		text += fmt.Sprintf(" of %+v", *j.SoundFile)
	}
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:16])
}

// version returns a digest of everything that decides what a frame shows: the scene's bytes, those of the files that it reads, the
// settings, and Blender.
func version(scene string, look render.Settings, j render.Job) (string, error) {
	size, sum, err := digest(scene)
	if err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "read the scene")
	}
	data, err := json.Marshal(struct {
		Format  int
		Size    int64
		Digest  string
		Files   []render.File
		Blender string
		Look    render.Settings
	}{format, size, sum, j.Files, j.Blender, look})
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:16]), fault.Wrap(fault.Internal, err, "version of the scene")
}

// guard notices when a scene, or a file that it reads, changes while it is rendered.
type guard struct {
	names []string
	stats []os.FileInfo
}

// watch returns a guard of the scene of a job at a place. A scene that is not the one which was examined is an error.
func watch(at blender.Place, j render.Job) (*guard, error) {
	g := &guard{names: []string{at.Scene}}
	var paths []string
	for _, f := range j.Files {
		name := f.Path
		if !filepath.IsAbs(name) {
			name = filepath.Join(at.Folder(), name)
		}
		paths, g.names = append(paths, name), append(g.names, name)
	}
	for _, name := range g.names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, errors.Join(errChanged, err)
		}
		g.stats = append(g.stats, info)
	}
	now := j
	var err error
	if now.Files, err = digests(at, paths); err != nil {
		return nil, err
	}
	v, err := version(at.Scene, j.Settings.Look(), now)
	if err == nil && v != j.Look {
		err = errChanged
	}
	return g, err
}

// files returns the paths of what the scene reads.
func (g *guard) files() []string { return g.names[1:] }

// check returns an error where anything has changed.
func (g *guard) check() error {
	for i, name := range g.names {
		info, err := os.Stat(name)
		if err != nil || info.Size() != g.stats[i].Size() || !info.ModTime().Equal(g.stats[i].ModTime()) {
			return errChanged
		}
	}
	return nil
}

var errChanged = fault.WithHint(fault.New(fault.Invalid, "the scene, or a file that it reads, has changed since the job began"),
	"run the same command again: it begins a new job")
