package lambdafn_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
)

// textured is the script that makes a scene of 72 frames. The scene reads a texture from a folder beside it.
const textured = `
import bpy, os
folder = os.environ["FOLDER"]
s = bpy.context.scene
r = s.render
r.engine, s.cycles.samples, s.cycles.use_denoising = "CYCLES", 1, False
r.resolution_x, r.resolution_y, r.fps, s.frame_start, s.frame_end = 64, 36, 24, 1, 72
cube = bpy.data.objects["Cube"]
for frame, angle in ((1, 0.0), (72, 1.5)):
    cube.rotation_euler = (angle, angle, 0)
    cube.keyframe_insert("rotation_euler", frame=frame)
texture = os.path.join(folder, "textures", "wood.png")
picture = bpy.data.images.new("wood", 4, 4)
picture.generated_color = (0.8, 0.3, 0.1, 1)
picture.filepath_raw, picture.file_format = texture, "PNG"
picture.save()
material = cube.data.materials[0].node_tree
node = material.nodes.new("ShaderNodeTexImage")
node.image = bpy.data.images.load(texture)
material.links.new(node.outputs[0], material.nodes["Principled BSDF"].inputs[0])
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "shot.blend"))
bpy.ops.file.make_paths_relative()
bpy.ops.wm.save_mainfile()
`

func sceneRequest() film.Request {
	req := request("shot.blend")
	req.Segment.Seconds = film.Seconds(1e9)
	req.Outputs = append(req.Outputs, film.Output{Name: "frames", Container: film.Frames})
	return req
}

// A scene is examined, rendered, encoded and kept by functions, from a bucket, as on one machine.
func TestFunctionsRenderAScene(t *testing.T) {
	c := newCloud(t)
	t.Run("of a stand-in for Blender", func(t *testing.T) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(blender.Variable, self)
		about := blendertest.About()
		about.GPUs = blender.GPUs{Kinds: []string{"CUDA", "OPTIX"}, Found: true}
		about.Last, about.Width, about.Height = 72, 64, 36
		about.Sounds, about.SoundRate, about.SoundChannels = true, 48_000, 2
		scene := filepath.Join(t.TempDir(), "shot.blend")
		data, err := json.Marshal(blendertest.Script{About: about})
		if err == nil {
			err = os.WriteFile(scene, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		put(t, c, "in/shot.blend", scene)
		r := c.with(blender.Variable + "=" + self).deploy(t).record()
		sameAsLocal(t, r.deployment, sceneRequest(), scene, "stand-in")
		r.check(t, map[string]string{
			"frames/000000": "Run on Lambda, else on Batch", "frames/000002": "Run on Lambda, else on Batch", "video/00000": "Run on Lambda, else on Batch",
			"sound/mix": "Run on Lambda, else on Batch",
		})
		tiled := sceneRequest()
		tiled.Render = render.Settings{Unit: 36, Tiles: "2x1"}
		tiled.Outputs[0].Name, tiled.Outputs[1].Name = "of-tiles", "frames-of-tiles"
		r = r.deployment.record()
		sameAsLocal(t, r.deployment, tiled, scene, "tiles")
		r.check(t, map[string]string{"tiles/000036.01": "Run on Lambda, else on Batch", "frames/000000": "Run on Lambda, else on Batch"})
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
		req := sceneRequest()
		req.Compute.Mode, req.Outputs[1].Name, req.Outputs = film.Batch, "more", req.Outputs[1:]
		req.Render.Unit = 40
		r = r.deployment.record()
		if _, err := r.execute("arn:execution:batch-scene", located(c, req)); err != nil {
			t.Fatal(err)
		}
		r.check(t, map[string]string{"frames/000000": "Run on Batch", "frames/000036": "Run on Batch"})

		req = sceneRequest()
		req.Render.Device = render.GPU
		refused(t, r.deployment, located(c, req), "frames/000000 needs a GPU, and this deployment has no GPU queue", "-c gpu=true")
		r = c.with(blender.Variable+"="+self, "MAPREEL_BATCH=cpu,gpu").deploy(t).record()
		req.Outputs[0].Name, req.Outputs[1].Name = "on-a-gpu", "frames-of-a-gpu"
		sameAsLocal(t, r.deployment, req, scene, "gpu")
		r.check(t, map[string]string{"frames/000000": "Run on Batch", "frames/000002": "Run on Batch", "video/00000": "Run on Lambda, else on Batch"})
	})

	t.Run("of Blender, with a texture beside it", func(t *testing.T) {
		program, err := blender.Program{}.Find()
		if err != nil {
			t.Skipf("SKIPPED: 1 test of a scene on functions needs Blender, which make setup-render installs: %v", err)
		}
		folder := t.TempDir()
		if err := os.Mkdir(filepath.Join(folder, "textures"), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program, "--background", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", textured)
		cmd.Env = append(os.Environ(), "FOLDER="+folder)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		scene := filepath.Join(folder, "shot.blend")
		put(t, c, "in/shot.blend", scene)
		put(t, c, "in/textures/wood.png", filepath.Join(folder, "textures", "wood.png"))
		d := c.with(blender.Variable + "=" + program).deploy(t)
		req := sceneRequest()
		req.Outputs[0].Name, req.Outputs[1].Name = "cube", "cubes"
		refused(t, d, located(c, req), "the scene reads files that do not exist: ")
		req.Render = render.Settings{Files: []string{"textures"}}
		sameAsLocal(t, d, req, scene, "blender")
	})

	t.Run("not where the deployment renders none", func(t *testing.T) {
		d := c.with(blender.Variable+"="+blender.None, "MAPREEL_PROCESSORS=2").deploy(t)
		refused(t, d, located(c, sceneRequest()), "no scenes are rendered or estimated here", "deploy with -c render=true")
	})
}

// refused checks that a request ends with an error before anything is written.
func refused(t *testing.T, d *deployment, req film.Request, want ...string) {
	t.Helper()
	subtest := *d
	subtest.t = t
	before := keys(t, d.scratch, "")
	_, err := subtest.execute("arn:execution:refused", req)
	var failed *asl.Error
	if !errors.As(err, &failed) {
		t.Fatalf("the machine ends with %v", err)
	}
	for _, text := range want {
		if !strings.Contains(failed.Cause, text) {
			t.Errorf("the machine ends with %v, want %q", err, text)
		}
	}
	if left := keys(t, d.scratch, ""); len(left) > len(before) {
		t.Errorf("%q in scratch", left)
	}
}
