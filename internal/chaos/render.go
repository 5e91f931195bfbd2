package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/render/blender"
)

// RenderResult describes a scene whose rendering was killed again and again.
type RenderResult struct {
	Frames  int
	Kills   int // of the whole program, or of one Blender
	Stored  int // frames that were stored when the last of these had happened
	Elapsed time.Duration
}

func (r RenderResult) String() string {
	return fmt.Sprintf("a scene of %d frames, killed %d times: %v\n  %d frames were stored by then, and none of them was rendered again\n",
		r.Frames, r.Kills, r.Elapsed.Round(10*time.Millisecond), r.Stored)
}

// killedFrames is the number of frames of the scene of RunKilledRenders.
const killedFrames = 16

// killedScene has Blender write a scene of light frames.
const killedScene = `
import bpy, os
s = bpy.context.scene
r = s.render
r.engine, s.cycles.samples, s.cycles.use_denoising = "CYCLES", 8, False
r.resolution_x, r.resolution_y, s.frame_start, s.frame_end = 320, 180, 1, int(os.environ["FRAMES"])
cube = bpy.data.objects["Cube"]
for frame, angle in ((1, 0.0), (s.frame_end, 2.0)):
    cube.rotation_euler = (angle, angle, 0)
    cube.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=os.environ["SCENE"])
`

// killedRenders is a scene that is rendered by processes of mapreel.
type killedRenders struct {
	program, dir, scene string
	random              *rand.Rand
	stored              map[string]storedFrame // after the last kill
}

// storedFrame tells a frame that was stored from one that was stored later under the same name.
type storedFrame struct {
	inode    uint64
	modified time.Time
}

// RunKilledRenders renders a scene with a mapreel program, and kills that program, or one Blender that it runs, at random moments. Then it
// renders what is missing, undisturbed. An error is a frame that was rendered again although it had been stored, one that differs from
// that of an undisturbed run, or a Blender that outlives mapreel. Everything is below dir, which the caller removes. It needs Blender.
func RunKilledRenders(ctx context.Context, program, dir string, seed uint64, kills int) (RenderResult, error) {
	result := RenderResult{Frames: killedFrames}
	began := time.Now()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return result, err
	}
	k := killedRenders{program: program, dir: dir, scene: filepath.Join(dir, "scene", "killed.blend"), random: rand.New(rand.NewPCG(seed, 0))}
	if err := k.makeScene(ctx); err != nil {
		return result, err
	}
	undisturbed := time.Now()
	if err := k.command(ctx, "alone").run(); err != nil {
		return result, err
	}
	whole := time.Since(undisturbed)
	for n := range kills {
		killed, err := k.runAndKill(ctx, k.draw(whole, n == kills-1))
		if killed {
			result.Kills++
		}
		wrong := errors.Join(k.check(), k.gone(ctx))
		if err != nil && !killed {
			wrong = errors.Join(err, wrong)
		}
		if wrong != nil {
			return result, fmt.Errorf("seed %d, kill %d: %w", seed, n+1, wrong)
		}
		if err == nil { // it was done before, or mapreel has started another Blender
			break
		}
		result.Stored = len(k.stored)
	}
	if err := k.command(ctx, "killed").run(); err != nil {
		return result, err
	}
	err = errors.Join(k.check(), k.compare())
	result.Elapsed = time.Since(began)
	if err != nil {
		err = fmt.Errorf("seed %d: %w", seed, err)
	}
	return result, err
}

func (k *killedRenders) makeScene(ctx context.Context) error {
	program, err := blender.Program{}.Find()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Dir(k.scene), 0o750); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "--background", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", killedScene)
	cmd.Env = append(os.Environ(), "SCENE="+k.scene, fmt.Sprintf("FRAMES=%d", killedFrames))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a scene: %w: %s", err, out)
	}
	return nil
}

func (k *killedRenders) scratch(name string) string { return filepath.Join(k.dir, name+".scratch") }

// rendering is a process of mapreel.
type rendering struct {
	*exec.Cmd
	errs *bytes.Buffer
}

// command returns the command that renders the scene into the folder name.
func (k *killedRenders) command(ctx context.Context, name string) rendering {
	r := rendering{exec.CommandContext(ctx, k.program, "render", k.scene, "-o", filepath.Join(k.dir, name)+"/", "--keep-scratch",
		"--progress", "none", "--scratch", k.scratch(name)), &bytes.Buffer{}}
	r.Stderr = r.errs
	return r
}

