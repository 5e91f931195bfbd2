package job_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
)

// scenes makes four scenes beside each other: plain.blend moves a cube over four frames, exact.blend is the same without dithering and
// adaptive sampling, and has sound from its third frame on, hostile.blend tries to write to what the variable MARK names in several ways,
// and poor.blend lacks a camera and a texture, has sound in its sequencer, and has a simulation that is not baked.
const scenes = `
import bpy, os, wave
folder, mark = os.environ["FOLDER"], os.environ["MARK"]
s = bpy.context.scene
r = s.render
r.engine, s.cycles.samples, s.cycles.use_denoising = "CYCLES", 1, False
r.resolution_x, r.resolution_y, r.fps, s.frame_start, s.frame_end = 64, 36, 25, 1, 4
cube = bpy.data.objects["Cube"]
for frame, angle in ((1, 0.0), (4, 1.5)):
    cube.rotation_euler = (angle, angle, 0)
    cube.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "plain.blend"))
stored = r.image_settings
stored.color_management, stored.linear_colorspace_settings.name = "OVERRIDE", "sRGB"
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "curved.blend"))
stored.color_management = "FOLLOW_SCENE"
r.dither_intensity, s.cycles.use_adaptive_sampling = 0, False
tone = os.path.join(folder, "tone.wav")
with wave.open(tone, "wb") as f:
    f.setnchannels(1)
    f.setsampwidth(2)
    f.setframerate(48000)
    f.writeframes(bytes([0, 64]) * 48000)
s.sequence_editor_create().sequences.new_sound("tone", tone, 1, 3)
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "exact.blend"))
s.sequence_editor_clear()
for sound in list(bpy.data.sounds):
    bpy.data.sounds.remove(sound)

text = bpy.data.texts.new("startup.py")
text.write("open(%r, 'w').write('text')" % (mark + "-text"))
text.use_module = True
driver = cube.driver_add("location", 0).driver
driver.type, driver.expression = "SCRIPTED", "open(%r, 'w') and 1.0" % (mark + "-driver")
s.use_nodes = True
layers, composite = s.node_tree.nodes["Render Layers"], s.node_tree.nodes["Composite"]
output = s.node_tree.nodes.new("CompositorNodeOutputFile")
output.base_path = os.path.dirname(mark)
s.node_tree.links.new(layers.outputs["Image"], output.inputs[0])
cube.cycles.use_adaptive_subdivision = s.cycles.use_guiding = True
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "hostile.blend"))
cube.cycles.use_adaptive_subdivision = s.cycles.use_guiding = False

s.use_nodes = False
cube.animation_data_clear()
bpy.data.texts.remove(text)
bpy.data.objects.remove(bpy.data.objects["Camera"])
texture = os.path.join(folder, "wood.png")
picture = bpy.data.images.new("wood", 4, 4)
picture.filepath_raw, picture.file_format = texture, "PNG"
picture.save()
node = cube.data.materials[0].node_tree.nodes.new("ShaderNodeTexImage")
node.image = bpy.data.images.load(texture)
cube.modifiers.new("Flag", "CLOTH")
s.sequence_editor_create().sequences.new_sound("tone", tone, 1, 3)
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "poor.blend"))
os.remove(texture)
`

