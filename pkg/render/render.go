// Package render defines the values of rendering a Blender scene: what a request says of it, which frames it has, and how they are
// divided into units. It does no I/O.
//
//	frames, err := render.ParseFrames("1-250,300")
//	units := render.Divide(len(frames), render.Pace{Start: 1.2, Frame: 0.5}, workers)
package render

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Settings are the field render of a request. The zero value renders the scene as it was saved.
type Settings struct {
	Frames     string   `json:"frames,omitempty" jsonschema:"pattern=^[-0-9][^a-zA-Z]*$,description=The frames to render: 1-250 or 3 and 5-10 separated by commas. Default: the range of the scene"`
	Step       int      `json:"step,omitempty" jsonschema:"minimum=1,maximum=10000,description=Render every Nth frame of each range. Default: 1 with frames and else that of the scene"`
	Engine     Engine   `json:"engine,omitempty" jsonschema:"enum=cycles,enum=eevee,enum=workbench,description=Default: that of the scene"`
	Samples    int      `json:"samples,omitempty" jsonschema:"minimum=1,maximum=100000,description=Samples for each pixel with cycles and eevee. Default: those of the scene"`
	Width      int      `json:"width,omitempty" jsonschema:"minimum=4,maximum=16384,description=Pixels. Default: the size of the scene; with height alone the width that follows"`
	Height     int      `json:"height,omitempty" jsonschema:"minimum=4,maximum=16384,description=Pixels. Default: the size of the scene; with width alone the height that follows"`
	Percentage int      `json:"percentage,omitempty" jsonschema:"minimum=1,maximum=400,description=Scales width and height; an odd result is rounded down. Default: that of the scene; 100 with width or height"`
	Scene      string   `json:"scene,omitempty" jsonschema:"description=The scene of the file. Default: the one that was active when it was saved"`
	Camera     string   `json:"camera,omitempty" jsonschema:"description=The camera for all frames. Default: that of the scene with its markers"`
	ViewLayer  string   `json:"viewLayer,omitempty" jsonschema:"description=The only view layer to render. Default: all that are enabled"`
	Files      []string `json:"files,omitempty" jsonschema:"maxItems=1000,description=Files and folders that the scene reads: relative to the folder of the scene or on one machine absolute paths. On one machine everything in the folder of the scene may be read in any case"`
	Format     Format   `json:"format,omitempty" jsonschema:"enum=png,enum=png16,enum=exr,enum=exr32,description=Format of the frames: png has 8 bits a sample and png16 has 16. exr and exr32 are OpenEXR in linear light with 16 and 32 bits and for frames that are kept only. Default: png"`
	Device     Device   `json:"device,omitempty" jsonschema:"enum=cpu,enum=gpu,description=gpu renders with cycles on a GPU; on AWS always on Batch. Default: cpu"`
	FirstLook  bool     `json:"firstLook,omitempty" jsonschema:"description=Every tenth frame (or step) at 8 samples (or samples) and as slow as the whole film"`
	Sound      string   `json:"sound,omitempty" jsonschema:"description=A file whose first audio track is the sound of the film: from its beginning and cut or followed by silence at the end of the film. Located like the source. Default: the sound of the scene's sequencer"`
	Tiles      string   `json:"tiles,omitempty" jsonschema:"pattern=^[1-9][0-9]?x[1-9][0-9]?$,description=Columns and rows of tiles that each frame is divided into: 2x2. Each tile is a unit. For cycles without denoising and compositing; dithering and adaptive sampling are turned off"`
	Redo       string   `json:"redo,omitempty" jsonschema:"pattern=^[-0-9][^a-zA-Z]*$,description=Render these frames alone and replace them among those that an output of the container frames has kept"`
	// Unit is a number of frames, for measurements and for scenes whose frames differ much.
	Unit int `json:"unit,omitempty" jsonschema:"minimum=1,maximum=10000,description=Frames that one unit renders. Default: so many that starting Blender takes less than a tenth of the time as measured with the first frames"`
}

// A first look has every tenth frame, at few samples.
const (
	lookStep    = 10
	lookSamples = 8
)

// Effective returns the settings with those of a first look, where it is one.
func (s Settings) Effective() Settings {
	if s.FirstLook {
		s.Step = cmp.Or(s.Step, lookStep)
		if s.Engine != Workbench {
			s.Samples = cmp.Or(s.Samples, lookSamples)
		}
	}
	return s
}

// Look returns the settings that decide what a frame shows.
func (s Settings) Look() Settings {
	s.Frames, s.Step, s.Unit, s.Device, s.Redo, s.FirstLook, s.Sound = "", 0, 0, "", "", false, ""
	if s.Format == PNG { // which is the default
		s.Format = ""
	}
	if s.Tiles != "" { // however many: what matters is that dithering and adaptive sampling are off
		s.Tiles = "any"
	}
	return s
}

// IsZero reports whether the request says nothing about rendering.
func (s Settings) IsZero() bool { return s.Equal(Settings{}) }

// Equal reports whether two settings are the same.
func (s Settings) Equal(o Settings) bool {
	return s.Frames == o.Frames && s.Step == o.Step && s.Engine == o.Engine && s.Samples == o.Samples && s.Width == o.Width &&
		s.Height == o.Height && s.Percentage == o.Percentage && s.Scene == o.Scene && s.Camera == o.Camera && s.ViewLayer == o.ViewLayer &&
		slices.Equal(s.Files, o.Files) && s.Format == o.Format && s.Device == o.Device && s.Unit == o.Unit &&
		s.FirstLook == o.FirstLook && s.Redo == o.Redo && s.Tiles == o.Tiles && s.Sound == o.Sound
}

