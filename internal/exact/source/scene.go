package source

import (
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
)

// sceneSources are scenes of Blender with 48 frames, two seconds, which mapreel renders in units. File has what one run of Blender renders.
// They need Blender.
func sceneSources() []Source {
	const scene = folder + "/in.blend"
	return []Source{
		{Name: "scene, units of 7 frames", File: "in.mov", Scene: scene, Render: render.Settings{Unit: 7}, make: renderedScene(false)},
		{Name: "scene, frames in turn", File: "in.mov", Scene: scene, make: renderedScene(false)},
		{Name: "scene, 2 x 2 tiles", File: "in.mov", Scene: scene, Render: render.Settings{Tiles: "2x2", Unit: 16}, make: renderedScene(false)},
		{
			Name: "scene, sound of a file", File: "in.mov", Scene: scene, Render: render.Settings{Unit: 7, Sound: folder + "/in.wav"},
			make: renderedScene(true),
		},
	}
}

// sceneScript has Blender make a scene, and render its frames. Without dithering and adaptive sampling, tiles are equal to the same parts of
// the frame.
const sceneScript = `
import bpy, os
s = bpy.context.scene
r = s.render
r.engine, s.cycles.samples, s.cycles.use_denoising, s.cycles.use_adaptive_sampling = "CYCLES", 4, False, False
r.resolution_x, r.resolution_y, r.dither_intensity, r.fps, s.frame_start, s.frame_end = 160, 90, 0, 24, 1, 48
r.image_settings.file_format, r.image_settings.color_mode, r.filepath = "PNG", "RGB", "//frames/"
cube = bpy.data.objects["Cube"]
for frame, angle in ((1, 0.0), (48, 20.0)):
    cube.rotation_euler = (angle, angle, 0)
    cube.location = (angle / 4 - 2.5, 0, 0)
    cube.keyframe_insert("rotation_euler", frame=frame)
    cube.keyframe_insert("location", frame=frame)
for curve in cube.animation_data.action.fcurves: # neighbouring frames differ as much at the ends as between them
    for point in curve.keyframe_points:
        point.interpolation = "LINEAR"
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("in.blend"))
bpy.ops.render.render(animation=True)
`

// renderedScene has Blender make in.blend, and a film of its frames, whose sound is in.wav.
func renderedScene(sound bool) func(*builder) error {
	return func(b *builder) error {
		program, err := blender.Program{}.Find()
		if err != nil {
			return err
		}
		err = b.run(program, nil, "--background", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", sceneScript)
		if err != nil {
			return err
		}
		args := split("-framerate 24 -i frames/%04d.png")
		if sound {
			if err := b.ffmpeg(audioInput(48000, 2, "2"), split("-c:a pcm_s16le in.wav")); err != nil {
				return err
			}
			args = append(args, split("-i in.wav")...)
			b.created = nil // mapreel reads it
		}
		if err := b.ffmpeg(args, split("-c copy"), []string{b.out}); err != nil {
			return err
		}
		return os.RemoveAll(filepath.Join(b.dir, "frames"))
	}
}