// realBlender returns the installed Blender and a folder of scenes. Without Blender, the test is skipped.
func realBlender(t *testing.T) (p blender.Program, folder, mark string) {
	t.Helper()
	p.Self = program(t).Self
	path, err := p.Find()
	if err != nil {
		t.Skipf("SKIPPED: 1 test of 4 scenes needs Blender, which make setup-render installs: %v", err)
	}
	folder, mark = t.TempDir(), filepath.Join(t.TempDir(), "mark")
	cmd := exec.CommandContext(t.Context(), path, "--background", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", scenes)
	cmd.Env = append(os.Environ(), "FOLDER="+folder, "MARK="+mark)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return p, folder, mark
}

// rendered has a scene rendered as one unit, and returns its frames.
func rendered(t *testing.T, p blender.Program, found job.Scene) []image.Image {
	t.Helper()
	scratch := store(t)
	if _, err := attempt(t, p, found, scratch); err != nil {
		t.Fatal(err)
	}
	var frames []image.Image
	for _, key := range stored(t, scratch) {
		r, err := scratch.Open(t.Context(), "j/frames/"+key, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := png.Decode(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}

// TestScenes has everything that needs Blender in one test, which makes all scenes in one start of it: a start takes seconds.
func TestScenes(t *testing.T) {
	t.Parallel()
	p, folder, mark := realBlender(t)
	plain := filepath.Join(folder, "plain.blend")

	found, problems := examine(t, p, plain, render.Settings{Frames: "2,4"})
	if len(problems) > 0 || len(found.Warnings) > 0 || found.Width != 64 || found.Height != 36 || found.Rate.Num != 25 || found.Alpha {
		t.Fatalf("%+v, %v", found, problems)
	}
	got := rendered(t, p, found)
	whole := filepath.Join(t.TempDir(), "####")
	path, err := p.Find()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "-b", plain, "-o", whole, "-F", "PNG", "-a").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, number := range []string{"0002", "0004"} {
		f, err := os.Open(filepath.Join(filepath.Dir(whole), number+".png"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(f)
		if err = errors.Join(err, f.Close()); err != nil || len(got) != 2 || !samePixels(got[i], want) {
			t.Errorf("frame %s differs from that of a run of all frames: %v", number, err)
		}
	}

	exact, _ := examine(t, p, filepath.Join(folder, "exact.blend"), render.Settings{Frames: "3"})
	tiled, problems := examine(t, p, plain, render.Settings{Frames: "3", Tiles: "2x2"})
	scratch := store(t)
	for tile := range 4 {
		if _, err := attemptTile(t, p, tiled, scratch, tile); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := attemptTile(t, p, tiled, scratch, -1); err != nil {
		t.Fatal(err)
	}
	merged, err := png.Decode(bytes.NewReader(content(t, scratch, render.Key("j", 0, render.PNG))))
	if err != nil || len(problems) > 0 || len(tiled.Warnings) != 2 || !samePixels(merged, rendered(t, p, exact)[0]) {
		t.Errorf("the frame of tiles differs from the whole one: %v, %v, warnings %q", err, problems, tiled.Warnings)
	}

	checkMix(t, p, folder)
	checkLinear(t, p, plain, filepath.Join(folder, "curved.blend"))

	if _, problems = examine(t, p, filepath.Join(folder, "hostile.blend"), render.Settings{Tiles: "2x2"}); len(problems) != 1 ||
		!strings.Contains(problems[0].Message, "because of path guiding, adaptive subdivision, compositing; ") {
		t.Errorf("tiles of a scene with compositing and more: %v", problems)
	}
	found, problems = examine(t, p, filepath.Join(folder, "hostile.blend"), render.Settings{Frames: "1"})
	if text := strings.Join(found.Warnings, "\n"); len(problems) > 0 || !strings.Contains(text, "Python is not run: ") ||
		!strings.Contains(text, "text startup.py") || !strings.Contains(text, "driver of Cube: location") || !strings.Contains(text, "file outputs are turned off: File Output") {
		t.Errorf("warnings %q, problems %v", text, problems)
	}
	rendered(t, p, found)
	if left, err := os.ReadDir(filepath.Dir(mark)); err != nil || len(left) > 0 {
		t.Errorf("the scene has written %v, %v", left, err)
	}

	_, problems = examine(t, p, filepath.Join(folder, "poor.blend"), render.Settings{ViewLayer: "Other", Scene: "Missing"})
	var text string
	for _, problem := range problems {
		text += problem.Pointer + ": " + problem.Message + "\n"
	}
	for _, want := range []string{"has no scene 'Missing'; it has 'Scene'", "has no 'Other'", "has no camera", "Cube: Flag", "do not exist: image wood.png"} {
		if !strings.Contains(text, want) {
			t.Errorf("the problems do not name %q:\n%s", want, text)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(folder, "*")); len(names) != 6 && !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".blend1") }) {
		t.Errorf("beside the scenes there are %v", names)
	}
}

// checkLinear compares frames in OpenEXR with those of a run of Blender over all frames, as ffmpeg decodes both. The output settings of curved
// ask for the curve of sRGB, which is not linear.
func checkLinear(t *testing.T, p blender.Program, scene, curved string) {
	t.Helper()
	path, err := p.Find()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), path, "-b", scene, "-o", filepath.Join(folder, "####"), "-F", "OPEN_EXR", "-a").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const samples = 3 * 64 * 36
	decoded := func(name string) (list []float32) {
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", name, "-f", "rawvideo", "-").Output()
		if err != nil || len(out) < 4*samples {
			t.Fatalf("%s: %v, %d bytes", name, err, len(out))
		}
		for i := range samples { // green, blue, red; then alpha, which the other run has
			list = append(list, math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])))
		}
		return list
	}
	whole := decoded(filepath.Join(folder, "0004.exr")) // with 32 bits
	for _, format := range []render.Format{render.EXR, render.EXR32} {
		found, problems := examine(t, p, curved, render.Settings{Frames: "2,4", Format: format})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		scratch := store(t)
		if _, err := attempt(t, p, found, scratch); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(folder, string(format)+".exr")
		if err := os.WriteFile(name, content(t, scratch, render.Key("j", 1, format)), 0o600); err != nil {
			t.Fatal(err)
		}
		const half = 1.0 / (1 << 11) // how far a number may be from the nearest one with 16 bits, relative to it
		for i, v := range decoded(name) {
			if d := math.Abs(float64(v - whole[i])); format == render.EXR32 && d != 0 || d > half*float64(whole[i]) {
				t.Fatalf("%s: sample %d of the frame is %v, and %v in a run of all frames", format, i, v, whole[i])
			}
		}
	}
}

func samePixels(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if a.At(x, y) != b.At(x, y) {
				r, g, b1, _ := a.At(x, y).RGBA()
				r2, g2, b2, _ := b.At(x, y).RGBA()
				if r != r2 || g != g2 || b1 != b2 {
					return false
				}
			}
		}
	}
	return true
}

// TestBlenderSeesNothingButTheScene has a program of the system in the place of Blender, which tries to read and write.
func TestBlenderSeesNothingButTheScene(t *testing.T) {
	t.Parallel()
	secret, folder := filepath.Join(t.TempDir(), "secret"), t.TempDir()
	url, fake := filepath.Join(folder, "shot.blend"), filepath.Join(t.TempDir(), "blender")
	about, err := json.Marshal(about())
	if err != nil {
		t.Fatal(err)
	}
	// The last argument is the path of the task. The description is written to the same folder.
	script := `#!/bin/sh
for last; do :; done
cat ` + secret + ` && exit 8
touch ` + folder + `/written && exit 8
cat /etc/passwd && exit 8
cat ` + url + ` > "$(dirname "$last")/about.json"
`
	for name, text := range map[string]string{secret: "x", url: string(about), fake: script} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil { //nolint:gosec // one is a program
			t.Fatal(err)
		}
	}
	p := blender.Program{Self: program(t).Self, Path: fake}
	if _, problems := examine(t, p, url, render.Settings{}); len(problems) > 0 {
		t.Error(problems)
	}
	if _, err := os.Stat(filepath.Join(folder, "written")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder of the scene was written to")
	}
}
