// Package blendertest has a stand-in for Blender, whose scenes are scripts: files of JSON. A test binary becomes it:
//
//	func TestMain(m *testing.M) {
//		blendertest.ServeInChild()
//		os.Exit(m.Run())
//	}
package blendertest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/tool/confine"
)

// Script is the content of a scene that the stand-in renders.
type Script struct {
	About blender.About `json:"about"`
	Fail  []int         `json:"fail"`  // frames that cannot be rendered
	Crash []int         `json:"crash"` // frames at which Blender crashes
	Wrong []int         `json:"wrong"` // frames of another size
	Slow  []int         `json:"slow"`  // frames that take a minute
}

// task is what the stand-in reads of a task for scene.py.
type task struct {
	Settings render.Settings `json:"settings"`

	Report string       `json:"report"`
	Output string       `json:"output"`
	Frames [][2]any     `json:"frames"`
	Tile   *render.Tile `json:"tile"`
	Sound  []int        `json:"sound"`
	Done   string       `json:"done"`
	Next   string       `json:"next"`
	Bell   string       `json:"bell"`
}

// broken is the exit code where the stand-in itself fails.
const broken = 9

// Confined is the first argument of a test binary that stands for mapreel's process that confines Blender.
const Confined = "confined"

// ServeInChild ends a process of a test binary that was started as that process, or as Blender, after it has done what it was started for.
func ServeInChild() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == Confined:
		os.Exit(confine.Main(os.Args[2]))
	case slices.Contains(os.Args, "--background"):
		os.Exit(serve())
	}
}

// serve acts as Blender with the arguments of this process, and returns its exit code.
func serve() int {
	var scene Script
	at := slices.Index(os.Args, "--python-exit-code") - 1 // what comes before depends on the settings
	if readJSON(os.Args[max(at, 0)], &scene) != nil {
		return broken
	}
	for next := os.Args[len(os.Args)-1]; next != ""; {
		var t task
		err := readJSON(next, &t)
		if errors.Is(err, fs.ErrNotExist) {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return broken
		}
		if code := scene.perform(t); code != 0 {
			return code
		}
		if next = t.Next; next != "" && (os.WriteFile(t.Done, []byte(`{"cpu": 0.01}`), 0o600) != nil || t.ring() != nil) {
			return broken
		}
	}
	return 0
}

// ring says that there is something new to read.
func (t task) ring() error {
	if t.Bell == "" {
		return nil
	}
	f, err := os.OpenFile(t.Bell, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(".")
	return errors.Join(err, f.Close())
}

func readJSON(name string, v any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// perform does a task, and returns the exit code.
func (scene Script) perform(t task) int {
	if t.Output != "" && os.MkdirAll(t.Output, 0o700) != nil {
		return broken
	}
	report, err := os.Create(t.Report)
	if err != nil {
		return broken
	}
	defer report.Close() //nolint:errcheck // each line is written at once
	switch {
	case len(t.Sound) > 0:
		err = writeSound(filepath.Join(t.Output, "sound.wav"), scene.About, t.Sound[1]-t.Sound[0]+1)
	case len(t.Frames) == 0:
		err = json.NewEncoder(report).Encode(scene.About)
	default:
		return scene.render(t, report)
	}
	if err != nil {
		return broken
	}
	return 0
}

// render renders the frames of a task, and returns the exit code.
func (scene Script) render(t task, report *os.File) (code int) {
	for _, f := range t.Frames {
		n := int(f[0].(float64))
		line := map[string]any{"frame": n, "seconds": 0.25}
		switch {
		case slices.Contains(scene.Crash, n):
			// A Go program handles this signal itself, and now and then hangs in doing so. A shell dies of it.
			_ = syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -SEGV $$"}, nil)
			return broken
		case slices.Contains(scene.Fail, n):
			line["error"], code = "no memory for frame", 1
		default:
			if slices.Contains(scene.Slow, n) {
				time.Sleep(time.Minute)
			}
			width := scene.About.Width
			if slices.Contains(scene.Wrong, n) {
				width++
			}
			part := image.Rect(0, 0, width, scene.About.Height)
			if t := t.Tile; t != nil {
				part = image.Rect(t.X, t.Y, t.X+t.Width, t.Y+t.Height)
			}
			if writeFrame(filepath.Join(t.Output, f[1].(string)), picture(width, scene.About.Height, n).SubImage(part), t.Settings.Format) != nil {
				return broken
			}
		}
		if json.NewEncoder(report).Encode(line) != nil || t.ring() != nil {
			return broken
		}
	}
	return code
}

func writeFrame(name string, p image.Image, f render.Format) error {
	if f.Linear() {
		return os.WriteFile(name, linear(p, f), 0o600)
	}
	return writePNG(name, p)
}

func writePNG(name string, p image.Image) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, p), f.Close())
}

// picture returns frame n. No two of its pixels near each other are the same.
func picture(width, height, n int) *image.RGBA {
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.SetRGBA(x, y, color.RGBA{uint8(n), uint8(x), uint8(y), 255}) //nolint:gosec // cut off above 255
		}
	}
	return p
}

// writeSound writes a sawtooth that is as long as so many frames, with 24 bits a sample.
func writeSound(name string, about blender.About, frames int) error {
	const bits, sample, format, pcm = 24, 3, 16, 1
	var data []byte
	const buffer = 512 // samples: Blender writes whole buffers
	n := int(float64(frames*about.SoundRate) * about.FPSBase / float64(about.FPS))
	for i := range (n + buffer - 1) / buffer * buffer {
		for range about.SoundChannels {
			data = append(data, 0, 0, byte(i%100)) //nolint:gosec // small
		}
	}
	frame := about.SoundChannels * sample
	wav := append([]byte("RIFF"), le32(36+len(data))...)
	wav = append(wav, "WAVEfmt "...)
	wav = append(wav, le32(format)...)
	wav = append(wav, pcm, 0, byte(about.SoundChannels), 0) //nolint:gosec // small
	wav = append(wav, le32(about.SoundRate)...)
	wav = append(wav, le32(about.SoundRate*frame)...)
	wav = append(wav, byte(frame), 0, bits, 0) //nolint:gosec // small
	wav = append(wav, "data"...)
	wav = append(wav, le32(len(data))...)
	return os.WriteFile(name, append(wav, data...), 0o600)
}

func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) } //nolint:gosec // small

// About returns what a stand-in's scene of six frames has.
func About() blender.About {
	return blender.About{
		Blender: "1.0", Scene: "Scene", First: 1, Last: 6, Step: 1, FPS: 24, FPSBase: 1.001, Width: 8, Height: 4, AspectX: 1, AspectY: 1, Engine: "CYCLES", Camera: "Camera",
	}
}
