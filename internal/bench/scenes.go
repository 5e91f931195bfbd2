package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/render/blender"
)

// sceneFrames is the number of frames of each scene that is measured.
const sceneFrames = 48

// benchScene is a scene to render. limit bounds the wall time of mapreel, divided by that of one run of Blender.
type benchScene struct {
	name           string
	width, samples int
	limit          float64
}

// benchScenes returns the scenes to measure. A frame of the heavy one takes about two seconds of one core, so that a round takes minutes
// on two cores.
func benchScenes() []benchScene {
	return []benchScene{{"light", 320, 4, 1.05}, {"heavy", 480, 16, 1}}
}

// sceneScript makes a scene: a cube that turns over a plane.
const sceneScript = `
import bpy, os
s = bpy.context.scene
r = s.render
width = int(os.environ["WIDTH"])
r.engine, s.cycles.samples, s.cycles.use_denoising = "CYCLES", int(os.environ["SAMPLES"]), False
r.resolution_x, r.resolution_y, r.fps, s.frame_start, s.frame_end = width, width * 9 // 16, 24, 1, int(os.environ["FRAMES"])
r.image_settings.file_format, r.image_settings.color_mode = "PNG", "RGB"
cube = bpy.data.objects["Cube"]
for frame, angle in ((1, 0.0), (s.frame_end, 3.0)):
    cube.rotation_euler = (angle, angle, 0)
    cube.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 0, -1))
bpy.ops.wm.save_as_mainfile(filepath=os.environ["SCENE"])
`

// makeScene has Blender write a scene, and returns its path.
func (b bench) makeScene(ctx context.Context, program string, s benchScene) (string, error) {
	path, err := filepath.Abs(filepath.Join(b.work, s.name+".blend"))
	if err == nil {
		err = os.MkdirAll(b.work, 0o750)
	}
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "--background", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", sceneScript)
	cmd.Env = append(os.Environ(), "SCENE="+path, "FRAMES="+strconv.Itoa(sceneFrames), "WIDTH="+strconv.Itoa(s.width), "SAMPLES="+strconv.Itoa(s.samples))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("making %s: %w: %s", path, err, out)
	}
	return path, nil
}

// scenes compares mapreel, which keeps the frames of scenes, with one run of Blender over all of them. Each round begins with the other
// one. It prints the medians of the wall times and of their ratios.
func (b bench) scenes(ctx context.Context, rounds int) error {
	program, err := blender.Program{}.Find()
	if err != nil {
		return err
	}
	table := [][]string{{"", "Blender s", "mapreel s", "mapreel ÷ Blender", "limit"}}
	for _, s := range benchScenes() {
		scene, err := b.makeScene(ctx, program, s)
		if err != nil {
			return err
		}
		var walls [2][]float64
		var ratios []float64
		for round := range rounds {
			now, err := b.renderPair(ctx, program, scene, round%2)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			for i := range walls {
				walls[i] = append(walls[i], now[i])
			}
			ratios = append(ratios, now[1]/now[0])
			fmt.Fprintf(b.out, "  %-6s %7.2f s Blender %7.2f s mapreel\n", s.name, now[0], now[1])
		}
		table = append(table, []string{
			s.name, fmt.Sprintf("%.2f", median(walls[0])), fmt.Sprintf("%.2f", median(walls[1])), fmt.Sprintf("%.3f", median(ratios)), fmt.Sprintf("%.2f", s.limit),
		})
	}
	fmt.Fprintf(b.out, "\n%d frames, medians of %d rounds; all frames have the same pixels\n", sceneFrames, rounds)
	b.table(table)
	return nil
}

// renderPair renders a scene both ways, the given one first, and returns the wall time of each in seconds. It checks that the frames are
// the same.
func (b bench) renderPair(ctx context.Context, program, scene string, first int) (walls [2]float64, err error) {
	dir, err := b.emptyDir("scenes")
	if err != nil {
		return walls, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return walls, err
	}
	folders := [2]string{filepath.Join(dir, "blender"), filepath.Join(dir, "mapreel")}
	for n := range folders {
		n = (n + first) % len(folders)
		cmd := exec.CommandContext(ctx, program, "--background", "--factory-startup", "--disable-autoexec", "-noaudio", scene, "-o", filepath.Join(folders[0], "frame_####"), "-a")
		if n == 1 {
			cmd = exec.CommandContext(ctx, b.mapreel, "render", scene, "-o", folders[1]+"/", "--scratch", filepath.Join(dir, "scratch"), "--progress", "none")
		}
		u, err := measure(cmd)
		if err != nil {
			return walls, err
		}
		walls[n] = u.wall.Seconds()
	}
	return walls, sameFrames(ctx, folders)
}

// sameFrames checks that two folders have all frames, with the same pixels.
func sameFrames(ctx context.Context, folders [2]string) error {
	var sums [2]string
	for i, folder := range folders {
		out, err := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-start_number", "1", "-i", filepath.Join(folder, "frame_%04d.png"), "-f", "framemd5", "-").Output()
		if err != nil {
			return fmt.Errorf("frames in %s: %w", folder, err)
		}
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				sums[i] += line
			}
		}
		if n := strings.Count(sums[i], "\n"); n != sceneFrames {
			return fmt.Errorf("%s has %d frames, not %d", folder, n, sceneFrames)
		}
	}
	if sums[0] != sums[1] {
		return errors.New("the frames of mapreel differ from those of Blender")
	}
	return nil
}
