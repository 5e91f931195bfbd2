// Package renderflags turns the flags of mapreel render into the field render of a request.
package renderflags

import (
	"cmp"
	"regexp"
	"strconv"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
)

// Flags say how a scene is rendered.
type Flags struct {
	Frames    string                 `group:"Scene" placeholder:"LIST" help:"The frames to render: 1-48, or 3,5-10. Default: the range of the scene."`
	Step      *flagvalue.WholeNumber `group:"Scene" placeholder:"N" help:"Render every Nth frame of each range."`
	Engine    string                 `group:"Scene" placeholder:"NAME" help:"cycles, eevee or workbench. Default: that of the scene."`
	Samples   *flagvalue.WholeNumber `group:"Scene" placeholder:"N" help:"Samples for each pixel, with cycles and eevee. Default: those of the scene."`
	Size      string                 `group:"Scene" placeholder:"WxH|N%" help:"Size of the frames: 1920x1080, or a share of that of the scene, 50%. Default: that of the scene."`
	SceneName string                 `group:"Scene" name:"scene" placeholder:"NAME" help:"The scene of the file. Default: the one that was active when it was saved."`
	Camera    string                 `group:"Scene" placeholder:"NAME" help:"The camera for all frames. Default: that of the scene."`
	ViewLayer string                 `group:"Scene" placeholder:"NAME" help:"The only view layer to render. Default: all that are enabled."`
	Files     []string               `group:"Scene" name:"file" placeholder:"PATH" help:"A file or folder that the scene reads and that does not lie in its folder. May be given several times."`
	Kept      string                 `group:"Scene" name:"frame-format" enum:",png,exr" default:"" placeholder:"NAME" help:"Format of frames that are kept: png, or exr for OpenEXR in linear light. Default: png."`
	Depth     string                 `group:"Scene" name:"depth" enum:",8,16,32" default:"" placeholder:"BITS" help:"Bits of each sample of a frame: 8 or 16 of png, 16 or 32 of exr. Default: the fewest."`
	Device    string                 `group:"Scene" placeholder:"NAME" help:"cpu or gpu. Default: cpu."`
	FirstLook bool                   `group:"Scene" help:"Only every tenth frame (or --step), at 8 samples (or --samples), in a film that is as slow as the whole one."`
	Sound     string                 `group:"Scene" placeholder:"FILE" help:"The sound of the film, instead of that of the scene's sequencer: the first audio track of this file, from its beginning."`
	Tiles     string                 `group:"Scene" placeholder:"CxR" help:"Divide each frame into columns and rows of tiles, 2x2, which are rendered side by side. For cycles, without denoising and compositing."`
	Redo      string                 `group:"Scene" placeholder:"LIST" help:"Render these frames again, 17,40-44, and replace them in the folder of -o."`
	Unit      *flagvalue.WholeNumber `group:"Work" placeholder:"N" help:"Frames that one unit renders. Default: so many that starting Blender takes less than a tenth of the time."`
}

var (
	pixels = regexp.MustCompile(`^([0-9]{1,6})[xX×]([0-9]{1,6})$`)
	share  = regexp.MustCompile(`^([0-9]{1,4})%$`)
)

// formats are the values of the field format, by the flags --frame-format and --depth.
var formats = map[string]render.Format{ //nolint:gochecknoglobals // constant
	"png": render.PNG, "png8": render.PNG, "png16": render.PNG16, "exr": render.EXR, "exr16": render.EXR, "exr32": render.EXR32,
}

// Apply writes the flags into a request.
func (f Flags) Apply(d *requestfile.Draft) error {
	d.SetText("/render/frames", f.Frames, "--frames")
	d.SetNumber("/render/step", (*int)(f.Step), "--step")
	d.SetText("/render/engine", f.Engine, "--engine")
	d.SetNumber("/render/samples", (*int)(f.Samples), "--samples")
	d.SetText("/render/scene", f.SceneName, "--scene")
	d.SetText("/render/camera", f.Camera, "--camera")
	d.SetText("/render/viewLayer", f.ViewLayer, "--view-layer")
	d.SetText("/render/device", f.Device, "--device")
	d.SetNumber("/render/unit", (*int)(f.Unit), "--unit")
	d.SetText("/render/tiles", f.Tiles, "--tiles")
	d.SetText("/render/sound", f.Sound, "--sound")
	d.SetText("/render/redo", f.Redo, "--redo")
	if f.FirstLook {
		d.Set("/render/firstLook", true, "--first-look")
	}
	if len(f.Files) > 0 {
		d.Set("/render/files", f.Files, "--file")
	}
	if f.Kept != "" || f.Depth != "" {
		format, ok := formats[cmp.Or(f.Kept, "png")+f.Depth]
		if !ok {
			return fault.New(fault.Invalid, "--depth: %s has no frames of %s bits a sample: png has 8 or 16, and exr 16 or 32", cmp.Or(f.Kept, "png"), f.Depth)
		}
		flag := "--frame-format"
		if f.Kept == "" {
			flag = "--depth"
		}
		d.Set("/render/format", format, flag)
	}
	number := func(pointer, text string) {
		n, _ := strconv.Atoi(text) // digits, as the expression says
		d.Set(pointer, n, "--size")
	}
	switch m, p := pixels.FindStringSubmatch(f.Size), share.FindStringSubmatch(f.Size); {
	case m != nil:
		number("/render/width", m[1])
		number("/render/height", m[2])
	case p != nil:
		number("/render/percentage", p[1])
	case f.Size != "":
		return fault.New(fault.Invalid, "--size: %.40q is neither a size such as 1920x1080 nor a share such as 50%%", f.Size)
	}
	return nil
}