// Engine is what computes the pixels.
type Engine string

// Engines of Blender.
const (
	Cycles    Engine = "cycles"
	Eevee     Engine = "eevee"
	Workbench Engine = "workbench"
)

// Format is how frames are stored.
type Format string

// Formats. "" is PNG.
const (
	PNG   Format = "png"   // as the view transform shows the scene, with 8 bits a sample
	PNG16 Format = "png16" // with 16
	EXR   Format = "exr"   // OpenEXR: linear light before the view transform, as floating-point numbers of 16 bits
	EXR32 Format = "exr32" // of 32
)

// Deep reports whether samples have more than 8 bits.
func (f Format) Deep() bool { return f.bits() > 8 }

func (f Format) bits() int {
	switch f {
	case PNG16, EXR:
		return 16
	case EXR32:
		return 32
	}
	return 8
}

// Linear reports whether the frames hold linear light, for other programs than a player.
func (f Format) Linear() bool { return f == EXR || f == EXR32 }

// Extension returns that of the frames' names.
func (f Format) Extension() string {
	if f.Linear() {
		return "exr"
	}
	return "png"
}

// Device is what Cycles computes on.
type Device string

// Devices.
const (
	CPU Device = "cpu"
	GPU Device = "gpu"
)

// Limits of Settings. The tags of the type have the same numbers.
const (
	minSize, maxSize = 4, 16384 // Blender's own
	maxStep          = 10_000
	maxSamples       = 100_000
	maxPercentage    = 400
	maxFiles         = 1000
	maxUnit          = 10_000
	maxName          = 63 // bytes of the name of a data-block
	maxPath          = 1024
)

// Problem is what is wrong with a field.
type Problem struct{ Pointer, Message string }

// Check returns the problems that can be found without the scene.
func (s Settings) Check() (ps []Problem) {
	add := func(field, format string, args ...any) {
		ps = append(ps, Problem{"/render/" + field, fmt.Sprintf(format, args...)})
	}
	for _, n := range []struct {
		field           string
		value, low, top int
	}{
		{"step", s.Step, 1, maxStep},
		{"samples", s.Samples, 1, maxSamples},
		{"width", s.Width, minSize, maxSize},
		{"height", s.Height, minSize, maxSize},
		{"percentage", s.Percentage, 1, maxPercentage},
		{"unit", s.Unit, 1, maxUnit},
	} {
		if n.value != 0 && (n.value < n.low || n.value > n.top) {
			add(n.field, "%d is outside %d to %d", n.value, n.low, n.top)
		}
	}
	if s.Frames != "" {
		if _, err := ParseFrames(s.Frames, max(s.Step, 1)); err != nil {
			add("frames", "%v", err)
		}
	}
	if s.Redo != "" {
		if _, err := ParseFrames(s.Redo, 1); err != nil {
			add("redo", "%v", err)
		}
		if s.FirstLook {
			add("redo", "a first look has no frames that are kept")
		}
	}
	if _, err := ParseGrid(s.Tiles); err != nil {
		add("tiles", "%v", err)
	} else if s.Tiles != "" && s.Engine != "" && s.Engine != Cycles {
		add("tiles", "%s looks at the whole frame; only cycles renders tiles", s.Engine)
	} else if s.Tiles != "" && s.Format.Linear() {
		add("tiles", "tiles are merged as PNG; %s frames are rendered whole", s.Format)
	}
	for _, n := range []struct {
		field, value string
		known        []string
	}{
		{"engine", string(s.Engine), []string{string(Cycles), string(Eevee), string(Workbench)}},
		{"format", string(s.Format), []string{string(PNG), string(PNG16), string(EXR), string(EXR32)}},
		{"device", string(s.Device), []string{string(CPU), string(GPU)}},
	} {
		if n.value != "" && !slices.Contains(n.known, n.value) {
			add(n.field, "%q is not one of %s", n.value, strings.Join(n.known, ", "))
		}
	}
	if s.Samples != 0 && s.Engine == Workbench {
		add("samples", "workbench has none")
	}
	if s.Device == GPU && s.Engine != "" && s.Engine != Cycles {
		add("device", "%s has no choice of a device; only cycles has", s.Engine)
	}
	for field, name := range map[string]string{"scene": s.Scene, "camera": s.Camera, "viewLayer": s.ViewLayer} {
		if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			add(field, "%.80q is no name in Blender, which has at most %d bytes", name, maxName)
		}
	}
	if len(s.Files) > maxFiles {
		add("files", "%d files; at most %d. Name their folder", len(s.Files), maxFiles)
	}
	for i, f := range s.Files[:min(len(s.Files), maxFiles)] {
		if problem := checkFile(f); problem != "" {
			add(fmt.Sprintf("files/%d", i), "%s", problem)
		}
	}
	slices.SortFunc(ps, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	return ps
}

// checkFile says what is wrong with the path of a support file.
func checkFile(name string) string {
	switch clean := path.Clean(name); {
	case name == "":
		return "is empty"
	case len(name) > maxPath || !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Sprintf("%.80q is no path", name)
	case strings.HasPrefix(name, "//"):
		return fmt.Sprintf("%q: leave out the slashes; paths begin at the folder of the scene", name)
	case clean == "/":
		return "is the whole machine"
	case clean == "." || clean == ".." || strings.HasPrefix(clean, "../"):
		return fmt.Sprintf("%q does not lie in the folder of the scene; name it by its absolute path", name)
	}
	return ""
}