func (r rendering) run() error {
	if err := r.Start(); err != nil {
		return err
	}
	return r.wait()
}

func (r rendering) wait() error {
	if err := r.Wait(); err != nil {
		return fmt.Errorf("rendering: %w: %s", err, bytes.TrimSpace(r.errs.Bytes()))
	}
	return nil
}

// moment is when something is killed.
type moment struct {
	frames  int           // that are stored in addition to those before
	delay   time.Duration // after that
	blender bool          // one Blender is killed, not mapreel
}

// draw draws a moment. Times of the clock alone would be too early for a frame on some machines.
func (k *killedRenders) draw(whole time.Duration, blender bool) moment {
	const most = 3
	m := moment{frames: k.random.IntN(most), delay: time.Duration(k.random.Int64N(int64(whole)/8 + 1)), blender: blender}
	if blender {
		m.frames++ // before the first frame, there may be no Blender
	}
	return m
}

// runAndKill renders what is missing, and at some moment kills mapreel, or one Blender. killed is false where it was done before.
func (k *killedRenders) runAndKill(ctx context.Context, m moment) (killed bool, err error) {
	r := k.command(ctx, "killed")
	if err := r.Start(); err != nil {
		return false, err
	}
	ended, hit := make(chan struct{}), make(chan bool, 1)
	go func() { hit <- k.reach(m, ended) && k.kill(r.Process, m.blender) }()
	err = r.wait()
	close(ended)
	return <-hit, err
}

// reach waits for a moment, and returns false if mapreel ends before.
func (k *killedRenders) reach(m moment, ended <-chan struct{}) bool {
	for m.frames > 0 {
		now, err := k.frames()
		if err == nil && len(now) >= len(k.stored)+m.frames { // an error is that of a file that has gone meanwhile
			break
		}
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	select {
	case <-ended:
		return false
	case <-time.After(m.delay):
		return true
	}
}

// kill kills mapreel, or one Blender of it. It returns false if that has ended already.
func (k *killedRenders) kill(mapreel *os.Process, blender bool) bool {
	if pids := renderers(k.scene); blender && len(pids) > 0 {
		return syscall.Kill(pids[0], syscall.SIGKILL) == nil
	}
	return mapreel.Kill() == nil
}

// renderers lists the processes of Blender that have a scene open.
func renderers(scene string) (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline") // a valid pattern returns no error
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		args := strings.Split(string(data), "\x00")
		var pid int
		if strings.HasPrefix(filepath.Base(args[0]), "blender") && strings.Contains(string(data), "\x00"+scene+"\x00") {
			if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// gone waits until no Blender has the scene open. The kernel ends those of a mapreel that was killed.
func (k *killedRenders) gone(ctx context.Context) error {
	const patience = 5 * time.Second
	for began := time.Now(); ; {
		pids := renderers(k.scene)
		switch {
		case len(pids) == 0:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Since(began) > patience:
			return fmt.Errorf("processes of Blender outlive mapreel: %v", pids)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// frames returns the frames in scratch.
func (k *killedRenders) frames() (map[string]storedFrame, error) {
	now := map[string]storedFrame{}
	err := filepath.WalkDir(k.scratch("killed"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) != "frames" || filepath.Ext(path) != ".png" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			now[path] = storedFrame{s.Ino, info.ModTime()}
		}
		return nil
	})
	return now, err
}

// check looks at the frames in scratch. None that was stored before may be missing, or have been stored again.
func (k *killedRenders) check() error {
	now, err := k.frames()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // mapreel may have been killed before it made the folder
		return err
	}
	for path, before := range k.stored {
		switch frame, ok := now[path]; {
		case !ok:
			return fmt.Errorf("%s was stored, and is lost", path)
		case frame != before:
			return fmt.Errorf("%s was stored, and has been rendered again", path)
		}
	}
	k.stored = now
	return nil
}

// compare compares the frames with those of the undisturbed run.
func (k *killedRenders) compare() error {
	for n := 1; n <= killedFrames; n++ {
		name := fmt.Sprintf("frame_%04d.png", n)
		want, err := os.ReadFile(filepath.Join(k.dir, "alone", name))
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(k.dir, "killed", name))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s differs from that of an undisturbed run", name)
		}
	}
	return nil
}
